// @module-tag integration
// @module-tag long
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import type { DeadLetterMessage } from "../../src/gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as Replay from "../../src/replay/Replay.ts"
import * as Finding from "../../src/verify/Finding.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { failing, lifecycle, settleDown, ticksOf, valueOf, whileTimePasses } from "../persistence/harness.ts"
import { seeds } from "../support/effort.ts"
import { type Kind, live } from "./world.ts"
import * as InStorage from "../support/InStorage.ts"

type World = Effect.Success<ReturnType<typeof live>>

/** All that a service may have to say of faults, duplicates and stops. */
const allowed: ReadonlyArray<LogWatch.Allowed> = [
  ...lifecycle,
  ...failing,
  { level: "Info", message: "Shutdown requested, writing partial batch" },
  { level: "Info", message: "Batch is stored already" },
  { level: "Error", message: "Batch could not be settled in time, returned to the queue" },
  { level: "Error", message: /^Storage and dead-letter queue both refuse/u },
  { level: "Info", message: "Storage or dead-letter queue accepts batches again" },
  { level: "Error", message: "Batch consistency violation" },
  { level: "Error", message: "Duplicate tick detected" },
  { level: "Warn", message: "Entire batch was duplicates, skipping" },
  { level: "Warn", message: /^(Ledger|Ledger entries|Runs) could not be/u },
  { level: "Info", message: /^(Dead letter replayed|Ticks stay in their dead letter)/u }
]

const keyOf = ({ simulationRunId, tickNumber }: Tick.Tick) => `${simulationRunId}:${tickNumber}`

const countByKey = (ticks: ReadonlyArray<Tick.Tick>) => {
  const counts = new Map<string, number>()
  for (const tick of ticks) counts.set(keyOf(tick), (counts.get(keyOf(tick)) ?? 0) + 1)
  return counts
}

/** What was found of the ticks, those of letters whose very object is stored too counted on their own. */
const look = Effect.fnUntraced(function* ({ bench }: World) {
  const files = yield* bench.files
  const lettered: Array<Tick.Tick> = []
  const inBoth: Array<DeadLetterMessage> = []
  for (const letter of yield* bench.letters) {
    const ticks = yield* ticksOf(letter)
    const stored = files.get(letter.metadata["storageKey"] ?? "")
    if (stored !== undefined && Equal.equals(stored, ticks)) {
      inBoth.push(letter)
    } else lettered.push(...ticks)
  }
  return { stored: [...files.values()].flat(), lettered, inBoth }
})

type Found = Effect.Success<ReturnType<typeof look>>

/**
 * Whether the round was one in which the answer to every write and every letter was heard. Where an operation failed
 * after its work was done, or a batch went back to the queue while its letter was on its way, a tick may be found twice.
 */
const isExact = Effect.fnUntraced(function* ({ bench }: World, kind: Kind) {
  const all = yield* Effect.forEach(bench.services, (service) => service.metrics)
  return !kind.unknownOutcomes && all.every((metrics) => metrics.ticks_returned === 0)
})

const assertTicks = ({ note, sent }: World, { inBoth, lettered, stored }: Found, kind: Kind, exact: boolean) => {
  const inFiles = countByKey(stored)
  const inLetters = countByKey(lettered)
  for (const [key, times] of countByKey(sent)) {
    const files = inFiles.get(key) ?? 0
    const letters = inLetters.get(key) ?? 0
    const found = `${note}: ${key} sent ${times}, in ${files} files and ${letters} letters`
    assert.isAtLeast(files + letters, 1, found)
    if (exact) assert.isAtMost(files + letters, times, found)
    if (times === 1) assert.isAtMost(files, 1, found)
  }
  const contents = new Map(sent.map((tick) => [keyOf(tick), tick.payload]))
  for (const tick of [...stored, ...lettered]) {
    assert.isTrue(Equal.equals(tick.payload, contents.get(keyOf(tick))), `${note}: ${keyOf(tick)} is not what was sent`)
  }
  if (!exact || kind.badProducers) return
  // A stop let the attempt before publish without an answer; the one after it failed. A replay finds the very object.
  for (const { metadata, retryCount } of inBoth) {
    const again = retryCount > 0 || metadata["exceptionType"] === "StorageError.TimedOut"
    assert.isTrue(again, `${note}: ${metadata["storageKey"]} was tried once, refused, and is there`)
  }
}

