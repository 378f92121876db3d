/**
 * What each `RunLedger` must do, as cases for any test runner: what it records is read back with `Ledger.read`, from a
 * storage that the cases bring and whose faults they script. Time is that of a `TestClock`.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as RunLedger from "tickvault/ledger/RunLedger"
 * import * as RunLedgerContract from "tickvault/testing/RunLedgerContract"
 * import { test } from "node:test"
 *
 * // Your own ledger in the place of this one.
 * for (const { effect, name } of RunLedgerContract.cases(RunLedger.layer)) test(name, () => Effect.runPromise(effect))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as BatchFile from "../batch/BatchFile.ts"
import * as Compression from "../batch/Compression.ts"
import * as RunId from "../domain/RunId.ts"
import * as Tick from "../domain/Tick.ts"
import * as Ledger from "../ledger/Ledger.ts"
import type * as LedgerEntry from "../ledger/LedgerEntry.ts"
import { RunLedger } from "../ledger/RunLedger.ts"
import { Storage } from "../storage/Storage.ts"
import { NoSpace } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import { type Case, caseOfTime, ContractViolation, type Test, test } from "./Contract.ts"
import * as FaultyStorage from "./FaultyStorage.ts"
import { failureFor, isTrue, same } from "./internal/expect.ts"
import * as TestTick from "./TestTick.ts"

const run = RunId.make("run")
const otherRun = RunId.make("other")

const drop = (letter: string): LedgerEntry.Drop => ({
  _tag: "Drop",
  letter,
  stretches: [],
  count: 1,
  reason: "of no use",
  atMs: 7
})

const record = (letter: string, runId = run) => RunLedger.use((ledger) => ledger.record(runId, drop(letter)))

const flush = RunLedger.use((ledger) => ledger.flush)

/** The operations that change something in a storage. */
const changes = ["create", "write", "commit", "append", "sync"] as const

const always = (fault: FaultyStorage.Fault) =>
  FaultyStorage.FaultyStorage.use((faults) =>
    Effect.forEach(changes, (operation) => faults.always(operation, fault), { discard: true })
  )

/** What the ledger of `runId` says, as it lies in the storage. */
const linesOf = Effect.fnUntraced(function* (runId = run) {
  const { underneath } = yield* FaultyStorage.FaultyStorage
  const items = yield* Stream.runCollect(Ledger.read(runId)).pipe(Effect.provideService(Storage, underneath))
  return items.flatMap((item) => (item._tag === "Line" ? [item] : []))
})

/** The letters that were recorded as dropped, each once, in order. */
const dropped = (runId = run) =>
  Effect.map(linesOf(runId), (lines) =>
    [...new Set(lines.flatMap(({ entry }) => (entry._tag === "Drop" ? [entry.letter] : [])))].toSorted()
  )

/** Stores ticks `first` to `last` of the run without a word to a ledger. */
const store = Effect.fnUntraced(function* (first: number, last: number) {
  const { underneath } = yield* FaultyStorage.FaultyStorage
  const ticks = TestTick.range("run", first, last)
  if (!Tick.isBatch(ticks)) return yield* Effect.die("a batch has at least one tick")
  const key = StorageKey.batch(run, ticks)
  const written = yield* BatchFile.write(key, ticks).pipe(
    Effect.provideService(Storage, underneath),
    Effect.provide(Compression.layerNone)
  )
  return { ...written, key }
})

/** `effect`, while time passes. Dies when ten minutes have passed: it waits for ever. */
const whileTimePasses = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(
    effect,
    Effect.andThen(TestClock.adjust("100 millis"), Effect.repeat(Effect.yieldNow, { times: 100 })).pipe(
      Effect.repeat({ times: 6000 }),
      Effect.andThen(
        Effect.die(
          new ContractViolation({ problem: "it waits for ever", actual: "nothing in ten minutes", expected: "an end" })
        )
      )
    )
  )

type Context = FaultyStorage.FaultyStorage | Storage

const ofLedger = test<Context>

/** Letters that one of several writers drops. */
const lettersOf = (writer: string) => Array.from({ length: 20 }, (_, index) => `${writer}${index + 10}`)

