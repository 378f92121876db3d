/**
 * `tickvault run`: a simulation, its ticks stored.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as PlannedSpace from "../pipeline/PlannedSpace.ts"
import type { ExitStatus } from "./ExitStatus.ts"
import * as Logging from "./Logging.ts"
import * as options from "./options.ts"
import * as Session from "./Session.ts"

/** Waits until every engine has made its last tick. */
const engines: Session.Producer = (manager, report) =>
  Effect.gen(function* () {
    for (const engine of manager.engines.values()) report.runIds.add(engine.runId)
    yield* Effect.forEach([...manager.engines.values()], (engine) => engine.await, {
      concurrency: "unbounded",
      discard: true
    })
  })

export const make = (status: ExitStatus) =>
  Command.make("run", { ...options.shared, ticks: options.ticks, seed: options.seed }, (flags) =>
    Effect.gen(function* () {
      const { config } = yield* options.resolve(flags, { engine: true, instances: 2 })
      for (const kind of ["SimulationEngine", "PersistenceService"] as const) {
        if (options.started(config, kind).length > 0) continue
        return yield* new options.CannotStart({ problem: `the configuration starts no ${kind}: see startupSequence` })
      }
      const planned = yield* PlannedSpace.ofEngines(config)
      yield* Session.run(config, engines, { json: flags.json, status, planned })
    }).pipe(Effect.provide(Logging.layer(flags.logFormat)))
  ).pipe(
    Command.withDescription(
      "Run a simulation and store its ticks. Ends in good order on Ctrl-C; a second one ends it at once. " +
        "Exit codes: 0 all settled, 1 could not start, 2 something was dead-lettered, 3 something was lost."
    )
  )
