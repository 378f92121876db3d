/**
 * The flags that `run` and `ingest` share, and the configuration that they make.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as Flag from "effect/cli/Flag"
import * as ConfigFile from "../config/ConfigFile.ts"
import { startedOf } from "../config/Configured.ts"
import type { ServiceRole } from "../config/Kind.ts"
import * as PipelineConfig from "../config/PipelineConfig.ts"
import * as EmbeddedPipeline from "../kinds/EmbeddedPipeline.ts"
import * as Kinds from "../kinds/Kinds.ts"
import * as Logging from "./Logging.ts"

export const config = Flag.String("config").pipe(
  Flag.withAlias("c"),
  Flag.withMetavar("FILE"),
  Flag.withDescription("configuration file (.conf, .hocon, .yaml, .yml, .json); default: the embedded pipeline"),
  Flag.optional
)

export const data = Flag.String("data").pipe(
  Flag.withAlias("d"),
  Flag.withMetavar("DIR"),
  Flag.withDescription("folder of the runs; default ./data"),
  Flag.optional
)

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("print the summary as one line of JSON instead of text"),
  Flag.withDefault(false)
)

const optionalInt = (name: string, description: string) =>
  Flag.Int(name).pipe(Flag.withMetavar("N"), Flag.withDescription(description), Flag.optional)

export const ticks = optionalInt(
  "ticks",
  "ticks that the simulation makes; default 20000, with --resume as many as the run began with"
)

export const seed = optionalInt("seed", "seed of the simulation; default 42")

export const resume = Flag.String("resume").pipe(
  Flag.withMetavar("RUN"),
  Flag.withDescription("continue this run: make its missing ticks, with the settings in its metadata"),
  Flag.optional
)

const maxInstances = 64

export const instances = Flag.Int("instances").pipe(
  Flag.withMetavar("N"),
  Flag.withDescription("number of persistence services, only without --config; default 2, with ingest 1"),
  Flag.filter(
    (count) => count >= 1 && count <= maxInstances,
    () => `a whole number from 1 to ${maxInstances}`
  ),
  Flag.optional
)

/** The options of every persistence service. */
export const persistence = {
  maxBatchSize: optionalInt("max-batch-size", "most ticks in a file; default 1000"),
  batchTimeoutSeconds: Flag.Finite("batch-timeout-seconds").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("seconds after which a batch closes; default 5"),
    Flag.optional
  ),
  maxRetries: optionalInt("max-retries", "attempts after the first one; default 3"),
  retryBackoffMs: optionalInt("retry-backoff-ms", "milliseconds before the first retry, doubling; default 1000"),
  mixedRuns: Flag.Literals("mixed-runs", ["dead-letter", "split"]).pipe(
    Flag.withDescription("how to treat a batch with ticks of several runs; default dead-letter"),
    Flag.optional
  )
}

/** The options of every file storage, beside its folder. */
export const storage = {
  compression: Flag.Literals("compression", ["none", "zstd"]).pipe(
    Flag.withDescription("how files are compressed; default zstd"),
    Flag.optional
  ),
  compressionLevel: optionalInt("compression-level", "level of zstd, 1 to 22; default 1")
}

/** The flags of every command that starts a pipeline. */
export const shared = { config, data, json, instances, ...persistence, ...storage, logFormat: Logging.formatFlag }

type FlagsOf<Options> = { readonly [K in keyof Options]: Option.Option<string | number> }

type PartFlags = FlagsOf<typeof persistence> & FlagsOf<typeof storage>

export interface Flags extends PartFlags {
  readonly config: Option.Option<string>
  readonly data: Option.Option<string>
  readonly instances: Option.Option<number>
  readonly ticks: Option.Option<number>
  readonly seed: Option.Option<number>
}

/** No flags. */
export const none: Flags = {
  config: Option.none(),
  data: Option.none(),
  instances: Option.none(),
  ticks: Option.none(),
  seed: Option.none(),
  maxBatchSize: Option.none(),
  batchTimeoutSeconds: Option.none(),
  maxRetries: Option.none(),
  retryBackoffMs: Option.none(),
  mixedRuns: Option.none(),
  compression: Option.none(),
  compressionLevel: Option.none()
}

/** The command line and the configuration don't fit together. Nothing has been started. */
export class CannotStart extends Schema.TaggedError<CannotStart>()("CannotStart", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

/** The flags that set options of components. */
const setting = ["data", "ticks", "seed", ...Struct.keys(persistence), ...Struct.keys(storage)] as const

/** Resolves the configuration from `flags`, the environment and the file. Fails with its problems. */
export const resolve = Effect.fnUntraced(function* (flags: Flags, embedded: EmbeddedPipeline.Embedded) {
  if (Option.isSome(flags.config) && Option.isSome(flags.instances)) {
    const problem = "--instances is for the pipeline without --config: add services to the file instead"
    return yield* new CannotStart({ problem })
  }
  const instances = Option.getOrElse(flags.instances, () => embedded.instances)
  return yield* Effect.fromResult(
    PipelineConfig.resolve({
      kinds: Kinds.all,
      pipeline: Option.isSome(flags.config)
        ? yield* ConfigFile.read(flags.config.value)
        : EmbeddedPipeline.document({ ...embedded, instances }),
      env: yield* PipelineConfig.environment,
      overrides: PipelineConfig.overrides(
        Object.fromEntries(setting.map((flag) => [flag, Option.getOrUndefined<string | number>(flags[flag])]))
      )
    })
  )
})

/** Fails with `CannotStart` when no service with the role starts with the pipeline. */
export const requireStarted = Effect.fnUntraced(function* (config: PipelineConfig.PipelineConfig, role: ServiceRole) {
  if (startedOf(config, role).length > 0) return
  const problem = `the configuration starts no ${Kinds.withRole(role)}: see startupSequence`
  return yield* new CannotStart({ problem })
})