const testsOf = <E>(layer: Layer.Layer<RunLedger, E, Storage>): ReadonlyArray<Test<Context>> => {
  /** Gives `effect` a ledger of its own, and closes that afterwards. */
  const within = <A, E2, R>(effect: Effect.Effect<A, E2, R>) =>
    whileTimePasses(Effect.provide(effect, Layer.fresh(layer), { local: true }))

  return [
    ofLedger("has what was recorded once it is flushed, for each run on its own", function* () {
      yield* within(
        Effect.gen(function* () {
          yield* record("a")
          yield* record("b", otherRun)
          yield* record("c")
          yield* flush
          same(yield* dropped(), ["a", "c"])
          same(yield* dropped(otherRun), ["b"])
        })
      )
    }),

    ofLedger("has what was recorded when its scope has closed, beside what earlier ones have recorded", function* () {
      yield* within(record("a"))
      same(yield* dropped(), ["a"])
      yield* within(record("b"))
      same(yield* dropped(), ["a", "b"])
    }),

    ofLedger("keeps what several record at the same time", function* () {
      const write = (writer: string) =>
        within(Effect.forEach(lettersOf(writer), (letter) => Effect.andThen(record(letter), Effect.yieldNow)))
      yield* Effect.all(["a", "b", "c"].map(write), { concurrency: "unbounded" })
      same(yield* dropped(), ["a", "b", "c"].flatMap(lettersOf))
    }),

    ofLedger("gives an entry back as it was, with the checksums of its ticks", function* () {
      const { bytes, checks, key } = yield* store(1, 3)
      const commit: LedgerEntry.Commit = {
        _tag: "Commit",
        key,
        stretches: [[1n, 3n, 1n]],
        count: 3,
        bytes,
        checksum: "0123abcd",
        committedAtMs: 5,
        write: { service: "persistence-1", flushReason: "size", attempts: 2, enqueuedAtMs: 3, tookMs: 1.5 }
      }
      yield* within(RunLedger.use((ledger) => ledger.record(run, commit, checks)))
      const [line, ...others] = (yield* linesOf()).filter(({ entry }) => entry._tag === "Commit")
      same<unknown>(line?.entry, commit)
      same<unknown>(line?.checks(), checks)
      same(others.length, 0, "the batch is known: it needs no other entry")
    }),

    ofLedger("makes the entry of a stored batch that nobody has recorded", function* () {
      const { bytes, checks, key } = yield* store(1, 5)
      yield* within(RunLedger.use((ledger) => ledger.attend(run)))
      const [line, ...others] = (yield* linesOf()).filter(({ entry }) => entry._tag === "Commit")
      if (line?.entry._tag !== "Commit") return isTrue(false, "there is an entry of the batch")
      const { bytes: noted, count, key: of, stretches } = line.entry
      same({ bytes: noted, count, key: of, stretches }, { bytes, count: 5, key, stretches: [[1n, 5n, 1n]] })
      same<unknown>(line.checks(), checks)
      same(others.length, 0)
    }),

    ofLedger("waits for nothing when it records, and closes within a minute, while the storage hangs", function* () {
      yield* always(FaultyStorage.hang)
      const before = yield* Clock.currentTimeMillis
      yield* within(
        Effect.gen(function* () {
          const recorded = yield* Effect.timeoutOption(record("a"), "1 minute")
          isTrue(Option.isSome(recorded), "to record waits for nothing")
          same(yield* Clock.currentTimeMillis, before)
        })
      )
      isTrue((yield* Clock.currentTimeMillis) - before < 60_000, "it closes within a minute")
    }),

    ofLedger(
      "fails a flush that the storage refuses, and writes all of it when the storage is well again",
      function* () {
        yield* within(
          Effect.gen(function* () {
            yield* always(FaultyStorage.fail(new NoSpace({ code: "ENOSPC" })))
            yield* record("a")
            yield* record("b")
            yield* failureFor(flush, "NoSpace")
            yield* FaultyStorage.FaultyStorage.use(({ heal }) => heal)
            yield* record("c")
            yield* Effect.eventually(flush)
            same(yield* dropped(), ["a", "b", "c"])
          })
        )
      }
    )
  ]
}

/** The cases for the ledger that `layer` makes on a storage. */
export const cases = <E>(layer: Layer.Layer<RunLedger, E, Storage>): ReadonlyArray<Case> =>
  testsOf(layer).map((test) => caseOfTime(test, FaultyStorage.layer))
