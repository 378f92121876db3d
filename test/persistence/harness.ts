/** Pipelines to test persistence services in, letters that fail by script, and short ways to look at what came out. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Compression from "../../src/batch/Compression.ts"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import type { DeadLetterMessage } from "../../src/gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as PersistenceService from "../../src/persistence/PersistenceService.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as Recall from "../../src/recall/Recall.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure, NoSpace } from "../../src/storage/StorageError.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"

export const noSpace = new NoSpace({ code: "ENOSPC" })
export const io = new IoFailure({ code: "EIO" })

/** The lines of a service that has nothing to complain about. */
export const lifecycle: ReadonlyArray<LogWatch.Allowed> = [
  { level: "Info", message: "PersistenceService initialized" },
  { level: "Info", message: /^Service (started|stopped|paused|resumed)$/u },
  { level: "Info", message: "Ledger entries made from stored batches" },
  { level: "Debug", message: /^(Drained ticks from queue|Successfully wrote batch)$/u }
]

/** The lines of batches that are tried again and given up. */
export const failing: ReadonlyArray<LogWatch.Allowed> = [
  { level: "Warn", message: "Failed to write batch, retrying" },
  { level: "Error", message: "Failed to write batch, giving up" },
  { level: "Info", message: "Sent failed batch to dead-letter queue" }
]

/** A pipeline, watched from its start to its stop. */
export const pipeline = (options?: TestPipeline.Options, allow: ReadonlyArray<LogWatch.Allowed> = []) =>
  Layer.provideMerge(TestPipeline.layer(options), LogWatch.layer({ allow: [...lifecycle, ...allow] }))

/**
 * What an offer of a letter meets. "after" keeps the letter and then fails, an unknown outcome; "stuck" hangs and can't
 * be interrupted; "late" keeps it after `lateLetterMs`, and can't be interrupted either.
 */
export type LetterFault = "none" | "full" | "hang" | "stuck" | "late" | "die" | "after"

export const lateLetterMs = 35_000

/** A dead-letter queue that meets `fault()` at every offer, and suspends as a disk does. */
export const faultyLetters = (
  underneath: DeadLetterQueue.DeadLetterQueue["Service"],
  fault: () => LetterFault
): DeadLetterQueue.DeadLetterQueue["Service"] => {
  const full = new DeadLetterQueue.DeadLetterError({
    queue: underneath.name,
    reason: new DeadLetterQueue.QueueFull({ capacity: 1 })
  })
  return DeadLetterQueue.DeadLetterQueue.of({
    ...underneath,
    offer: Effect.fnUntraced(function* (letter) {
      const met = fault()
      yield* Effect.yieldNow
      if (met === "hang") return yield* Effect.never
      if (met === "stuck") return yield* Effect.uninterruptible(Effect.never)
      if (met === "late") return yield* Effect.uninterruptible(Effect.delay(underneath.offer(letter), lateLetterMs))
      if (met === "die") return yield* Effect.die(new Error("letters broke"))
      if (met === "full") return yield* full
      const answer = yield* Effect.uninterruptible(Effect.tap(underneath.offer(letter), () => Effect.yieldNow))
      return met === "after" ? yield* full : answer
    })
  })
}

/** Like the options of `TestPipeline`, with letters that can fail. */
export interface BenchOptions extends Omit<TestPipeline.Options, "deadLetters"> {
  readonly letterCapacity?: number
  /** What lies under the faults, with its compression; by default a storage in memory, and no compression. */
  readonly storage?: BatchFile.Compressing
  /** Whether the tracker knows what the storage had before. Default not. */
  readonly recalls?: boolean
  /** Whether the tracker answers with copies of the ticks, as one in another process does. Default not. */
  readonly copies?: boolean
  /** What the service's questions to the tracker, what is stored already, meet first. Default nothing. */
  readonly beforeRecall?: Effect.Effect<void>
}