const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)

const assertBooks = Effect.fnUntraced(function* (
  { bench, note, sent }: World,
  kind: Kind,
  { inBoth, lettered, stored }: Found,
  exact: boolean
) {
  const account = yield* bench.queue.account
  assert.deepInclude(account, { accepted: sent.length, inHand: 0, lost: 0, returned: 0, waiting: 0 }, note)
  const all = yield* Effect.forEach(bench.services, (service) => service.metrics)
  const total = (name: string) => sum(all.map((metrics) => metrics[name] ?? 0))
  assert.strictEqual(total("ticks_written"), account.stored, note)
  assert.strictEqual(total("duplicate_ticks_detected"), account.duplicate, note)
  assert.strictEqual(total("ticks_dead_lettered"), account.deadLettered, note)
  assert.strictEqual(total("ticks_in_flight"), 0, note)
  assert.strictEqual(total("ticks_received") - total("ticks_returned"), sent.length, note)
  const both = sum(inBoth.map(({ metadata }) => Number(metadata["tickCount"])))
  assert.strictEqual(account.stored + account.duplicate + account.deadLettered, sent.length, note)
  if (exact) assert.strictEqual(account.deadLettered, lettered.length + both, note)
  if (exact && !kind.badProducers) assert.strictEqual(account.stored, stored.length - both, note)
  if (!kind.badProducers) assert.strictEqual(account.duplicate, 0, note)
  const snapshot = yield* Metric.snapshot
  for (const [name, status] of [
    ["persistence_ticks_received_total", "ticks_received"],
    ["persistence_ticks_written_total", "ticks_written"],
    ["persistence_batches_written_total", "batches_written"],
    ["persistence_written_bytes_total", "bytes_written"],
    ["persistence_batches_failed_total", "batches_failed"],
    ["persistence_ticks_failed_total", "ticks_dead_lettered"],
    ["persistence_ticks_returned_total", "ticks_returned"],
    ["persistence_ticks_lost_total", "ticks_lost"],
    ["persistence_duplicate_ticks_total", "duplicate_ticks_detected"],
    ["persistence_write_retries_total", "write_retries"],
    ["persistence_in_flight_ticks", "ticks_in_flight"],
    ["persistence_current_batch_ticks", "current_batch_size"]
  ] as const) {
    assert.strictEqual(valueOf(snapshot, name), total(status), `${note}: ${name}`)
  }
})

/** All letters are replayed: then every tick that can be stored is, once, and what is left in letters never can be. */
const assertReplays = Effect.fnUntraced(function* ({ bench, note, sent }: World, kind: Kind) {
  // Threads that compress know no test clock: on a busy machine hours of it pass before they are done.
  const options = { maxRetries: 0, writeTimeout: "1 day" } as const
  const replays = yield* Effect.provideContext(Replay.make("replay", options), bench.context)
  const { ids } = Context.get(bench.context, DeadLetterQueue.DeadLetterQueue)
  for (const id of yield* Stream.runCollect(ids)) yield* whileTimePasses(replays.replay(id))
  const inFiles = countByKey([...(yield* bench.files).values()].flat())
  for (const [key, times] of countByKey(sent)) {
    const files = inFiles.get(key) ?? 0
    const found = `${note}: ${key} sent ${times}, in ${files} files after the replay of all letters`
    if (key.startsWith("../") || key.includes(":-")) assert.strictEqual(files, 0, found)
    // What was sent twice is stored twice when one of the two was published by an attempt that a stop left unheard.
    else if (times === 1) assert.strictEqual(files, 1, found)
    else assert.isAtLeast(files, 1, found)
  }
  for (const letter of yield* bench.letters) {
    for (const tick of yield* ticksOf(letter)) {
      const key = keyOf(tick)
      assert.isTrue(kind.badProducers && (key.startsWith("../") || key.includes(":-")), `${note}: ${key} is left`)
    }
  }
})

