/**
 * Producers and consumers of a queue at random, each interrupted and begun again at random moments.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import type * as Tick from "../../domain/Tick.ts"
import { TickQueue } from "../../queue/TickQueue.ts"
import * as TestTick from "../TestTick.ts"
import { same } from "./expect.ts"
import { balanced, isDone, numbers } from "./queueCalls.ts"
import { type Random, randomFrom } from "./random.ts"

type Queue = TickQueue["Service"]

/** One call of `offerAll`. */
interface Offer {
  readonly ticks: ReadonlyArray<Tick.Tick>
  /** What it answered; `undefined` when it was interrupted. */
  accepted: number | undefined
}

/** Offers ticks that nobody has offered before, in some calls. Each call is of a run of its own. */
const producer = Effect.fnUntraced(function* (queue: Queue, random: Random, offers: Array<Offer>) {
  for (let call = random.between(1, 4); call > 0; call--) {
    const run = `run-${offers.length}`
    const ticks = Array.from({ length: random.between(0, 9) }, (_, n) => TestTick.make(run, n, random.between(0, 60)))
    const offer: Offer = { ticks, accepted: undefined }
    offers.push(offer)
    offer.accepted = yield* queue.offerAll(ticks)
  }
})

/** Takes batches and settles them, some by giving them back, until the queue has ended. */
const consumer = Effect.fnUntraced(function* (queue: Queue, random: Random, taken: Array<Tick.Tick>) {
  while (true) {
    const policy = {
      maxTicks: random.between(1, 8),
      maxBytes: random.between(20, 200),
      timeout: Duration.millis(random.between(1, 30))
    }
    let batch: ReadonlyArray<Tick.Tick> = []
    let again = false
    const take = queue.take(policy, ({ ticks }) => {
      again = random.chance(0.1)
      batch = ticks
      if (!again) taken.push(...ticks)
    })
    yield* Effect.ensuring(
      take,
      Effect.suspend(() => queue.settle(batch, again ? "returned" : "stored"))
    )
  }
})

/** Makes a fiber give way to others after every few steps, so that they meet in between. Less than 3 would be never. */
const restless = <A, E, R>(random: Random, effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, MaxOpsBeforeYield, random.pick([3, 4, 5, 7, 2048]))

/** Lets time pass until all of `fibers` are done, or long enough to say that they never will be. */
const untilDone = Effect.fnUntraced(function* (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) {
  for (let wait = 0; wait < 200 && !fibers.every(isDone); wait++) {
    yield* Effect.repeat(Effect.yieldNow, { times: 100 })
    yield* TestClock.adjust("1 second")
  }
  same(fibers.filter((fiber) => !isDone(fiber)).length, 0, "some wait for ever")
})

/** That of each call those ticks were taken that it got in: its first ones, each once. */
const assertTaken = (offers: ReadonlyArray<Offer>, taken: ReadonlyArray<Tick.Tick>) => {
  const runs = Map.groupBy(taken, ({ simulationRunId }) => simulationRunId)
  for (const [index, { accepted }] of offers.entries()) {
    const found = numbers(runs.get(`run-${index}`) ?? []).toSorted((a, b) => a - b)
    const expected = Array.from({ length: accepted ?? found.length }, (_, tick) => tick)
    same(found, expected, `the ticks that call ${index} got in, and those that were taken`)
  }
}

/** 40 interruptions at random moments; what came of it is what the contract says. */
export const chaos = Effect.fnUntraced(function* (seed: number) {
  const queue = yield* TickQueue
  const random = randomFrom(seed)
  const offers: Array<Offer> = []
  const taken: Array<Tick.Tick> = []
  const produce = () => Effect.forkChild(restless(random, producer(queue, random, offers)))
  const consume = () => Effect.forkChild(restless(random, Effect.ignore(consumer(queue, random, taken))))
  const producers = yield* Effect.all(Array.from({ length: random.between(1, 3) }, produce))
  const consumers = yield* Effect.all(Array.from({ length: random.between(1, 3) }, consume))
  for (let step = 0; step < 40; step++) {
    yield* Effect.repeat(Effect.yieldNow, { times: random.between(0, 6) })
    yield* balanced(queue)
    if (random.chance(0.3)) yield* TestClock.adjust(random.between(1, 20))
    const [fibers, begin] = random.chance(0.5) ? [producers, produce] : [consumers, consume]
    const index = random.between(0, fibers.length - 1)
    const fiber = fibers[index]
    if (fiber !== undefined) yield* Fiber.interrupt(fiber)
    fibers[index] = yield* begin()
  }
  yield* untilDone(producers)
  yield* queue.end
  yield* untilDone(consumers)
  assertTaken(offers, taken)
  const { accepted, stored } = yield* queue.account
  same([accepted, stored, yield* queue.waitingBytes], [taken.length, taken.length, 0])
})