const copyOf = (ticks: ReadonlyArray<Tick.Tick>) =>
  ticks.map((tick) => ({ ...tick, payload: Uint8Array.from(tick.payload) }))

/** A tracker that answers with copies of the ticks. */
const copying = (tracker: IdempotencyTracker.IdempotencyTracker["Service"]) =>
  IdempotencyTracker.IdempotencyTracker.of({
    ...tracker,
    recall: (batch) => Effect.map(tracker.recall(batch), copyOf),
    claim: (batch) =>
      Effect.map(tracker.claim(batch), ({ claimed, fresh, stored }) => ({
        fresh: copyOf(fresh),
        stored: copyOf(stored),
        claimed: copyOf(claimed)
      }))
  })

/** A pipeline whose dead-letter queue fails by script too. Its services are stopped until they are started. */
export const makeBench = Effect.fnUntraced(function* (options: BenchOptions = {}) {
  const { instances = 1, letterCapacity = 10_000, persistence, tracker } = options
  const queue = yield* TickQueue.make("raw-tick-data", options.queue)
  const { faults, storage } = FaultyStorage.make(options.storage ?? (yield* Storage.makeMemory("memory")))
  const seen =
    tracker === "discard" ? IdempotencyTracker.discard : yield* IdempotencyTracker.makeMemory("memory", tracker)
  const tracking =
    options.recalls === true
      ? Recall.attach(seen, yield* Effect.provideService(Recall.make, Storage.Storage, storage))
      : seen
  const { beforeRecall = Effect.void } = options
  const answering = options.copies === true ? copying(tracking) : tracking
  const tracked = IdempotencyTracker.IdempotencyTracker.of({
    ...answering,
    recall: (batch) => Effect.andThen(beforeRecall, answering.recall(batch))
  })
  let fault: LetterFault = "none"
  const deadLetters = faultyLetters(
    yield* DeadLetterQueue.makeMemory("letters", { capacity: letterCapacity }),
    () => fault
  )
  const context = Context.mergeAll(
    Context.make(TickQueue.TickQueue, queue),
    Context.make(Storage.Storage, storage),
    Context.make(Compression.Compression, options.storage?.compression ?? Compression.none),
    Context.make(RunLedger.RunLedger, yield* Effect.provideService(RunLedger.make, Storage.Storage, storage)),
    Context.make(DeadLetterQueue.DeadLetterQueue, deadLetters),
    Context.make(IdempotencyTracker.IdempotencyTracker, tracked)
  )
  const names = Array.from({ length: instances }, (_, index) => `persistence-${index + 1}`)
  const services = yield* Effect.forEach(names, (name) => PersistenceService.make(name, persistence)).pipe(
    Effect.provideContext(context)
  )
  const files = Effect.gen(function* () {
    const keys = (yield* Stream.runCollect(faults.underneath.list(""))).filter((key) => !key.includes("/ledger/"))
    const contents = new Map<string, ReadonlyArray<Tick.Tick>>()
    for (const key of keys) {
      contents.set(key, yield* Stream.runCollect(BatchFile.read(faults.underneath, key)))
    }
    return contents
  }).pipe(Effect.orDie)
  return {
    queue,
    faults,
    services,
    first: services[0]!,
    /** The parts that the services share, for others that work with them. */
    context,
    /** What is stored by key, past all faults. */
    files,
    letters: Effect.orDie(Stream.runCollect(deadLetters.letters)),
    /** What every offer of a letter meets from now on. */
    setLetters: (next: LetterFault) => void (fault = next)
  }
})

export type Bench = Effect.Success<ReturnType<typeof makeBench>>

/** Lets every fiber that can go on do so, without any time passing. */
export const settleDown = Effect.andThen(TestClock.adjust(0), Effect.repeat(Effect.yieldNow, { times: 100 }))

