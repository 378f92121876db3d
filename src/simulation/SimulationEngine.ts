/**
 * Steps a simulation and offers the captured ticks to the queue, at the pace of the queue.
 *
 * It stores the metadata of the run before the first tick. It encodes and offers each tick once. After a stop and start,
 * or a pause and resume, it continues with the next tick: none is missing or doubled. The same holds across processes:
 * with a `Resume` the engine makes exactly the ticks of the run that are still missing.
 *
 * An engine fails when a step dies or its metadata can't be stored. Awaiting it then fails with the cause. The ticks
 * captured before that are offered to the queue first.
 *
 * ```ts
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Pipeline from "tickvault/Pipeline"
 * import * as SimulationEngine from "tickvault/simulation/SimulationEngine"
 * import * as World from "tickvault/simulation/World"
 *
 * export const program = Effect.gen(function* () {
 *   const engine = yield* SimulationEngine.SimulationEngine
 *   yield* engine.await
 *   return yield* Pipeline.Pipeline.use((pipeline) => pipeline.drain)
 * }).pipe(
 *   Effect.provide(
 *     SimulationEngine.layer({ maxTicks: 1000 }).pipe(
 *       Layer.provide(World.layer()),
 *       Layer.provideMerge(Pipeline.layer({ directory: "./runs" })),
 *       Layer.provide(NodeServices.layer)
 *     )
 *   )
 * )
 * ```
 */
import { fromBinary } from "@bufbuild/protobuf"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as OptionConfig from "../domain/OptionConfig.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import { TickDataSchema } from "../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import { TickQueue } from "../queue/TickQueue.ts"
import * as Service from "../service/Service.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as Metadata from "./internal/metadata.ts"
import * as Stepping from "./internal/stepping.ts"
import type * as RunSettings from "./RunSettings.ts"
import { RestoreError, type Settings, Simulation } from "./Simulation.ts"

/** Settings of a simulation engine. The simulation has its own. */
export const Options = Schema.Struct({
  /** Captures ticks whose number is a multiple of this. 1 captures all. Default 1. */
  samplingInterval: OptionSchema.wholeNumber(1, 1),
  /** Tick numbers at which the engine pauses by itself until it is resumed. Default none. */
  pauseTicks: Schema.Array(
    Schema.Int.check(Schema.isGreaterThan(0, { message: "must be a tick number above 0" }))
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([]))),
  /** The last tick. Absent: the engine runs until it is stopped. */
  maxTicks: Schema.optionalKey(
    Schema.Int.check(Schema.isGreaterThan(0, { message: "must be a whole number of 1 or more" }))
  ),
  /** The largest number of ticks per second. Absent: as fast as the queue takes them. */
  ticksPerSecond: Schema.optionalKey(
    Schema.Finite.check(Schema.isGreaterThan(0, { message: "must be a number above 0" }))
  ),
  /** Id of the run: a safe folder name. Absent: a new id from the start time and random digits. */
  runId: Schema.optionalKey(RunId.RunId)
})

/**
 * An earlier run to resume, from `ResumePoint.find`. Its metadata are stored already and stay unchanged.
 */
export interface Resume {
  /** Replaces the `runId` of the options. */
  readonly runId: RunId.RunId
  /** The tick after which the run resumes. `undefined`: it starts from the present state of the simulation. */
  readonly from: Tick.Tick | undefined
  /**
   * Whether a tick is stored or dead-lettered already. The engine neither captures nor offers such a tick and steps over it
   * at full speed, without regard to `ticksPerSecond`. It still pauses there when `pauseTicks` has the tick.
   */
  readonly settled: { readonly has: (tickNumber: bigint) => boolean }
  /**
   * The settings that the run began with. Its `samplingInterval` replaces that of the options. Its `maxTicks` counts when
   * the options have none. A simulation with other settings is refused. Absent: the options count, and nothing is compared.
   */
  readonly recorded?: RunSettings.Recorded
}

const toJson = Schema.encodeSync(Schema.fromJsonString(Schema.Json))

