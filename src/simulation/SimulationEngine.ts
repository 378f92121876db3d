/**
 * Steps a simulation and puts the ticks it captures into the queue, at the pace at which the queue takes them.
 *
 * Stores the metadata of the run before its first tick. A tick is encoded once and offered once: stopped and started
 * again, or paused and resumed, the engine goes on with the tick that follows, and none is missing or doubled. The same
 * holds across processes: with a `Resume` the engine makes the ticks of a run that are still missing, and those only.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as RunId from "../domain/RunId.ts"
import * as Tick from "../domain/Tick.ts"
import {
  SimulationMetadataSchema,
  type SimulationMetadata
} from "../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import { TickDataSchema } from "../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import { TickQueue } from "../queue/TickQueue.ts"
import * as RunMetadata from "../runs/RunMetadata.ts"
import * as Service from "../service/Service.ts"
import * as Storage from "../storage/Storage.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import { RestoreError, Simulation } from "./Simulation.ts"

/** Settings of a simulation engine, beside those of its world. */
export const Options = Schema.Struct({
  /** Every how many ticks one is captured; 1 captures all. Default 1. */
  samplingInterval: OptionSchema.wholeNumber(1, 1),
  /** Tick numbers at which the engine pauses by itself until it is resumed. Default none. */
  pauseTicks: Schema.Array(
    Schema.Int.check(Schema.isGreaterThan(0, { message: "must be a tick number above 0" }))
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([]))),
  /** Tick after which the engine is done. Absent: it goes on until it is stopped. */
  maxTicks: Schema.optionalKey(
    Schema.Int.check(Schema.isGreaterThan(0, { message: "must be a whole number of 1 or more" }))
  ),
  /** Ticks a second at most. Absent: as fast as the queue takes them. */
  ticksPerSecond: Schema.optionalKey(
    Schema.Finite.check(Schema.isGreaterThan(0, { message: "must be a number above 0" }))
  ),
  /** Id of the run: a safe folder name. Absent: a new one, made of the start time and chance. */
  runId: Schema.optionalKey(
    Schema.String.check(
      Schema.makeFilter((id) => {
        const violation = RunId.violation(id)
        return violation === undefined ? undefined : `must be a safe folder name, but ${violation}`
      })
    )
  )
})

/**
 * A run that began before and goes on. The simulation and the sampling interval must be those it began with:
 * `RunSettings` reads them from its metadata, which are stored already and stay as they are.
 */
export interface Resume {
  /** Counts instead of the `runId` of the options. */
  readonly runId: RunId.RunId
  /** The tick after which the run goes on. `undefined`: there is none, it goes on from where the simulation is. */
  readonly from: Tick.Tick | undefined
  /**
   * Whether a tick is stored or dead-lettered already. The engine steps over it as fast as it can, whatever
   * `ticksPerSecond` says, and neither captures nor offers it. It still pauses there when `pauseTicks` has the tick.
   */
  readonly settled: { readonly has: (tickNumber: bigint) => boolean }
}

/** What an engine has counted since it was made. */
export interface Metrics {
  /** The tick that the world is at. */
  readonly current_tick: number
  /** Ticks that the queue has accepted. */
  readonly ticks_produced: number
}

/** An engine, stopped or at work, and the run it makes. */
export interface Instance extends Service.Service {
  readonly runId: RunId.RunId
  readonly metrics: Effect.Effect<Metrics & Readonly<Record<string, number>>>
}

const pad = (value: number, digits: number) => value.toString().padStart(digits, "0")

/** A new run id, such as `20260131-235959-042-9f8e7d6c`: sorts by the start of the run. */
const newRunId = Effect.gen(function* () {
  const { day, hour, millisecond, minute, month, second, year } = DateTime.toPartsUtc(yield* DateTime.now)
  const chance = (yield* Random.nextIntBetween(0, 0x7fff_ffff)).toString(16).padStart(8, "0")
  const date = `${year}${pad(month, 2)}${pad(day, 2)}`
  return RunId.make(`${date}-${pad(hour, 2)}${pad(minute, 2)}${pad(second, 2)}-${pad(millisecond, 3)}-${chance}`)
})

