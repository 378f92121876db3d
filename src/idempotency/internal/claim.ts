/** The result of a claim on ticks. */
import type * as Tick from "../../domain/Tick.ts"

/** Every tick of the batch, the same object, is in exactly one of the three arrays, in the order of the batch. */
export interface Claim {
  /** New ticks, now claimed. Commit or release them. */
  readonly fresh: ReadonlyArray<Tick.Tick>
  /** Stored already. */
  readonly stored: ReadonlyArray<Tick.Tick>
  /** Claimed by another batch, or a second time by this one. */
  readonly claimed: ReadonlyArray<Tick.Tick>
}
