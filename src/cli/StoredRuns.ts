/**
 * What the commands read that look at stored runs: the storages and the dead letters of a configuration, none of which
 * they make.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FileDeadLetterQueue from "../deadletter/FileDeadLetterQueue.ts"
import * as RunId from "../domain/RunId.ts"
import * as ConfigFile from "../config/ConfigFile.ts"
import * as Suggestion from "../config/Suggestion.ts"
import * as PipelineConfig from "../config/PipelineConfig.ts"
import * as RunFiles from "../runs/RunFiles.ts"
import type { Storage } from "../storage/Storage.ts"
import * as StoredFiles from "../storage/StoredFiles.ts"
import * as options from "./options.ts"

/** The flags that say where the runs are. */
export const flags = { config: options.config, data: options.data }

/** None of the storages has anything of the run. */
export class UnknownRun extends Schema.TaggedError<UnknownRun>()("UnknownRun", {
  run: Schema.String,
  locations: Schema.Array(Schema.String),
  hint: Schema.String
}) {
  override get message() {
    return `there is no run ${RunId.quote(this.run)} in ${this.locations.join(", ")}: ${this.hint}`
  }
}

/** The pipeline whose runs are meant. Fails with what is wrong with its configuration. */
export const resolve = Effect.fnUntraced(function* (given: {
  readonly config: Option.Option<string>
  readonly data: Option.Option<string>
}) {
  const file = Option.isSome(given.config) ? yield* ConfigFile.read(given.config.value) : undefined
  const { config } = yield* Effect.fromResult(
    PipelineConfig.resolve({
      file,
      env: yield* PipelineConfig.environment,
      overrides: PipelineConfig.overrides({ data: Option.getOrUndefined(given.data) })
    })
  )
  return config
})

const isFolder = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(folder).pipe(
    Effect.map(({ type }) => type === "Directory"),
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(false))
  )
})

/** Fails with `CannotStart` when there is no such folder. */
export const checkFolder = Effect.fnUntraced(function* (folder: string) {
  if (yield* isFolder(folder)) return
  const problem = `there is no folder ${folder}: name that of the runs with --data, or a configuration with --config`
  return yield* new options.CannotStart({ problem })
})

/**
 * The file storages of `config`, to be read only; one that several names lead to once. Fails with `CannotStart` when
 * there is none or a folder is missing, with `StorageError` when one can't be read.
 */
export const storages = Effect.fnUntraced(function* (config: PipelineConfig.PipelineConfig) {
  const path = yield* Path.Path
  const byPlace = new Map<string, Storage["Service"]>()
  for (const resource of Object.values(config.resources)) {
    if (resource._tag !== "FileStorage") continue
    const root = path.resolve(resource.options.rootDirectory)
    if (byPlace.has(root)) continue
    yield* checkFolder(root)
    byPlace.set(root, yield* StoredFiles.make(resource.name, root))
  }
  if (byPlace.size > 0) return [...byPlace.values()]
  return yield* new options.CannotStart({ problem: "the configuration has no FileStorage: no run of it lasts" })
})

/**
 * The dead-letter queues of `config` whose folders exist: where there is no folder, there are no letters. To be read only,
 * unless `open` says otherwise.
 */
export const deadLetterQueues = Effect.fnUntraced(function* (
  config: PipelineConfig.PipelineConfig,
  open: typeof FileDeadLetterQueue.make | typeof FileDeadLetterQueue.makeStored = FileDeadLetterQueue.makeStored
) {
  const queues = yield* Effect.forEach(Object.values(config.resources), (resource) =>
    Effect.gen(function* () {
      if (resource._tag !== "FileDeadLetterQueue" || !(yield* isFolder(resource.options.directory))) return []
      return [yield* open(resource.name, resource.encoded)]
    })
  )
  return queues.flat()
})

const holds = (storage: Storage["Service"], runId: RunId.RunId) =>
  Effect.map(Stream.runHead(storage.list(`${runId}/`)), Option.isSome)

/** Where the run `id` lies. Fails with `UnknownRun`, which names the nearest, and with `CannotStart` when it is in two. */
export const find = Effect.fnUntraced(function* (all: ReadonlyArray<Storage["Service"]>, id: string) {
  const locations = all.map(({ location }) => location)
  if (RunId.is(id)) {
    const [storage, other] = yield* Effect.filter(all, (one) => holds(one, id))
    if (storage !== undefined && other !== undefined) {
      const problem = `run ${id} lies in ${storage.location} and in ${other.location}: choose one with --data`
      return yield* new options.CannotStart({ problem })
    }
    if (storage !== undefined) return { storage, runId: id }
  }
  const known = (yield* Effect.forEach(all, (storage) => Stream.runCollect(RunFiles.runIds(storage)))).flat()
  const near = Suggestion.nearest(id, known)
  const list = known.length === 0 ? "there are none" : "`tickvault runs` lists those that are there"
  return yield* new UnknownRun({ run: id, locations, hint: near === undefined ? list : `did you mean ${near}?` })
})
