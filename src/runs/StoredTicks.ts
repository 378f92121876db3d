/**
 * Finds which of some ticks are stored already, compared byte by byte.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import * as BatchFile from "../batch/BatchFile.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import type { StorageKey } from "../storage/StorageKey.ts"
import * as RunFiles from "./RunFiles.ts"

/** The given ticks, each in one of the three arrays, in their order. */
export interface Divided {
  /** Not stored. */
  readonly fresh: ReadonlyArray<Tick.Tick>
  /** Stored, with the same bytes. */
  readonly stored: ReadonlyArray<Tick.Tick>
  /** The batch under `key` has other bytes for this number. */
  readonly conflicting: ReadonlyArray<{ readonly tick: Tick.Tick; readonly key: StorageKey }>
  /** The batches that hold the `stored` ones. */
  readonly holders: ReadonlyArray<{ readonly runId: RunId.RunId; readonly key: StorageKey }>
}

type State = "stored" | StorageKey

/** Ticks by their number. Several may have the same number. */
export type Wanted = ReadonlyMap<bigint, ReadonlyArray<Tick.Tick>>

/**
 * Reads the batch under `key`. Calls `onFound` for each of `wanted` in it, with whether the bytes are the same, and
 * `onNumber` for each tick in it. In a damaged batch it finds the ticks before the damage, in a missing batch none.
 */
export const look = (
  key: StorageKey,
  wanted: Wanted,
  onFound: (tick: Tick.Tick, isSame: boolean) => void,
  onNumber: (tickNumber: bigint) => void = () => undefined
): Effect.Effect<void, StorageError, Storage> =>
  Stream.runForEachArray(BatchFile.read(key), (ticks) =>
    Effect.sync(() => {
      for (const { payload, tickNumber } of ticks) {
        onNumber(tickNumber)
        for (const tick of wanted.get(tickNumber) ?? []) onFound(tick, Bytes.Equivalence(tick.payload, payload))
      }
    })
  ).pipe(
    Effect.catchReason("StorageError", "ObjectDamaged", () => Effect.void),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.void) // it was set aside since it was listed
  )

/** `ticks` by their number. */
export const byNumber = (ticks: ReadonlyArray<Tick.Tick>): Wanted => Map.groupBy(ticks, ({ tickNumber }) => tickNumber)

/** The ticks with a valid run id and number, by run and number. */
const byRun = (ticks: ReadonlyArray<Tick.Tick>): ReadonlyMap<RunId.RunId, Map<bigint, Array<Tick.Tick>>> => {
  const runs = new Map<RunId.RunId, Map<bigint, Array<Tick.Tick>>>()
  for (const tick of ticks) {
    const { simulationRunId, tickNumber } = tick
    if (!RunId.is(simulationRunId) || tickNumber < 0n) continue
    const wanted = runs.get(simulationRunId) ?? new Map<bigint, Array<Tick.Tick>>()
    const same = wanted.get(tickNumber)
    if (same === undefined) wanted.set(tickNumber, [tick])
    else same.push(tick)
    runs.set(simulationRunId, wanted)
  }
  return runs
}

/** Divides `ticks` into fresh, stored and conflicting. Reads only batches whose range has one of them. */
export const divide = Effect.fnUntraced(function* (
  ticks: ReadonlyArray<Tick.Tick>
): Effect.fn.Return<Divided, StorageError, Storage> {
  const states = new Map<Tick.Tick, State>()
  const holders: Array<Divided["holders"][number]> = []
  for (const [runId, wanted] of byRun(ticks)) {
    const numbers = [...wanted.keys()]
    for (const { first, key, last } of yield* RunFiles.batches(runId)) {
      if (!numbers.some((number) => number >= first && number <= last)) continue
      let isStored = false
      yield* look(key, wanted, (tick, isSame) => {
        if (states.get(tick) === "stored") return
        states.set(tick, isSame ? "stored" : key)
        isStored ||= isSame
      })
      if (isStored) holders.push({ runId, key })
    }
  }
  return {
    holders,
    fresh: ticks.filter((tick) => !states.has(tick)),
    stored: ticks.filter((tick) => states.get(tick) === "stored"),
    conflicting: ticks.flatMap((tick) => {
      const state = states.get(tick)
      return state === undefined || state === "stored" ? [] : [{ tick, key: state }]
    })
  }
})
