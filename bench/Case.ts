/**
 * What a benchmark case is: tickvault and a named peer that do the same work, on the same data and disk, in turn.
 */
import * as Effect from "effect/Effect"
import * as Version from "./Version.ts"

/** What one turn of a side has come to. */
export interface Measured {
  /** Time of the work, without preparation and warm-up. */
  readonly seconds: number
  /** CPU time that the process spent on it, on all its threads. */
  readonly cpuSeconds?: number
  /** Ticks of the work; what is compared is the time for each. */
  readonly ticks: number
  /** Bytes of the work, uncompressed. */
  readonly bytes: number
  /** Bytes on the disk afterwards, where there are any. */
  readonly storedBytes?: number
  /** How long each commit took, in milliseconds. */
  readonly commitMs?: ReadonlyArray<number>
  /** Ticks that the account or `verify` doesn't find. */
  readonly lost?: number
  /**
   * Peak memory of the process by the end of the work, where that is not the end of the turn; `null` where the work is done
   * by another process.
   */
  readonly peakKilobytes?: number | null
}

/** Does the work once. `folder` is empty, on the disk that is measured, and removed afterwards. */
export type Turn = (folder: string) => Effect.Effect<Measured>

/** What is compared, and what is wanted of it. */
export type Goal =
  /** Ticks a second, as a multiple of the peer's. */
  | {
      readonly of: "speed"
      readonly atLeast: number
      /** What may be stored, as a part of the bytes before compression. */
      readonly storedAtMost?: number
    }
  /** CPU time of a tick: how many times the peer's is ours. */
  | { readonly of: "cpu"; readonly atLeast: number }
  /** Peak memory of the process, as a multiple of the peer's. */
  | { readonly of: "memory"; readonly atMost: number }
  /** Seconds that it takes longer than the peer. */
  | { readonly of: "delay"; readonly atMost: number }

export interface Case extends Comparison {
  /** The same work by any version of tickvault, where another can be the peer. */
  readonly version?: Version.VersionTurn
}

/** Two sides and what is wanted of them. */
export interface Comparison {
  /** For the command line. Cases of a kind begin with the same word. */
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
  /** Of the processes that take the turns. */
  readonly nodeOptions?: ReadonlyArray<string>
  readonly turns:
    | {
        /** Each in a process of its own: neither finds warm code or garbage of the other. */
        readonly in: "processes"
        readonly peer: Turn
        readonly ours: Turn
      }
    | {
        /** Both in one process, for differences that are smaller than those between processes. */
        readonly in: "one process"
        readonly both: (folder: string, first: Side) => Effect.Effect<Both>
      }
}

export type Side = "peer" | "ours"

export interface Both {
  readonly peer: Measured
  readonly ours: Measured
}

/** A case with the version in `checkout` as the peer, if it can have it. */
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