const describe = ({ kind, values }: Settings) => `${kind} ${toJson(values)}`

/** The run began with another kind of simulation or other settings. This simulation would make other ticks. */
export class SettingsMismatch extends Schema.TaggedError<SettingsMismatch>()("SettingsMismatch", {
  simulationRunId: Schema.String,
  recorded: Schema.Struct({ kind: Schema.String, values: Schema.Json }),
  present: Schema.Struct({ kind: Schema.String, values: Schema.Json })
}) {
  override get message() {
    return `run ${RunId.quote(this.simulationRunId)} began with ${describe(this.recorded)} and can't be resumed with ${describe(this.present)}: make the simulation with the settings in the metadata of the run`
  }
}

/** The counters of an engine since it was made. */
export interface Metrics {
  /** The present tick of the world. */
  readonly current_tick: number
  /** Ticks that the queue has accepted. */
  readonly ticks_produced: number
}

/** The engine should begin a new run, but the storage has a run with this id. The engine has made no tick. */
export class RunIdTaken extends Schema.TaggedError<RunIdTaken>()("RunIdTaken", {
  simulationRunId: Schema.String,
  location: Schema.String
}) {
  override get message() {
    return `the run id ${RunId.quote(this.simulationRunId)} is taken: ${this.location} has a run with this id. Choose another id, or resume that run`
  }
}

/** An engine, stopped or running, and the id of its run. */
export interface Instance extends Service.Service<RunIdTaken | StorageError> {
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

/** Restores the simulation to the tick from which `resume` continues. */
const restore = Effect.fnUntraced(function* (simulation: Simulation["Service"], { from, recorded, runId }: Resume) {
  const [begun, present] = [recorded?.simulation, simulation.settings]
  if (begun !== undefined && present !== undefined && !Equal.equals(begun, present)) {
    return yield* new SettingsMismatch({ simulationRunId: runId, recorded: begun, present })
  }
  if (from === undefined) return
  const refuse = (problem: string) => new RestoreError({ tickNumber: from.tickNumber, problem })
  if (from.simulationRunId !== runId) {
    return yield* refuse(`it belongs to the run "${from.simulationRunId}", not to "${runId}"`)
  }
  const message = yield* Effect.try({
    // Copies the bytes: those from a file are a `Buffer`, whose `slice` and `buffer` differ from those of a `Uint8Array`.
    try: () => fromBinary(TickDataSchema, new Uint8Array(from.payload)),
    catch: (cause) => refuse(`its bytes are not a TickData message: ${String(cause)}`)
  })
  yield* simulation.restore(message)
})

/** The ticks that an engine makes with these options. */
const planOf = (options: typeof Options.Type, runId: RunId.RunId, resume: Resume | undefined): Stepping.Plan => {
  const last = options.maxTicks ?? resume?.recorded?.maxTicks
  return {
    simulationRunId: runId,
    samplingInterval: BigInt(resume?.recorded?.samplingInterval ?? options.samplingInterval),
    maxTicks: last === undefined ? undefined : BigInt(last),
    pauseTicks: new Set(options.pauseTicks.map(BigInt)),
    ticksPerSecond: options.ticksPerSecond,
    isSettled: (tickNumber) => resume?.settled.has(tickNumber) === true
  }
}

/** Makes the effect that begins the run: it stores the metadata of a new run and logs the begin, both only once. */
const makeBegin = Effect.fnUntraced(function* (
  runId: RunId.RunId,
  { maxTicks, samplingInterval }: Stepping.Plan,
  resume: Resume | undefined
) {
  const simulation = yield* Simulation
  const { location } = yield* Storage
  const store = yield* Metadata.makeStore({ runId, samplingInterval, maxTicks })
  const storeMetadata = Effect.catchReason(store, "StorageError", "KeyConflict", () =>
    Effect.fail(new RunIdTaken({ simulationRunId: runId, location }))
  )
  let begun = false
  return Effect.gen(function* () {
    if (begun) return
    if (resume === undefined) yield* storeMetadata
    begun = true
    const after = String(yield* simulation.tickNumber)
    yield* resume === undefined
      ? Effect.logInfo("Simulation run begins").pipe(Effect.annotateLogs({ run: runId }))
      : Effect.logInfo("Simulation run goes on").pipe(Effect.annotateLogs({ run: runId, after }))
  })
})

/** Like `make`, with decoded options. */
export const makeWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type, resume?: Resume) {
  const simulation = yield* Simulation
  if (resume !== undefined) yield* restore(simulation, resume)
  const runId = resume?.runId ?? options.runId ?? (yield* newRunId)
  const plan = planOf(options, runId, resume)
  const stepping = yield* Stepping.make(simulation, yield* TickQueue, plan)
  const begin = yield* makeBegin(runId, plan, resume)

  /** A step that dies fails the engine, after the ticks that were captured before it are offered. */
  const takeTurn = Effect.uninterruptibleMask((restore) =>
    Effect.catchCause(stepping.takeTurn, (cause) =>
      Effect.andThen(Effect.exit(restore(stepping.handOver)), Effect.failCause(cause))
    )
  )

  const work = Effect.fnUntraced(function* (gate: Service.PauseGate) {
    yield* begin
    while (yield* stepping.handOver) {
      if (stepping.isDone()) return
      // Steps are pure computation: without this the files of the batches before would wait for a turn of the event loop.
      yield* Effect.yieldNow
      yield* gate.open
      yield* stepping.pace
      yield* takeTurn
      if (stepping.isPauseTick()) yield* gate.pause
    }
  })

  const metrics = Effect.sync(() => ({
    current_tick: Number(stepping.current()),
    ticks_produced: stepping.produced()
  }))
  const service = yield* Service.make(name, { work, metrics })
  const instance: Instance = { ...service, runId, metrics }
  return instance
})