/** The clock in whole milliseconds: a test clock has fractions. */
const nowMs = Effect.map(Clock.currentTimeMillis, (now) => BigInt(Math.floor(now)))

const metadataRetry = Schedule.upTo(Schedule.exponential("1 second"), { times: 3 })

/** The metadata of a run of ticks that are captured every `samplingInterval` ticks, and first after tick `begin`. */
const encodeMetadata = (message: SimulationMetadata, samplingInterval: bigint, begin: bigint) =>
  toBinary(SimulationMetadataSchema, {
    ...message,
    userMetadata: {
      ...message.userMetadata,
      [RunMetadata.samplingIntervalKey]: String(samplingInterval),
      [RunMetadata.firstTickKey]: String((begin / samplingInterval + 1n) * samplingInterval)
    }
  })

/** Longest that an engine held back catches up on afterwards; beyond it, time lost is lost. */
const maxBehindMs = 1000

/** Says when the next step is due. */
class Pacer {
  private readonly intervalMs: number
  private dueMs: number | undefined

  constructor(ticksPerSecond: number | undefined) {
    this.intervalMs = ticksPerSecond === undefined ? 0 : 1000 / ticksPerSecond
  }

  /** Milliseconds from `nowMs` until the next step is due; 0 when it is. */
  leftMs(nowMs: number): number {
    if (this.intervalMs === 0) return 0
    this.dueMs = this.dueMs === undefined ? nowMs : Math.max(this.dueMs, nowMs - maxBehindMs)
    return Math.max(0, this.dueMs - nowMs)
  }

  /** Takes note of a step, for which `leftMs` was asked before. */
  step(): void {
    if (this.dueMs !== undefined) this.dueMs += this.intervalMs
  }
}

/**
 * How much an engine does before it offers what it has made, and gives way to all others of the program: long enough
 * for the hand-over to cost little, short enough for no tick and no file to wait for it.
 */
const turn = { steps: 64, bytes: 256 * 1024, milliseconds: 5 } as const

/** Makes the simulation what it was at the tick that `resume` goes on from. */
const restore = Effect.fnUntraced(function* (simulation: Simulation["Service"], { from, runId }: Resume) {
  if (from === undefined) return
  const refuse = (problem: string) => new RestoreError({ tickNumber: from.tickNumber, problem })
  if (from.simulationRunId !== runId) {
    return yield* refuse(`it is of the run "${from.simulationRunId}", not of "${runId}"`)
  }
  const message = yield* Effect.try({
    try: () => fromBinary(TickDataSchema, from.payload),
    catch: (cause) => refuse(`its bytes are no TickData message: ${String(cause)}`)
  })
  yield* simulation.restore(message)
})

/**
 * Makes the engine `name`, stopped, for the simulation, the queue and the storage of its context. Closing the scope stops
 * it. With `resume` the simulation is restored at once, and the engine goes on with the tick that follows; `maxTicks` and
 * `pauseTicks` are numbers of ticks of the run, whoever made them. Fails with `SchemaError` on a bad option and with
 * `RestoreError` when the tick to go on from is not one of this run and this kind of world.
 */
