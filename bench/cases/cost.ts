// @effect-diagnostics nodeBuiltinImport:off
/**
 * The cost of optional parts of the pipeline: de-duplication, metrics and logs.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import { join } from "node:path"
import type { Case } from "../Case.ts"
import type { Measured } from "../Measured.ts"
import { ticks } from "../data.ts"
import * as Compression from "../../src/batch/Compression.ts"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import type { Batch } from "../../src/domain/Tick.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as Pipeline from "../../src/Pipeline.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as Recall from "../../src/recall/Recall.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import { storeIn, storeOnce } from "../turns.ts"

const count = 60_000
const turns = 6
const instances = 2

/** The settings with and without the parts. */
const compression = "none"

type Tracker = IdempotencyTracker.IdempotencyTracker["Service"]

/** A pipeline whose tracker adds the time with any batch in it to `spent`. */
const timedTracker = (folder: string, spent: { ms: number }) => {
  let within = 0
  let began = 0
  const timed = <A>(effect: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.suspend(() => {
      if (within++ === 0) began = performance.now()
      return Effect.tap(effect, () =>
        Effect.sync(() => {
          if (--within === 0) spent.ms += performance.now() - began
        })
      )
    })
  const tracker = Layer.effect(
    IdempotencyTracker.IdempotencyTracker,
    Effect.map(IdempotencyTracker.IdempotencyTracker, (inner): Tracker => ({
      ...inner,
      recall: (batch) => timed(inner.recall(batch)),
      claim: (batch) => timed(inner.claim(batch)),
      commit: (batch) => timed(inner.commit(batch))
    }))
  ).pipe(Layer.provide(Recall.layer()))
  const names = Array.from({ length: instances }, (_, index) => `persistence-${index + 1}`)
  return Pipeline.layerServices(names, Duration.seconds(20)).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        TickQueue.layer("raw-tick-data"),
        Layer.provideMerge(Layer.merge(RunLedger.layer, tracker), FileStorage.layer({ rootDirectory: folder })),
        Compression.layer({ compression }),
        FileDeadLetterQueue.layer({ directory: join(folder, ".dead-letters") })
      )
    ),
    Layer.provideMerge(NodeServices.layer),
    Layer.provideMerge(Logger.layer([]))
  )
}

/**
 * Two runs differ by more than the cost of the tracker. So this measures one run and subtracts the time in the tracker,
 * including the time in which it waited for the storage at its first look.
 */
const tracker = (folder: string) =>
  Effect.gen(function* () {
    const spent = { ms: 0 }
    const once = (name: string, some: Batch) =>
      storeIn(some, "verify").pipe(Effect.provide(timedTracker(join(folder, name), spent)), Effect.orDie)
    const all = ticks("3 KB", 150_000)
    yield* once("warm-up", all)
    spent.ms = 0
    const ours = yield* once("run", all)
    return { ours, peer: { ...ours, seconds: ours.seconds - spent.ms / 1000 } }
  })

const nothing = () => undefined

/** A registry whose metrics do nothing. */
class NoMetrics extends Map<string, Metric.Metric.Metadata<unknown, unknown>> {
  override get(id: string): Metric.Metric.Metadata<unknown, unknown> {
    const hooks = { get: nothing, update: nothing, modify: nothing }
    return { id, type: "Counter", description: undefined, attributes: undefined, hooks }
  }
}

/** Logs as JSON into a file, and reads the balance and all metrics, at once and then every half second. */
const observed = (folder: string) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const pipeline = yield* Pipeline.Pipeline
      yield* pipeline.balance.pipe(
        Effect.andThen(Metric.snapshot),
        Effect.andThen(Effect.sleep("500 millis")),
        Effect.forever,
        Effect.forkScoped
      )
    })
  ).pipe(
    Layer.provideMerge(Pipeline.layer({ directory: folder, instances, compression })),
    Layer.provideMerge(Logger.layer([Logger.toFile(Logger.formatJson, `${folder}.log`)])),
    Layer.provideMerge(NodeServices.layer)
  )

const sum = (measured: ReadonlyArray<Measured>): Measured => ({
  seconds: measured.reduce((total, { seconds }) => total + seconds, 0),
  ticks: measured.reduce((total, each) => total + each.ticks, 0),
  bytes: measured.reduce((total, { bytes }) => total + bytes, 0),
  lost: measured.reduce((total, { lost = 0 }) => total + lost, 0)
})

const observation = (folder: string) =>
  Effect.gen(function* () {
    const some = ticks("3 KB", count)
    const off = (name: string) =>
      storeOnce(join(folder, name), some, { instances, compression }, { by: "account" }).pipe(
        Effect.provideService(Metric.MetricRegistry, new NoMetrics())
      )
    const on = (name: string) =>
      storeIn(some, "account").pipe(Effect.provide(observed(join(folder, name))), Effect.orDie)
    yield* off("warm-up")
    yield* on("warm-up-observed")
    const taken = { peer: new Array<Measured>(), ours: new Array<Measured>() }
    for (let turn = 0; turn < turns; turn++) {
      const ours = Effect.map(on(`${turn}-on`), (measured) => void taken.ours.push(measured))
      const peer = Effect.map(off(`${turn}-off`), (measured) => void taken.peer.push(measured))
      yield* turn % 2 === 0 ? Effect.andThen(ours, peer) : Effect.andThen(peer, ours)
    }
    return { peer: sum(taken.peer), ours: sum(taken.ours) }
  })

const settings = { payload: "3 KB", batch: 1000, codec: compression, durability: "full", instances }

export const cases: ReadonlyArray<Case> = [
  {
    name: "cost of de-duplication",
    settings,
    peer: "the same run without the time in the tracker",
    ours: "pipeline",
    goal: { of: "speed", atLeast: 0.999 },
    turns: { in: "one process", both: tracker }
  },
  {
    name: "cost of metrics, status and logs",
    settings,
    peer: "pipeline without",
    ours: "pipeline with",
    goal: { of: "speed", atLeast: 0.99 },
    turns: { in: "one process", both: observation }
  }
]
