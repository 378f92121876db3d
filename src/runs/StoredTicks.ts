/**
 * Which of given ticks are in the storage already, told by their bytes.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import * as RunFiles from "./RunFiles.ts"
import * as BatchFile from "../storage/BatchFile.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import type { StorageKey } from "../storage/StorageKey.ts"

/** The given ticks, each in one of the three, in their order. */
export interface Divided {
  /** Not stored. */
  readonly fresh: ReadonlyArray<Tick.Tick>
  /** Stored, with the very same bytes. */
  readonly stored: ReadonlyArray<Tick.Tick>
  /** Stored with other bytes, under `key`: two ticks claim one number. */
  readonly conflicting: ReadonlyArray<{ readonly tick: Tick.Tick; readonly key: StorageKey }>
  /** The batches that have those that are stored. */
  readonly keys: ReadonlyArray<StorageKey>
}

type State = "stored" | StorageKey

/** Ticks by their number, of which there may be several. */
export type Wanted = ReadonlyMap<bigint, ReadonlyArray<Tick.Tick>>

/**
 * Tells `onFound` what the batch under `key` has of `wanted`, and whether it is the same to the byte; `onNumber` all that
 * is in it. What a damaged batch holds before its damage is found too; one that is gone holds nothing.
 */
export const look = (
  storage: Storage["Service"],
  key: StorageKey,
  wanted: Wanted,
  onFound: (tick: Tick.Tick, isSame: boolean) => void,
  onNumber: (tickNumber: bigint) => void = () => undefined
): Effect.Effect<void, StorageError> =>
  BatchFile.read(storage, key).pipe(
    Stream.runForEachArray((ticks) =>
      Effect.sync(() => {
        for (const { payload, tickNumber } of ticks) {
          onNumber(tickNumber)
          for (const tick of wanted.get(tickNumber) ?? []) onFound(tick, Bytes.Equivalence(tick.payload, payload))
        }
      })
    ),
    Effect.catchReason("StorageError", "ObjectDamaged", () => Effect.void),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.void) // set aside since it was listed
  )

/** `ticks` by their number. */
export const byNumber = (ticks: ReadonlyArray<Tick.Tick>): Wanted => Map.groupBy(ticks, ({ tickNumber }) => tickNumber)

/** The ticks that can be stored at all, by run and number; a number may be there twice. */
const byRun = (ticks: ReadonlyArray<Tick.Tick>): ReadonlyMap<RunId.RunId, Map<bigint, Array<Tick.Tick>>> => {
  const runs = new Map<RunId.RunId, Map<bigint, Array<Tick.Tick>>>()
  for (const tick of ticks) {
    const { simulationRunId, tickNumber } = tick
    if (!RunId.is(simulationRunId) || tickNumber < 0n) continue
    const wanted = runs.get(simulationRunId) ?? new Map<bigint, Array<Tick.Tick>>()
    wanted.set(tickNumber, [...(wanted.get(tickNumber) ?? []), tick])
    runs.set(simulationRunId, wanted)
  }
  return runs
}

/** Divides `ticks` by what is stored of their runs. Only batches whose range has one of them are read. */
export const divide = Effect.fnUntraced(function* (storage: Storage["Service"], ticks: ReadonlyArray<Tick.Tick>) {
  const states = new Map<Tick.Tick, State>()
  const keys: Array<StorageKey> = []
  for (const [runId, wanted] of byRun(ticks)) {
    const numbers = [...wanted.keys()]
    for (const { first, key, last } of yield* RunFiles.batches(storage, runId)) {
      if (!numbers.some((number) => number >= first && number <= last)) continue
      let isStored = false
      yield* look(storage, key, wanted, (tick, isSame) => {
        if (states.get(tick) === "stored") return
        states.set(tick, isSame ? "stored" : key)
        isStored ||= isSame
      })
      if (isStored) keys.push(key)
    }
  }
  const divided: Divided = {
    keys,
    fresh: ticks.filter((tick) => !states.has(tick)),
    stored: ticks.filter((tick) => states.get(tick) === "stored"),
    conflicting: ticks.flatMap((tick) => {
      const state = states.get(tick)
      return state === undefined || state === "stored" ? [] : [{ tick, key: state }]
    })
  }
  return divided
})
