/**
 * What `tickvault run --resume` continues: the engine, and the point that its run has reached in its storage and its
 * dead-letter queue.
 */
import * as Effect from "effect/Effect"
import * as DeadLetterQueue from "../deadletter/DeadLetterQueue.ts"
import * as RunLedger from "../ledger/RunLedger.ts"
import { type ConfiguredEngine, type PipelineConfig, startedOf } from "../config/Configured.ts"
import * as ResumePoint from "../resume/ResumePoint.ts"
import * as RunSettings from "../simulation/RunSettings.ts"
import * as options from "./options.ts"
import * as StoredRuns from "./StoredRuns.ts"

/** A run that is resumed. */
export interface Resumption {
  /** The engine that makes the run's ticks. */
  readonly engine: ConfiguredEngine
  /** The name of the storage that the ticks go to. */
  readonly storage: string
  readonly point: ResumePoint.ResumePoint
  /** The settings that the run began with. */
  readonly settings: RunSettings.RunSettings
}

const cannot = (problem: string) => new options.CannotStart({ problem })

/** The one engine, the one storage that its ticks go to, and the names of its dead-letter queues. */
const partsOf = Effect.fnUntraced(function* (config: PipelineConfig) {
  const engines = startedOf(config, "engine")
  const [engine, ...others] = engines
  if (engine === undefined || others.length > 0) {
    const problem = `--resume continues one run, but the configuration starts ${engines.length} engines: see startupSequence`
    return yield* cannot(problem)
  }
  const own = startedOf(config, "persistence").filter(({ resources }) => resources.input === engine.resources.tickData)
  const [storage, ...more] = new Set(own.map(({ resources }) => resources.storage))
  const resource = storage === undefined ? undefined : config.resources[storage]
  if (storage === undefined || resource?.role !== "storage" || more.length > 0) {
    return yield* cannot(
      `the ticks of ${engine.name} go to ${more.length + own.length} storages, but --resume needs exactly one`
    )
  }
  if (resource.lasting === undefined)
    return yield* cannot(`${storage} is a ${resource.kind}: its runs end with the process`)
  return { engine, storage: resource, letters: new Set(own.flatMap(({ resources }) => resources.dlq ?? [])) }
})

/** `config` with only the resources for which `isWanted` holds. */
const only = (config: PipelineConfig, isWanted: (name: string) => boolean): PipelineConfig => ({
  ...config,
  resources: Object.fromEntries(Object.entries(config.resources).filter(([name]) => isWanted(name)))
})

/** A text for each configured setting that the run's settings replace. */
const replaced = ({ engine, settings }: Resumption, maxTicks: number | undefined): ReadonlyArray<string> => {
  const { samplingInterval, world } = engine.settings
  const configured = { ...world, samplingInterval, maxTicks: engine.maxTicks }
  const counting = { ...settings.world, samplingInterval: settings.samplingInterval, maxTicks }
  return (["seed", "shape", "organisms", "samplingInterval", "maxTicks"] as const)
    .filter((option) => String(configured[option]) !== String(counting[option]))
    .map((option) => `${option} ${String(counting[option])} instead of ${String(configured[option])}`)
}

/**
 * Finds the point where the run `id` resumes in the pipeline of `config`. Creates nothing when there is no such run.
 * Fails with `CannotStart` when the configuration doesn't allow resuming, with `UnknownRun`, and as `ResumePoint.find` does.
 */
export const find = Effect.fnUntraced(function* (config: PipelineConfig, id: string) {
  const { engine, letters, storage: resource } = yield* partsOf(config)
  const { runId } = yield* StoredRuns.find(
    yield* StoredRuns.storages(only(config, (name) => name === resource.name)),
    id
  )
  const [queue, ...others] = yield* StoredRuns.deadLetterQueues(only(config, (name) => letters.has(name)))
  if (others.length > 0) {
    return yield* cannot(
      `the ticks of ${engine.name} have ${letters.size} dead-letter queues, but --resume needs exactly one`
    )
  }
  yield* Effect.logInfo("Looking where the run goes on").pipe(Effect.annotateLogs({ run: runId }))
  return yield* Effect.gen(function* () {
    // Before anything is changed: a run of another simulation stays unchanged.
    const settings = yield* RunSettings.fromMetadata(yield* ResumePoint.metadata(runId))
    const point = yield* ResumePoint.find(runId)
    const resumption: Resumption = { engine, storage: resource.name, point, settings }
    return resumption
  }).pipe(
    Effect.provideServiceEffect(RunLedger.RunLedger, RunLedger.make),
    Effect.provide(resource.layer),
    Effect.provideServiceEffect(
      DeadLetterQueue.DeadLetterQueue,
      queue === undefined ? DeadLetterQueue.makeMemory("none") : Effect.succeed(queue)
    )
  )
}, Effect.scoped)

/** Logs which configured settings don't count. The run will end at tick `maxTicks`. */
export const announce = (resumption: Resumption, maxTicks: number | undefined) =>
  Effect.logInfo("The run goes on with the settings in its metadata, those of the configuration don't count").pipe(
    Effect.annotateLogs({
      run: resumption.point.resume.runId,
      replaced: replaced(resumption, maxTicks).join("; ") || "none"
    })
  )
