/**
 * A benchmark case: tickvault and a named peer do the same work, on the same data and disk, in turn.
 */
import * as Effect from "effect/Effect"
import type { Measured } from "./Measured.ts"
import * as Version from "./Version.ts"

/** Does the work once. `folder` is empty, on the measured disk, and removed afterwards. */
export type Turn = (folder: string) => Effect.Effect<Measured>

/** What is compared, and the goal. */
export type Goal =
  /** Ticks a second, as a multiple of the peer's. */
  | {
      readonly of: "speed"
      readonly atLeast: number
      /** The largest stored size, relative to the size before compression. */
      readonly storedAtMost?: number
    }
  /** CPU time of a tick: the peer's divided by ours. */
  | { readonly of: "cpu"; readonly atLeast: number }
  /** Peak memory of the process, as a multiple of the peer's. */
  | { readonly of: "memory"; readonly atMost: number }
  /** Seconds longer than the peer. */
  | { readonly of: "delay"; readonly atMost: number }

export interface Case extends Comparison {
  /** The same work by any version of tickvault, if another version can be the peer. */
  readonly version?: Version.VersionTurn
}

/** Two sides and the goal. */
export interface Comparison {
  /** The name for the command line. Cases of a kind begin with the same word. */
  readonly name: string
  readonly settings: {
    readonly payload?: string
    readonly batch?: number
    readonly codec?: string
    readonly durability?: string
    readonly instances?: number
  }
  readonly peer: string
  readonly ours: string
  readonly goal: Goal
  /** Node options of the processes of the turns. */
  readonly nodeOptions?: ReadonlyArray<string>
  readonly turns:
    | {
        /** Each side in its own process, so that neither meets warm code or garbage of the other. */
        readonly in: "processes"
        readonly peer: Turn
        readonly ours: Turn
      }
    | {
        /** Both in one process, for differences smaller than those between processes. */
        readonly in: "one process"
        readonly both: (folder: string, first: Side) => Effect.Effect<Both>
      }
}

export type Side = "peer" | "ours"

export interface Both {
  readonly peer: Measured
  readonly ours: Measured
}

/** The case with the version in `checkout` as the peer, if possible. */
export const against = ({ version, ...each }: Case, checkout: string): Comparison | undefined => {
  if (version === undefined) return undefined
  const turn =
    (root: string): Turn =>
    (folder) =>
      Effect.flatMap(
        Effect.promise(() => Version.load(root)),
        (loaded) => Effect.promise(() => version(loaded, folder))
      )
  return {
    ...each,
    peer: `tickvault in ${checkout}`,
    ours: "this tickvault",
    goal: { of: "cpu", atLeast: 0.97 },
    turns: { in: "processes", peer: turn(checkout), ours: turn(Version.own) }
  }
}

/** Takes the turns of both sides, that of `first` before the other. */
export const inOrder = <E, R>(
  first: Side,
  sides: { readonly [side in Side]: Effect.Effect<Measured, E, R> }
): Effect.Effect<Both, E, R> =>
  first === "peer"
    ? Effect.all({ peer: sides.peer, ours: sides.ours })
    : Effect.map(Effect.all({ ours: sides.ours, peer: sides.peer }), ({ ours, peer }) => ({ peer, ours }))
