// @effect-diagnostics nodeBuiltinImport:off
/**
 * A pipeline to which everything happens at random: producers that are interrupted, services that are started, stopped,
 * paused, resumed and restarted, a storage and dead letters that fail in every way, and time that passes meanwhile.
 * Equal seeds make equal worlds.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import { zstdCompress } from "node:zlib"
import type * as Tick from "../../src/domain/Tick.ts"
import type * as PersistenceService from "../../src/persistence/PersistenceService.ts"
import {
  ConnectionLost,
  FolderMissing,
  InvalidPlace,
  IoFailure,
  NoSpace,
  PermissionDenied,
  ReadOnly,
  type Reason,
  Throttled,
  TimedOut
} from "../../src/storage/StorageError.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { assertAccount, assertBalanced, type Bench, makeBench } from "../persistence/harness.ts"
import { compressing } from "../support/batchFiles.ts"
import { watchStorage } from "./watchedStorage.ts"
import { type Random, randomFrom } from "../support/random.ts"

const code = "CODE"
const reasons: readonly [Reason, ...Array<Reason>] = [
  new NoSpace({ code }),
  new IoFailure({ code }),
  new TimedOut({ code }),
  new ConnectionLost({ code }),
  new Throttled({ code }),
  new FolderMissing({ code }),
  new PermissionDenied({ code }),
  new ReadOnly({ code }),
  new InvalidPlace({ code })
]

/** Writing most often; noting in the ledger and comparing it with what is stored fail too. */
const operations = [
  "create",
  "write",
  "commit",
  "create",
  "write",
  "commit",
  "append",
  "sync",
  "list",
  "read",
  "stat"
] as const

/** What a world is allowed to be like. */
export interface Kind {
  /** Whether an operation may do its work and then fail. Without it, every outcome is known. */
  readonly unknownOutcomes: boolean
  /** Whether producers send ticks twice, of unsafe runs and with negative numbers. */
  readonly badProducers: boolean
  /** How batches are stored. */
  readonly compression: "none" | "zstd"
}

const randomFault = (random: Random, kind: Kind): FaultyStorage.Fault => {
  const reason = random.pick(reasons)
  switch (random.between(0, kind.unknownOutcomes ? 7 : 5)) {
    case 0:
    case 1:
    case 2:
      return FaultyStorage.fail(reason)
    case 3:
      return kind.unknownOutcomes && random.chance(0.5)
        ? FaultyStorage.late(Effect.sleep(random.between(1, 200)))
        : FaultyStorage.hang
    case 4:
      return FaultyStorage.die(new Error("broken storage"))
    case 5:
      return FaultyStorage.wait(Effect.sleep(random.between(1, 40)))
    default:
      return FaultyStorage.failAfter(reason)
  }
}

const randomOptions = (random: Random): Parameters<typeof makeBench>[0] => ({
  instances: random.between(1, 3),
  queue: { capacity: random.between(2, 16), maxBytes: random.pick([60, 400, 100_000]) },
  tracker: random.chance(0.8) ? {} : "discard",
  persistence: {
    maxBatchSize: random.between(1, 7),
    batchTimeoutSeconds: random.pick([0.001, 0.01, 0.05]),
    maxRetries: random.between(0, 2),
    retryBackoffMs: random.pick([0, 1, 10]),
    maxRetryBackoff: random.pick(["5 millis", "50 millis"]),
    retryJitter: random.pick(["none", "proportional"]),
    mixedRuns: random.pick(["dead-letter", "split"]),
    shutdownTimeout: random.pick(["2 millis", "20 millis", "200 millis"]),
    writeTimeout: random.pick(["5 millis", "60 millis", "30 seconds"])
  }
})

const randomTick = (random: Random, kind: Kind, run: string, number: number, sent: ReadonlyArray<Tick.Tick>) => {
  if (kind.badProducers && random.chance(0.03)) return TestTick.make(`../${run}`, number)
  if (kind.badProducers && random.chance(0.03)) return TestTick.make(run, -number - 1)
  const again = kind.badProducers && random.chance(0.08) ? sent[random.between(0, sent.length - 1)] : undefined
  return again ?? TestTick.make(run, number, random.between(0, 40))
}

/** Offers ticks of one run in calls of random size; notes each that the queue accepts in `sent`. */
const produce = (bench: Bench, random: Random, kind: Kind, run: string, sent: Array<Tick.Tick>) => {
  const last = random.between(6, 18)
  return Effect.gen(function* () {
    let first = 0
    while (first < last) {
      const from = first
      const next = (_: unknown, index: number) => randomTick(random, kind, run, from + index, sent)
      const ticks = Array.from({ length: random.between(1, 6) }, next)
      first += ticks.length
      let entered = 0
      yield* bench.queue.offerAll(ticks, (count) => {
        sent.push(...ticks.slice(entered, entered + count))
        entered += count
      })
      yield* Effect.yieldNow
    }
  })
}

