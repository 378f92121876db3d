/** What a claim on ticks has found. */
import type * as Tick from "../../domain/Tick.ts"

/** Every tick that was asked for is in exactly one of the three, in its order. */
export interface Claim {
  /** Not seen before: claimed now, to be committed or released. */
  readonly fresh: ReadonlyArray<Tick.Tick>
  /** Stored already. */
  readonly stored: ReadonlyArray<Tick.Tick>
  /** Claimed by another batch, or a second time by this one. */
  readonly claimed: ReadonlyArray<Tick.Tick>
}