/**
 * Makes the engine `name`, stopped, for the simulation, the queue and the storage of its context. Closing the scope stops
 * it. With `resume`, it restores the simulation at once, and the engine continues with the next tick. `maxTicks` and
 * `pauseTicks` are tick numbers of the run, also for ticks that an earlier process made. Fails with `SchemaError` on a bad
 * option, with `SettingsMismatch` when the run began with other settings, and with `RestoreError` when the tick is not one
 * of this run and this kind of world.
 */
export const make = (name: string, options: typeof Options.Encoded = {}, resume?: Resume) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeWith(name, decoded, resume))

/** The engine of an app, running while the layer lives. */
export class SimulationEngine extends Context.Service<SimulationEngine, Instance>()(
  "tickvault/simulation/SimulationEngine"
) {}

/** The options of the engine's layer. */
export type LayerOptions = typeof Options.Encoded & {
  /** Name of the engine in logs and metrics. Default "simulation-engine". */
  readonly name?: string
  /** The run to resume. Absent: a new run begins. */
  readonly resume?: Resume
}

/**
 * Runs an engine for the simulation of the context. Await the engine to know when it is done or why it failed. Closing the
 * scope stops it. Fails as `make` does.
 */
export const layer = (
  options: LayerOptions = {}
): Layer.Layer<
  SimulationEngine,
  Schema.SchemaError | RestoreError | SettingsMismatch,
  Simulation | TickQueue | Storage
> => {
  const { name = "simulation-engine", resume, ...own } = options
  return Layer.effect(
    SimulationEngine,
    Effect.tap(make(name, own, resume), (engine) => engine.start)
  )
}

/**
 * Like `layer`, but environment variables override `options`. Their names contain the engine's name:
 * `TICKVAULT_SIMULATION_ENGINE_MAX_TICKS` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  options: LayerOptions = {}
): Layer.Layer<
  SimulationEngine,
  Config.ConfigError | RestoreError | SettingsMismatch,
  Simulation | TickQueue | Storage
> => {
  const { name = "simulation-engine", resume, ...own } = options
  return Layer.effect(
    SimulationEngine,
    OptionConfig.of(Options, name, own).pipe(
      Effect.flatMap((decoded) => makeWith(name, decoded, resume)),
      Effect.tap((engine) => engine.start)
    )
  )
}