/** Lets time pass in steps, so that sleeps which begin meanwhile end in their time too. */
export const advance = (totalMs: number, stepMs: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust(stepMs), settleDown), { times: Math.ceil(totalMs / stepMs) - 1 })

/** `effect`, while the clock runs: for what waits for time that nobody would let pass. */
export const whileTimePasses = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.forever(Effect.andThen(TestClock.adjust("100 millis"), settleDown)))

/** Stops the services whatever state a failed test has left them in, so that it fails and doesn't hang. */
const wind = ({ faults, services, setLetters }: Bench) =>
  Effect.gen(function* () {
    yield* faults.heal
    setLetters("none")
    yield* whileTimePasses(Effect.forEach(services, ({ stop }) => stop, { discard: true }))
  })

/** Runs a test on a bench of its own, watched from its start to the close of its scope. */
export const onBench = <A, E>(
  options: BenchOptions,
  allow: ReadonlyArray<LogWatch.Allowed>,
  test: (bench: Bench) => Effect.Effect<A, E, LogWatch.LogWatch>
) =>
  Effect.flatMap(makeBench(options), (bench) => Effect.ensuring(test(bench), wind(bench))).pipe(
    Effect.scoped,
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provide(LogWatch.layer({ allow: [...lifecycle, ...allow] }))
  )

/** The ticks in a letter. */
export const ticksOf = (letter: DeadLetterMessage) =>
  Effect.orDie(Stream.runCollect(Delimited.ticks(Stream.succeed(letter.originalMessage))))

export const numbers = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))

/** Fails unless the books of `service` balance at this moment. */
export const assertBalanced = Effect.fnUntraced(function* (service: PersistenceService.Instance, note = "") {
  const m = yield* service.metrics
  const settled = m.ticks_written + m.duplicate_ticks_detected + m.ticks_dead_lettered + m.ticks_returned + m.ticks_lost
  assert.strictEqual(
    m.ticks_received,
    settled + m.ticks_in_flight,
    `${note} ${service.name} ${Inspectable.toStringUnknown(m)}`
  )
  assert.strictEqual(m.current_batch_size, m.ticks_in_flight, note)
})

/** Fails unless the books of `queue` balance at this moment. */
export const assertAccount = Effect.fnUntraced(function* (queue: TickQueue.TickQueue["Service"], note = "") {
  const { accepted, ...parts } = yield* queue.account
  const sum = Object.values(parts).reduce((total, part) => total + part, 0)
  assert.strictEqual(sum, accepted, `${note} ${Inspectable.toStringUnknown({ accepted, ...parts })}`)
  for (const part of Object.values(parts)) assert.isAtLeast(part, 0, note)
})

/** The sum of the series of `name` with `labels` in a snapshot; `undefined` when there is none. */
export const valueOf = (
  snapshot: ReadonlyArray<Metric.Metric.Snapshot>,
  name: string,
  labels: Readonly<Record<string, string>> = {}
) => {
  const values = snapshot
    .filter(
      ({ attributes, id }) =>
        id === name && Object.entries(labels).every(([label, value]) => attributes?.[label] === value)
    )
    .map(({ state }) => ("value" in state ? state.value : "count" in state ? state.count : undefined))
  return values.length === 0 ? undefined : values.reduce<number>((sum, value) => sum + Number(value), 0)
}

/** The same of the registry of the test, now. */
export const metric = (name: string, labels: Readonly<Record<string, string>> = {}) =>
  Effect.map(Metric.snapshot, (snapshot) => valueOf(snapshot, name, labels))

/** Makes every attempt from now on note the time of the test clock in the list that it gives. */
export const recordAttempts = Effect.fnUntraced(function* (faults: FaultyStorage.FaultyStorage["Service"]) {
  const times: Array<number> = []
  const note = Effect.map(Clock.currentTimeMillis, (nowMs) => void times.push(nowMs))
  yield* faults.always("create", FaultyStorage.wait(note))
  return times
})
