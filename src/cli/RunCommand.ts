/**
 * `tickvault run`: runs a simulation and stores its ticks, or goes on with a run (`--resume`).
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import type { Balance } from "../pipeline/Balance.ts"
import type { PipelineConfig } from "../config/PipelineConfig.ts"
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

/** Prints that the run has all ticks up to `maxTicks`. */
const sayComplete = ({ point }: Resumption.Resumption, maxTicks: number, isJson: boolean) => {
  const { inLetters, resume, stored } = point
  const resumed: Summary.Resumed = { after: resume.from?.tickNumber, stored, inLetters }
  return Session.print(
    isJson
      ? Summary.json({ runIds: [resume.runId], balance: noTicks, seconds: 0, problems: [], resumed })
      : `Run ${resume.runId} is complete up to tick ${Format.count(maxTicks)}, its end: ${Summary.there(resumed)}. ` +
          "Nothing was written. For more, give a higher --ticks. Only its last batches were read: `tickvault verify` reads all."
  )
}

/** The run that `--resume` names, and the point it has reached. */
const resumptionOf = Effect.fnUntraced(function* (
  config: PipelineConfig,
  flags: { readonly resume: Option.Option<string>; readonly seed: Option.Option<number> }
) {
  if (Option.isNone(flags.resume)) return undefined
  if (Option.isSome(flags.seed)) {
    return yield* new options.CannotStart({ problem: "--seed is for a new run: a resumed run keeps its seed" })
  }
  return yield* Resumption.find(config, flags.resume.value)
})

/** The configuration with the `--ticks` of the run's metadata, unless the flag is given or the metadata lacks it. */
const withRecordedTicks = Effect.fnUntraced(function* (
  configured: PipelineConfig,
  flags: options.Flags,
  { point }: Resumption.Resumption
) {
  const { maxTicks } = point.recorded
  if (maxTicks === undefined || Option.isSome(flags.ticks)) return configured
  const { config } = yield* options.resolve({ ...flags, ticks: Option.some(maxTicks) }, EmbeddedPipeline.run)
  return config
})

/** The tick at which the engine of this name ends. */
const maxTicksOf = ({ services }: PipelineConfig, name: string): number | undefined => {
  const engine = services[name]
  return engine?.role === "engine" ? engine.maxTicks : undefined
}

export const make = (status: ExitStatus) =>
  Command.make(
    "run",
    { ...options.shared, ticks: options.ticks, seed: options.seed, resume: options.resume },
    (flags) =>
      Effect.gen(function* () {
        const { config: configured } = yield* options.resolve(flags, EmbeddedPipeline.run)
        yield* options.requireStarted(configured, "engine")
        yield* options.requireStarted(configured, "persistence")
        const resumption = yield* resumptionOf(configured, flags)
        const config = resumption === undefined ? configured : yield* withRecordedTicks(configured, flags, resumption)
        const maxTicks = resumption === undefined ? undefined : maxTicksOf(config, resumption.engine.name)
        if (resumption !== undefined && maxTicks !== undefined && resumption.point.firstMissing > BigInt(maxTicks)) {
          return yield* sayComplete(resumption, maxTicks, flags.json)
        }
        if (resumption !== undefined) yield* Resumption.announce(resumption, maxTicks)
        const planned = yield* PlannedSpace.ofEngines(config, Number(resumption?.point.firstMissing ?? 1n) - 1)
        yield* Session.run(config, engines, { json: flags.json, status, planned, resumption })
      }).pipe(Effect.provide(Logging.layer(flags.logFormat)))
  ).pipe(
    Command.withDescription(
      "Run a simulation and store its ticks, or continue a run (--resume). Shuts down cleanly on Ctrl-C; a second Ctrl-C " +
        "ends it at once. Exit codes: 0 all settled, 1 could not start, 2 something was dead-lettered, 3 something was lost."
    )
  )