/** After the end of all scopes nothing is open, nothing was published twice, and nothing moves any more. */
const assertStill = Effect.fnUntraced(function* ({ bench, note, watched }: World) {
  assert.deepStrictEqual(watched.overwritten, [], note)
  // What was abandoned has been told to stop, and nobody has waited for it: it gets a moment.
  yield* settleDown
  assert.strictEqual(watched.open(), 0, `${note}: something is still open`)
  const before = (yield* bench.faults.calls).length
  yield* TestClock.adjust("1 hour")
  yield* settleDown
  assert.strictEqual((yield* bench.faults.calls).length, before, `${note}: something is still at work`)
  assert.strictEqual(watched.open(), 0, `${note}: something was opened after the end`)
})

/** What verify may find after producers that send ticks twice, of unsafe runs and with negative numbers. */
const ofBadProducers: ReadonlyArray<string> = ["Hole", "WaitingLetter", "UnknownLetter", "Duplicate"]

/** The next process compares the runs with their ledgers, and then each of them is whole by the word of `verify`. */
const assertVerified = Effect.fnUntraced(function* ({ bench, note, tracked }: World, kind: Kind) {
  const storage = bench.faults.underneath
  const runIds = yield* Stream.runCollect(InStorage.runIds(storage))
  const ledger = Effect.provideService(RunLedger.make, Storage.Storage, storage)
  yield* Effect.scoped(Effect.flatMap(ledger, ({ attend }) => Effect.forEach(runIds, attend)))
  const letters = [Context.get(bench.context, DeadLetterQueue.DeadLetterQueue)]
  const allowedKinds = [...(kind.badProducers ? ofBadProducers : []), ...(tracked ? [] : ["Duplicate"])]
  for (const runId of runIds) {
    const { findings } = yield* InStorage.verify(storage, runId, { letters })
    const grave = findings.filter(({ _tag }) => !allowedKinds.includes(_tag)).map(Finding.describe)
    assert.deepStrictEqual(grave, [], `${note}: verify of ${runId}`)
  }
})

const round = Effect.fnUntraced(function* (seed: number, kind: Kind) {
  const scope = yield* Scope.make()
  const world = yield* Effect.gen(function* () {
    const alive = yield* live(seed, kind)
    const found = yield* look(alive)
    const exact = yield* isExact(alive, kind)
    assertTicks(alive, found, kind, exact)
    yield* assertBooks(alive, kind, found, exact)
    yield* assertReplays(alive, kind)
    return alive
  }).pipe(
    Scope.provide(scope),
    Effect.onExit((exit) => whileTimePasses(Scope.close(scope, exit)))
  )
  yield* assertStill(world)
  yield* assertVerified(world, kind)
})

/** Each kind has ten thousand seeds of its own, so that a seed alone says of which kind it is. */
const kinds: ReadonlyArray<readonly [string, Kind]> = [
  ["good producers", { unknownOutcomes: false, badProducers: false, compression: "none" }],
  ["bad producers", { unknownOutcomes: false, badProducers: true, compression: "none" }],
  ["good producers and unknown outcomes", { unknownOutcomes: true, badProducers: false, compression: "none" }],
  ["bad producers, compressed", { unknownOutcomes: false, badProducers: true, compression: "zstd" }],
  [
    "good producers and unknown outcomes, compressed",
    { unknownOutcomes: true, badProducers: false, compression: "zstd" }
  ]
]

const seedsOfKind = 10_000
const seedsOfTest = 100

const groups = kinds.flatMap(([name, kind], index) => {
  const counts = kind.compression === "zstd" ? { short: 10, long: 120 } : { short: 80, long: 1200 }
  const all = seeds(index * seedsOfKind, { ...counts, soak: 3600 }).filter(
    (seed) => Math.floor(seed / seedsOfKind) === index
  )
  return Array.from({ length: Math.ceil(all.length / seedsOfTest) }, (_, group) => {
    const some = all.slice(group * seedsOfTest, (group + 1) * seedsOfTest)
    return [`${name}, seeds ${some[0]} to ${some.at(-1)}`, kind, some] as const
  })
})

describe("services that are stopped, paused and interrupted at random while everything fails at random", () => {
  it.effect.each(groups)("settle every tick exactly once (%s)", ([, kind, some]) =>
    Effect.gen(function* () {
      for (const seed of some) {
        yield* round(seed, kind).pipe(
          Effect.provideService(Metric.MetricRegistry, new Map()),
          Effect.provide(LogWatch.layer({ allow: allowed }))
        )
      }
    })
  )
})
