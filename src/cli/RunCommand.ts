/**
 * `tickvault run`: runs a simulation and stores its ticks, or goes on with a run (`--resume`).
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import type { Balance } from "../pipeline/Balance.ts"
import type * as PipelineConfig from "../config/PipelineConfig.ts"
import * as EmbeddedPipeline from "../kinds/EmbeddedPipeline.ts"
import * as PlannedSpace from "../pipeline/PlannedSpace.ts"
import * as Service from "../service/Service.ts"
import type { ExitStatus } from "./ExitStatus.ts"
import * as Format from "./Format.ts"
import * as Logging from "./Logging.ts"
import * as options from "./options.ts"
import * as Resumption from "./Resumption.ts"
import * as Session from "./Session.ts"
import * as Summary from "./Summary.ts"

/** Waits until every engine has made its last tick or failed. The report names the failed ones. */
const engines: Session.Producer = (manager, report) =>
  Effect.gen(function* () {
    for (const engine of manager.engines.values()) report.runIds.add(engine.runId)
    yield* Service.awaitAll(manager.engines.values())
  })

const noTicks: Balance = {
  received: 0,
  written: 0,
  duplicate: 0,
  deadLettered: 0,
  returned: 0,
  lost: 0,
  inFlight: 0,
  batches: 0,
  writtenBytes: 0,
  storedBytes: 0
}

/** Where a resumed run ends. */
interface End {
  readonly config: PipelineConfig.PipelineConfig
  /** The tick. `undefined`: it has no end. */
  readonly maxTicks: number | undefined
  /** What says so. */
  readonly source: string
}

/** Prints that the run has all ticks up to `maxTicks`, and whether it has others beyond. */
const sayComplete = ({ point }: Resumption.Resumption, maxTicks: number, source: string, isJson: boolean) => {
  const { inLetters, last = 0n, resume, stored } = point
  const resumed: Summary.Resumed = { after: resume.from?.tickNumber, stored, inLetters }
  const beyond = last > BigInt(maxTicks) ? ` Some of them lie beyond, up to tick ${Format.count(Number(last))}.` : ""
  return Session.print(
    isJson
      ? Summary.json({ runIds: [resume.runId], balance: noTicks, seconds: 0, problems: [], resumed })
      : `Run ${resume.runId} is complete up to tick ${Format.count(maxTicks)}, its end (${source}): ` +
          `${Summary.there(resumed)}.${beyond} Nothing was written. For more, give a higher --ticks. ` +
          "Only its last batches were read: `tickvault verify` reads all."
  )
}

/** The run that `--resume` names, and the point it has reached. */
const resumptionOf = Effect.fnUntraced(function* (
  config: PipelineConfig.PipelineConfig,
  flags: { readonly resume: Option.Option<string>; readonly seed: Option.Option<number> }
) {
  if (Option.isNone(flags.resume)) return undefined
  if (Option.isSome(flags.seed)) {
    return yield* new options.CannotStart({ problem: "--seed is for a new run: a resumed run keeps its seed" })
  }
  return yield* Resumption.find(config, flags.resume.value)
})

/** The tick at which the engine of this name ends. */
const maxTicksOf = ({ services }: PipelineConfig.PipelineConfig, name: string): number | undefined => {
  const engine = services[name]
  return engine?.role === "engine" ? engine.maxTicks : undefined
}

/**
 * Where the run ends. A flag, variable or file says it before the metadata of the run, and a default only when the metadata
 * don't. Fails with `CannotStart` when the metadata say it, and the run has ticks beyond: it was made longer, and how far
 * is not recorded.
 */
const endOf = Effect.fnUntraced(function* (
  { config, values }: PipelineConfig.Resolved,
  flags: options.Flags,
  { engine: { name }, point }: Resumption.Resumption
) {
  const path = `pipeline.services.${name}.options.maxTicks`
  const source = values.find((value) => value.path === path)?.source ?? "default"
  const { maxTicks: recorded } = point.recorded
  const configured: End = { config, maxTicks: maxTicksOf(config, name), source }
  if (recorded === undefined || source !== "default") return configured
  if (point.last !== undefined && point.last > BigInt(recorded)) {
    const problem =
      `run ${point.resume.runId} began with --ticks ${recorded}, but it has ticks up to ${point.last}: ` +
      "it was made longer, and how far is not recorded. Say with --ticks where it is to end"
    return yield* new options.CannotStart({ problem })
  }
  const resolved = yield* options.resolve({ ...flags, ticks: Option.some(recorded) }, EmbeddedPipeline.run)
  const end: End = { config: resolved.config, maxTicks: recorded, source: "metadata of the run" }
  return end
})

export const make = (status: ExitStatus) =>
  Command.make(
    "run",
    { ...options.shared, ticks: options.ticks, seed: options.seed, resume: options.resume },
    (flags) =>
      Effect.gen(function* () {
        const resolved = yield* options.resolve(flags, EmbeddedPipeline.run)
        yield* options.requireStarted(resolved.config, "engine")
        yield* options.requireStarted(resolved.config, "persistence")
        const resumption = yield* resumptionOf(resolved.config, flags)
        const end = resumption === undefined ? undefined : yield* endOf(resolved, flags, resumption)
        const config = end?.config ?? resolved.config
        if (resumption !== undefined && end !== undefined) {
          const { maxTicks, source } = end
          if (maxTicks !== undefined && resumption.point.firstMissing > BigInt(maxTicks)) {
            return yield* sayComplete(resumption, maxTicks, source, flags.json)
          }
          yield* Resumption.announce(resumption, maxTicks)
        }
        const planned = yield* PlannedSpace.ofEngines(config, Number(resumption?.point.firstMissing ?? 1n) - 1)
        yield* Session.run(config, engines, { json: flags.json, status, planned, resumption })
      }).pipe(Effect.provide(Logging.layer(flags.logFormat)))
  ).pipe(
    Command.withDescription(
      "Run a simulation and store its ticks, or continue a run (--resume). Shuts down cleanly on Ctrl-C; a second Ctrl-C " +
        "ends it at once. Exit codes: 0 all settled, 1 could not start or a service failed, 2 something was dead-lettered, 3 " +
        "something was lost."
    )
  )
