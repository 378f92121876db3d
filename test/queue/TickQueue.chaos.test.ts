// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import type * as Tick from "../../src/domain/Tick.ts"
import type { BatchPolicy } from "../../src/queue/BatchPolicy.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { type Random, randomFrom } from "../support/random.ts"

/** One call of `offerAll`. */
interface Offer {
  readonly ticks: ReadonlyArray<Tick.Tick>
  /** What it answered; `undefined` when it was interrupted. */
  accepted: number | undefined
}

type Queue = TickQueue.TickQueue["Service"]

const bytesOf = (ticks: ReadonlyArray<Tick.Tick>) => ticks.reduce((sum, { payload }) => sum + payload.length, 0)

const nameOf = ({ simulationRunId, tickNumber }: Tick.Tick) => `${simulationRunId}:${tickNumber}`

const assertBalance = Effect.fnUntraced(function* (queue: Queue) {
  const { accepted, ...parts } = yield* queue.account
  const sum = Object.values(parts).reduce((total, part) => total + part, 0)
  assert.strictEqual(sum, accepted, Object.entries(parts).join(" "))
})

const randomPolicy = (random: Random): BatchPolicy => ({
  maxTicks: random.between(1, 8),
  maxBytes: random.between(20, 200),
  timeout: Duration.millis(random.between(1, 30))
})

/** Offers ticks nobody has offered before, in calls of random size, `calls` times. */
const producer = Effect.fnUntraced(function* (queue: Queue, random: Random, offers: Array<Offer>, calls: number) {
  for (let call = 0; call < calls; call++) {
    const run = `run-${offers.length}`
    const ticks = Array.from({ length: random.between(0, 9) }, (_, n) => TestTick.make(run, n, random.between(0, 60)))
    const offer: Offer = { ticks, accepted: undefined }
    offers.push(offer)
    offer.accepted = yield* queue.offerAll(ticks)
  }
})