const act = (random: Random, { faults, services, setLetters }: Bench, kind: Kind): Effect.Effect<unknown> => {
  const service = services[random.between(0, services.length - 1)]!
  switch (random.between(0, 11)) {
    case 0:
    case 1:
      return service.stop
    case 2:
    case 3:
    case 4:
      return service.start
    case 5:
      return service.pause
    case 6:
      return service.resume
    case 7:
      return service.restart
    case 8:
      return faults.heal
    case 9:
      return Effect.sync(() =>
        setLetters(random.pick(["none", "full", "hang", "die", ...(kind.unknownOutcomes ? (["after"] as const) : [])]))
      )
    default:
      return faults.next(
        random.pick(operations),
        Array.from({ length: random.between(1, 3) }, () => randomFault(random, kind))
      )
  }
}

const check = Effect.fnUntraced(function* (bench: Bench, note: string) {
  yield* assertAccount(bench.queue, note)
  for (const service of bench.services) yield* assertBalanced(service, note)
})

const started = (services: ReadonlyArray<PersistenceService.Instance>) =>
  Effect.forEach(services, ({ resume, start }) => Effect.andThen(resume, start), { discard: true })

const restless = <A, E, R>(random: Random, effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, MaxOpsBeforeYield, random.pick([12, 17, 50, 2048]))

const open = (fibers: ReadonlyArray<Fiber.Fiber<unknown>>) => fibers.some((fiber) => fiber.pollUnsafe() === undefined)

/** The threads that compress have done what they were given: they take their work in its order. */
const threads = Effect.callback<void>((resume) => {
  zstdCompress(Uint8Array.of(1), () => resume(Effect.void))
})

/** Time passes, for the threads too, which know no test clock. */
const passed = Effect.andThen(TestClock.adjust("50 millis"), threads)

/** Lets everything be well and waits until all that was accepted is settled. */
const windUp = Effect.fnUntraced(function* (
  bench: Bench,
  producers: ReadonlyArray<Fiber.Fiber<void>>,
  doings: ReadonlyArray<Fiber.Fiber<unknown>>,
  note: string
) {
  const heal = Effect.andThen(
    bench.faults.heal,
    Effect.sync(() => bench.setLetters("none"))
  )
  yield* heal
  for (let wait = 0; wait < 100 && open(doings); wait++) yield* passed
  assert.isFalse(open(doings), `${note}: a stop or restart never ends`)
  yield* heal // again: a fault may have come after the first time
  // What hangs in the storage since before it was healed is let go by a stop.
  const stops = yield* Effect.forkChild(Effect.forEach(bench.services, ({ stop }) => stop, { concurrency: 3 }))
  for (let wait = 0; wait < 100 && open([stops]); wait++) yield* passed
  assert.isFalse(open([stops]), `${note}: a service never stops`)
  yield* started(bench.services)
  for (let wait = 0; wait < 400 && open(producers); wait++) yield* passed
  assert.isFalse(open(producers), `${note}: a producer waits although services take`)
  yield* bench.queue.end
  for (let wait = 0; wait < 400; wait++) {
    const { inHand, returned, waiting } = yield* bench.queue.account
    if (inHand + returned + waiting === 0) break
    yield* passed
  }
  assert.deepInclude(yield* bench.queue.account, { inHand: 0, returned: 0, waiting: 0 }, note)
  for (const service of bench.services) yield* service.await
})

/** A whole life of a world, checked at every step; gives what was sent and the bench to look at. */
export const live = Effect.fnUntraced(function* (seed: number, kind: Kind) {
  const random = randomFrom(seed)
  const note = `seed ${seed} (${Object.values(kind).join(", ")}); alone: SEED=${seed} npm test -- test/faults`
  const options = randomOptions(random)
  const watched = watchStorage(yield* Storage.makeMemory("memory"))
  const bench = yield* makeBench({ ...options, storage: compressing(watched.storage, kind.compression) })
  const sent: Array<Tick.Tick> = []
  yield* started(bench.services.filter(() => random.chance(0.7)))
  const producers: Array<Fiber.Fiber<void>> = []
  for (let index = random.between(1, 3); index > 0; index--) {
    producers.push(yield* Effect.forkChild(restless(random, produce(bench, random, kind, `run-${index}`, sent))))
  }
  const doings: Array<Fiber.Fiber<unknown>> = []
  for (let step = random.between(3, 12); step > 0; step--) {
    yield* Effect.repeat(Effect.yieldNow, { times: random.between(0, 25) })
    yield* check(bench, note)
    if (random.chance(0.4)) yield* TestClock.adjust(random.between(1, 30))
    if (random.chance(0.05)) yield* Fiber.interrupt(producers[random.between(0, producers.length - 1)]!)
    doings.push(yield* Effect.forkChild(restless(random, act(random, bench, kind))))
  }
  yield* windUp(bench, producers, doings, note)
  yield* check(bench, note)
  return { bench, sent, note, watched, tracked: options?.tracker !== "discard" }
})
