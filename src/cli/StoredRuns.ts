/**
 * The storages and the dead letters of a configuration, for commands that look at stored runs. Makes no folder.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as RunId from "../domain/RunId.ts"
import { type ConfiguredStorage, type Lasting, resourcesOf } from "../config/Configured.ts"
import * as ConfigFile from "../config/ConfigFile.ts"
import * as Suggestion from "../config/Suggestion.ts"
import * as PipelineConfig from "../config/PipelineConfig.ts"
import { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import * as EmbeddedPipeline from "../kinds/EmbeddedPipeline.ts"
import * as Kinds from "../kinds/Kinds.ts"
import * as RunFiles from "../runs/RunFiles.ts"
import { Storage } from "../storage/Storage.ts"
import * as options from "./options.ts"

/** The flags that say where the runs are. */
export const flags = { config: options.config, data: options.data }

/** No storage has anything of the run. */
export class UnknownRun extends Schema.TaggedError<UnknownRun>()("UnknownRun", {
  run: Schema.String,
  locations: Schema.Array(Schema.String),
  hint: Schema.String
}) {
  override get message() {
    return `there is no run ${RunId.quote(this.run)} in ${this.locations.join(", ")}: ${this.hint}`
  }
}

/** Resolves the configuration that the flags name. Fails with its problems. */
export const resolve = Effect.fnUntraced(function* (given: {
  readonly config: Option.Option<string>
  readonly data: Option.Option<string>
}) {
  const { config } = yield* Effect.fromResult(
    PipelineConfig.resolve({
      kinds: Kinds.all,
      pipeline: Option.isSome(given.config)
        ? yield* ConfigFile.read(given.config.value)
        : EmbeddedPipeline.document(EmbeddedPipeline.run),
      env: yield* PipelineConfig.environment,
      overrides: PipelineConfig.overrides({ data: Option.getOrUndefined(given.data) })
    })
  )
  return config
})

/** Fails with `CannotStart` when the location isn't there. */
export const checkExists = Effect.fnUntraced(function* <Service>({ exists, location }: Lasting<Service>) {
  if (yield* exists) return
  const folder = yield* location
  const problem = `there is no folder ${folder}: give the folder of the runs with --data, or a configuration with --config`
  return yield* new options.CannotStart({ problem })
})

/** The storages of `config` that last, opened by `open`. */
const opened = Effect.fnUntraced(function* <E, R>(
  config: Pick<PipelineConfig.PipelineConfig, "resources">,
  open: (
    lasting: Lasting<Storage["Service"]>,
    layer: ConfiguredStorage["layer"]
  ) => Effect.Effect<Storage["Service"], E, R>
) {
  const byLocation = new Map<string, Storage["Service"]>()
  for (const { lasting, layer } of resourcesOf(config, "storage")) {
    const location = lasting === undefined ? undefined : yield* lasting.location
    if (lasting === undefined || location === undefined || byLocation.has(location)) continue
    yield* checkExists(lasting)
    byLocation.set(location, yield* open(lasting, layer))
  }
  if (byLocation.size > 0) return [...byLocation.values()]
  const problem = `the configuration has no ${Kinds.lasting("storage")}: its runs end with the process`
  return yield* new options.CannotStart({ problem })
})

/**
 * The storages of `config` that last, to be read only; one that several names lead to once. Fails with `CannotStart` when
 * there is none or its location is missing, with `StorageError` when one can't be read.
 */
export const storages = (config: Pick<PipelineConfig.PipelineConfig, "resources">) => opened(config, ({ read }) => read)

/** Like `storages`, but opened as a pipeline opens them, with their configured options, until the scope closes. */
export const writableStorages = (config: Pick<PipelineConfig.PipelineConfig, "resources">) =>
  opened(config, (_, layer) => Effect.map(Layer.build(layer), (context) => Context.get(context, Storage)))

/**
 * The dead-letter queues of `config` whose locations exist: where there is none, there are no letters. To be read only, or
 * to be changed as well.
 */
export const deadLetterQueues = Effect.fnUntraced(function* (
  config: Pick<PipelineConfig.PipelineConfig, "resources">,
  use: "read" | "change" = "read"
) {
  const queues = yield* Effect.forEach(resourcesOf(config, "dead-letter queue"), ({ lasting, layer }) =>
    Effect.gen(function* () {
      if (lasting === undefined || !(yield* lasting.exists)) return []
      return [use === "read" ? yield* lasting.read : Context.get(yield* Layer.build(layer), DeadLetterQueue)]
    })
  )
  return queues.flat()
})

const holds = (storage: Storage["Service"], runId: RunId.RunId) =>
  Effect.map(Stream.runHead(storage.list(`${runId}/`)), Option.isSome)

/** The runs of which `storage` holds any file. */
export const runIds = (storage: Storage["Service"]) =>
  Effect.provideService(Stream.runCollect(RunFiles.runIds), Storage, storage)

/**
 * The storage of the run `id`. Fails with `UnknownRun`, which suggests the nearest id, or `CannotStart` when two have
 * it.
 */
export const find = Effect.fnUntraced(function* (all: ReadonlyArray<Storage["Service"]>, id: string) {
  const locations = all.map(({ location }) => location)
  if (RunId.is(id)) {
    const [storage, other] = yield* Effect.filter(all, (one) => holds(one, id))
    if (storage !== undefined && other !== undefined) {
      const problem = `run ${id} is in ${storage.location} and in ${other.location}: choose one with --data`
      return yield* new options.CannotStart({ problem })
    }
    if (storage !== undefined) return { storage, runId: id }
  }
  const known = (yield* Effect.forEach(all, runIds)).flat()
  const near = Suggestion.nearest(id, known)
  const list = known.length === 0 ? "there are none" : "`tickvault runs` lists the stored runs"
  return yield* new UnknownRun({ run: id, locations, hint: near === undefined ? list : `did you mean ${near}?` })
})