/** Takes batches and settles them in the same step, some by giving them back, until the queue has ended. */
const consumer = Effect.fnUntraced(function* (queue: Queue, random: Random, taken: Array<Tick.Tick>) {
  while (true) {
    const policy = randomPolicy(random)
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

/** Makes the fiber give way to others after every few steps, so that they meet in between. Less than 3 would be never. */
const restless = <A, E, R>(random: Random, effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, MaxOpsBeforeYield, random.pick([3, 4, 5, 7, 2048]))

/** Lets time pass until all of `fibers` are done, or long enough to say that they never will be. */
const settled = Effect.fnUntraced(function* (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) {
  for (let wait = 0; wait < 200 && fibers.some((fiber) => fiber.pollUnsafe() === undefined); wait++) {
    yield* Effect.repeat(Effect.yieldNow, { times: 100 })
    yield* TestClock.adjust("1 second")
  }
})

/** Producers and consumers at random, each interrupted and begun again at random moments; gives what came of it. */
const chaos = Effect.fnUntraced(function* (seed: number) {
  const random = randomFrom(seed)
  const options = { capacity: random.between(1, 12), maxBytes: random.between(30, 400) }
  const queue = yield* TickQueue.make("chaos", options)
  const offers: Array<Offer> = []
  const taken: Array<Tick.Tick> = []
  const produce = () => Effect.forkChild(restless(random, producer(queue, random, offers, random.between(1, 4))))
  const consume = () => Effect.forkChild(restless(random, consumer(queue, random, taken)))
  const producers = yield* Effect.all(Array.from({ length: random.between(1, 3) }, produce))
  const consumers = yield* Effect.all(Array.from({ length: random.between(1, 3) }, consume))
  let interruptions = 0
  for (let step = 0; step < 40; step++) {
    yield* Effect.repeat(Effect.yieldNow, { times: random.between(0, 6) })
    yield* assertBalance(queue)
    if (random.chance(0.3)) yield* TestClock.adjust(random.between(1, 20))
    const fibers = random.chance(0.5) ? producers : consumers
    const index = random.between(0, fibers.length - 1)
    interruptions++
    yield* Fiber.interrupt(fibers[index]!)
    fibers[index] = yield* fibers === producers ? produce() : consume()
  }
  yield* settled(producers)
  const stuck = producers.filter((fiber) => fiber.pollUnsafe() === undefined).length
  assert.strictEqual(stuck, 0, `seed ${seed}: producers wait although consumers take`)
  const beforeEnd = offers.length
  const last = yield* produce()
  const ending = yield* Effect.forkChild(restless(random, Effect.andThen(Effect.yieldNow, queue.end)))
  for (const fiber of [last, ending, ...consumers]) yield* Fiber.await(fiber)
  return { queue, offers, taken, interruptions, beforeEnd }
})

/** Each call's ticks that were taken, in the order in which they were. */
const byRun = (ticks: ReadonlyArray<Tick.Tick>) => Map.groupBy(ticks, ({ simulationRunId }) => simulationRunId)

describe("a queue whose producers and consumers are interrupted at random", () => {
  it.effect.each(Array.from({ length: 10 }, (_, group) => group))(
    "loses nothing, makes nothing up and stays balanced (group %s)",
    (group) =>
      Effect.gen(function* () {
        let interruptions = 0
        for (let seed = group * 40; seed < group * 40 + 40; seed++) {
          const result = yield* chaos(seed)
          interruptions += result.interruptions
          const account = yield* result.queue.account
          assert.deepInclude(account, { waiting: 0, inHand: 0, returned: 0 }, `seed ${seed}`)
          assert.strictEqual(account.stored, account.accepted)
          assert.strictEqual(account.accepted, result.taken.length)
          assert.strictEqual(yield* result.queue.waitingBytes, 0)
          const runs = byRun(result.taken)
          for (const [index, { accepted, ticks }] of result.offers.entries()) {
            const found = runs.get(`run-${index}`) ?? []
            const numbers = found.map(({ tickNumber }) => Number(tickNumber)).toSorted((a, b) => a - b)
            assert.deepStrictEqual(
              numbers,
              found.map((_, number) => number),
              `seed ${seed}: the ticks of a call that got in are its first ones, each once`
            )
            if (accepted !== undefined) assert.strictEqual(found.length, accepted)
            if (accepted !== undefined && index < result.beforeEnd) assert.strictEqual(accepted, ticks.length)
          }
        }
        assert.isAtLeast(interruptions, 1600)
      })
  )

  it.effect("never makes a batch of more bytes or ticks than asked for, but for a single tick", () =>
    Effect.gen(function* () {
      for (let seed = 1000; seed < 1100; seed++) {
        const random = randomFrom(seed)
        const queue = yield* TickQueue.make("limits", { capacity: random.between(1, 30), maxBytes: 500 })
        const offers: Array<Offer> = []
        const produced = yield* Effect.forkChild(restless(random, producer(queue, random, offers, 12)))
        const order: Array<Tick.Tick> = []
        const violations: Array<unknown> = []
        const consumed = yield* Effect.forkChild(
          restless(
            random,
            Effect.forever(
              Effect.suspend(() => {
                const policy = randomPolicy(random)
                return queue.take(policy, ({ ticks }) => {
                  const tooLarge = ticks.length > 1 && bytesOf(ticks) > policy.maxBytes
                  if (tooLarge || ticks.length > policy.maxTicks) violations.push({ ticks: ticks.length, policy })
                  order.push(...ticks)
                })
              })
            )
          )
        )
        yield* settled([produced])
        assert.isDefined(produced.pollUnsafe(), `seed ${seed}: the producer waits although the consumer takes`)
        yield* queue.end
        yield* Fiber.await(consumed)
        assert.deepStrictEqual(violations, [], `seed ${seed}`)
        assert.deepStrictEqual(order.map(nameOf), offers.flatMap(({ ticks }) => ticks).map(nameOf), `seed ${seed}`)
      }
    })
  )
})
