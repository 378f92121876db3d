// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as RunId from "../../src/domain/RunId.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as Outcome from "../../src/persistence/Outcome.ts"
import * as Portion from "../../src/persistence/Portion.ts"
import * as Settler from "../../src/persistence/Settler.ts"
import { IoFailure } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { letterOf } from "../replay/replays.ts"
import { numbers } from "./harness.ts"

const named = (ticks: ReadonlyArray<Tick.Tick>) => numbers(ticks).join()

const runId = RunId.make("run")

const failure: DeadLetter.Failure = {
  reason: "storage",
  error: new IoFailure({ code: "EIO" }),
  retries: 0,
  firstFailureMs: 1,
  lastFailureMs: 1
}

/** The portion that a batch of these ticks makes. */
const portionOf = (...ticks: [Tick.Tick, ...Array<Tick.Tick>]) => {
  const [portion] = Portion.divide({ ticks, reason: "size", enqueuedAtMs: 0, returned: false }, "split", 0)
  assert(portion?._tag === "Storable")
  return portion
}

/** One that is claimed, and that an attempt without an answer may have stored. */
const claimed = () => {
  const portion = portionOf(TestTick.make("run", 1), TestTick.make("run", 2), TestTick.make("run", 3))
  portion.write = { _tag: "WriteFailed", failure, mayBeStored: true }
  return portion
}

/** A settler whose tracker, ledger and books note what they are told. All of them suspend, as others may. */
const makeSettle = Effect.gen(function* () {
  const told: Array<string> = []
  const tell = (line: string) =>
    Effect.andThen(
      Effect.yieldNow,
      Effect.sync(() => void told.push(line))
    )
  const settler = yield* Settler.make("service").pipe(
    Effect.provideService(IdempotencyTracker.IdempotencyTracker, {
      ...IdempotencyTracker.discard,
      commit: ({ ticks }) => tell(`commit ${named(ticks)}`),
      release: ({ ticks }) => tell(`release ${named(ticks)}`)
    }),
    Effect.provideService(RunLedger.RunLedger, {
      ...RunLedger.discard,
      record: (_, entry) => tell(`record ${entry._tag}`),
      attend: (run) => tell(`attend ${run}`)
    }),
    Effect.provideService(DeadLetterQueue.DeadLetterQueue, yield* DeadLetterQueue.makeMemory("letters"))
  )
  const settle = settler<Outcome.Outcome>({
    count: (portion, ticks, { _tag }) =>
      void told.push(`count ${_tag} ${named(ticks)}, settled ${String(portion.settled)}`),
    report: (_, ticks, { _tag }) => tell(`report ${_tag} ${named(ticks)}`)
  })
  return { settle, told }
})

const makeOutcomes = Effect.gen(function* () {
  const letter = yield* letterOf(TestTick.range("run", 1, 3)).pipe(Effect.orDie)
  const key = StorageKey.batch(runId, portionOf(TestTick.make("run", 1)).ticks)
  const written = { outcome: "created", key, bytes: 1, storedBytes: 1, checks: [0, 0, 0] } as const
  const duplicate = (found: Outcome.Duplicate["found"]) => Outcome.Duplicate({ runId, found })
  return {
    stored: Outcome.Stored({ runId, written, attempts: 1, tookMs: 1, committedAtMs: 1 }),
    recalled: duplicate({ foundBy: "recall" }),
    known: duplicate({ foundBy: "claim" }),
    found: duplicate({ foundBy: "write", key }),
    deadLettered: Outcome.DeadLettered({ letter }),
    lost: Outcome.Lost({ reason: "storage" }),
    returned: Outcome.Returned(),
    remaining: Outcome.Remaining({ failure })
  }
})

type Name = keyof Effect.Success<typeof makeOutcomes>

/** What the tracker is told of each outcome, and the ledger. Between them stand the books. */
const expected: Record<Name, { readonly tracker: ReadonlyArray<string>; readonly ledger: ReadonlyArray<string> }> = {
  stored: { tracker: ["commit 1,2,3"], ledger: ["record Commit"] },
  recalled: { tracker: [], ledger: ["attend run"] },
  known: { tracker: [], ledger: [] },
  found: { tracker: ["commit 1,2,3"], ledger: ["attend run"] },
  deadLettered: { tracker: ["release 1,2,3"], ledger: ["record Letter", "attend run"] },
  lost: { tracker: ["release 1,2,3"], ledger: [] },
  returned: { tracker: ["release 1,2,3"], ledger: [] },
  remaining: { tracker: ["release 1,2,3"], ledger: ["attend run"] }
}

describe("settle", () => {
  for (const name of Object.keys(expected) as ReadonlyArray<Name>) {
    it.effect(`tells tracker, books and ledger once of ticks that are ${name}, and can't be interrupted`, () =>
      Effect.gen(function* () {
        const outcome = (yield* makeOutcomes)[name]
        const { ledger, tracker } = expected[name]
        const books = [`count ${outcome._tag} 1,2,3, settled true`, `report ${outcome._tag} 1,2,3`]
        for (let steps = 0; steps < 12; steps++) {
          const { settle, told } = yield* makeSettle
          const portion = claimed()
          const settling = yield* Effect.forkChild(settle(portion, portion.ticks, outcome), { startImmediately: true })
          for (let step = 0; step < steps; step++) yield* Effect.yieldNow
          yield* Fiber.interrupt(settling)
          assert.isTrue(portion.settled)
          assert.deepStrictEqual(told, [...tracker, ...books, ...ledger], `interrupted after ${steps} steps`)
        }
      })
    )
  }

  it.effect("releases nothing of a portion that is not claimed", () =>
    Effect.gen(function* () {
      const { settle, told } = yield* makeSettle
      const portion = portionOf(TestTick.make("run", 1))
      yield* settle(portion, portion.ticks, Outcome.Returned())
      assert.deepStrictEqual(told, ["count Returned 1, settled true", "report Returned 1"])
    })
  )

  it.effect("leaves the rest of a portion to be settled, and does nothing without ticks", () =>
    Effect.gen(function* () {
      const { settle, told } = yield* makeSettle
      const { known, returned } = yield* makeOutcomes
      const portion = claimed()
      const [, second] = portion.ticks
      assert(second !== undefined)
      yield* settle(portion, [], known)
      assert.deepStrictEqual(told, [])
      yield* settle(portion, [second], known)
      assert.isFalse(portion.settled)
      assert.deepStrictEqual(numbers(portion.ticks), [1, 3])
      yield* settle(portion, portion.ticks, returned)
      assert.deepStrictEqual(told, [
        "count Duplicate 2, settled false",
        "report Duplicate 2",
        "release 1,3",
        "count Returned 1,3, settled true",
        "report Returned 1,3"
      ])
    })
  )

  it.effect("keeps the first of a tick that is in a batch twice", () =>
    Effect.gen(function* () {
      const { settle } = yield* makeSettle
      const { known } = yield* makeOutcomes
      const [first, second] = [TestTick.make("run", 1), TestTick.make("run", 2)]
      const portion = portionOf(first, second, first)
      yield* settle(portion, [first], known)
      assert.deepStrictEqual(numbers(portion.ticks), [1, 2])
    })
  )
})
