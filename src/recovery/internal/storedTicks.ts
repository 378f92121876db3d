/**
 * Which ticks of a letter are in the storage already, told by their bytes.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import * as BatchFile from "../../storage/BatchFile.ts"
import type { Storage } from "../../storage/Storage.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import type { StorageKey } from "../../storage/StorageKey.ts"

/** The ticks of a letter, each in one of the three, in their order. */
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

/** Notes in `states` what is found of `wanted`; whether any of it is stored there. What a damaged batch holds before its damage is found too. */
const look = (
  storage: Storage["Service"],
  key: StorageKey,
  wanted: ReadonlyMap<bigint, ReadonlyArray<Tick.Tick>>,
  states: Map<Tick.Tick, State>
): Effect.Effect<boolean, StorageError> =>
  Effect.suspend(() => {
    let isStored = false
    return BatchFile.read(storage, key).pipe(
      Stream.runForEachArray((ticks) =>
        Effect.sync(() => {
          for (const { payload, tickNumber } of ticks) {
            for (const tick of wanted.get(tickNumber) ?? []) {
              if (states.get(tick) === "stored") continue
              const isSame = Bytes.Equivalence(tick.payload, payload)
              states.set(tick, isSame ? "stored" : key)
              isStored ||= isSame
            }
          }
        })
      ),
      Effect.catchReason("StorageError", "ObjectDamaged", () => Effect.void),
      Effect.catchReason("StorageError", "ObjectMissing", () => Effect.void), // set aside since it was listed
      Effect.map(() => isStored)
    )
  })

/** The ticks that can be stored at all, by run and number; a letter may hold a number twice. */
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
      if (yield* look(storage, key, wanted, states)) keys.push(key)
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