export const make = Effect.fnUntraced(function* (name: string, options: typeof Options.Encoded = {}, resume?: Resume) {
  const decoded = yield* Schema.decodeEffect(Options, { errors: "all" })(options)
  const simulation = yield* Simulation
  const queue = yield* TickQueue
  const storage = yield* Storage.Storage
  if (resume !== undefined) yield* restore(simulation, resume)
  const named = resume?.runId ?? decoded.runId
  const runId = named === undefined ? yield* newRunId : RunId.make(named)
  const pacer = new Pacer(decoded.ticksPerSecond)
  const interval = BigInt(decoded.samplingInterval)
  const pauseTicks = new Set(decoded.pauseTicks.map(BigInt))
  const maxTicks = decoded.maxTicks === undefined ? undefined : BigInt(decoded.maxTicks)
  const capture =
    simulation.tick ?? ((id, captureTimeMs) => Effect.map(simulation.snapshot(id, captureTimeMs), Tick.fromMessage))
  /** Ticks that the world has made and the queue has not accepted yet. */
  let pending: ReadonlyArray<Tick.Tick> = []
  let produced = 0
  let current = yield* simulation.tickNumber
  /** The same at each attempt: one whose outcome nobody heard of is then found to have succeeded. */
  let metadata: Uint8Array | undefined
  let begun = false

  const storeMetadata = Effect.gen(function* () {
    metadata ??= encodeMetadata(yield* simulation.metadata(runId, yield* nowMs), interval, current)
    yield* Effect.retry(Storage.write(storage, StorageKey.metadata(runId), [metadata]), {
      schedule: metadataRetry,
      while: (error) => error.isRetryable
    })
  })

  const begin = Effect.gen(function* () {
    if (begun) return
    if (resume === undefined) yield* storeMetadata
    begun = true
    yield* resume === undefined
      ? Effect.logInfo("Simulation run begins").pipe(Effect.annotateLogs({ run: runId }))
      : Effect.logInfo("Simulation run goes on").pipe(Effect.annotateLogs({ run: runId, after: String(current) }))
  })

  const isSettled = (tickNumber: bigint) => resume?.settled.has(tickNumber) === true
  /** Whether the steps to the next tick that sampling captures are those of a run before. */
  const isStepOver = () => resume !== undefined && isSettled(current - (current % interval) + interval)
  const isDone = () => maxTicks !== undefined && current >= maxTicks

  const pace = Effect.suspend(() => {
    if (isStepOver()) return Effect.void
    return Clock.clockWith((clock) => {
      const left = pacer.leftMs(clock.currentTimeMillisUnsafe())
      return left > 0 ? Effect.sleep(Duration.millis(left)) : Effect.void
    })
  })

  /** Steps, at least once, until the turn is over or the next step has to wait for something. */
  const takeTurn = Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const untilMs = clock.currentTimeMillisUnsafe() + turn.milliseconds
    const made: Array<Tick.Tick> = []
    pending = made
    for (let steps = 1, bytes = 0; ; steps++) {
      if (!isStepOver()) pacer.step()
      yield* simulation.step
      current = yield* simulation.tickNumber
      const nowMs = clock.currentTimeMillisUnsafe()
      if (current % interval === 0n) {
        if (isSettled(current)) return
        const tick = yield* capture(runId, BigInt(Math.floor(nowMs)))
        bytes += tick.payload.length
        made.push(tick)
      }
      if (isDone() || pauseTicks.has(current)) return
      if (steps >= turn.steps || bytes >= turn.bytes || nowMs >= untilMs) return
      if (!isStepOver() && pacer.leftMs(nowMs) > 0) return
    }
  }).pipe(Effect.uninterruptible)

  /** Offers what is pending; `false` when the queue has ended. */
  const handOver = Effect.suspend(() => {
    const offered = pending
    if (offered.length === 0) return Effect.succeed(true)
    const accepted = (count: number) => {
      pending = pending.slice(count)
      produced += count
    }
    return Effect.map(queue.offerAll(offered, accepted), (count) => count === offered.length)
  })

  const work = Effect.fnUntraced(function* (gate: Service.Gate) {
    yield* begin
    while (yield* handOver) {
      if (isDone()) return
      // Steps are pure computation: without this the files of the batches before would wait for a turn of the event loop.
      yield* Effect.yieldNow
      yield* gate.open
      yield* pace
      yield* takeTurn
      if (pauseTicks.has(current)) yield* gate.pause
    }
  })

  const metrics = Effect.sync(() => ({ current_tick: Number(current), ticks_produced: produced }))
  const service = yield* Service.make(name, { work, metrics })
  const instance: Instance = { ...service, runId, metrics }
  return instance
})
