/** Service managers built from the specification's example, in a folder of their own. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as ConfigFile from "../../src/config/ConfigFile.ts"
import * as PipelineConfig from "../../src/config/PipelineConfig.ts"
import * as ServiceManager from "../../src/pipeline/ServiceManager.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { lifecycle } from "../persistence/harness.ts"
import { fixture, good } from "../config/harness.ts"

export const temporary = FileSystem.FileSystem.use((fs) => fs.makeTempDirectoryScoped({ prefix: "tickvault-manager-" }))

/** The manager of the specification's HOCON example, of `ticks` ticks, with its storage in `directory`. */
export const production = Effect.fnUntraced(function* (
  directory: string,
  ticks: number,
  more: ReadonlyArray<PipelineConfig.Override> = []
) {
  const file = yield* ConfigFile.read(fixture("production.conf"))
  const overrides = [...PipelineConfig.overrides({ data: directory, ticks }), ...more]
  const { config } = yield* good({ file, overrides })
  return yield* ServiceManager.make(config)
})

/** Runs a test watched, with a metric registry of its own and the file system of Node. */
export const watched = <A, E>(
  test: Effect.Effect<A, E, LogWatch.LogWatch | Layer.Success<typeof NodeServices.layer> | Scope.Scope>
) =>
  test.pipe(
    Effect.scoped,
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provide(
      Layer.mergeAll(
        LogWatch.layer({ allow: [...lifecycle, { level: "Info", message: /^Simulation run (begins|goes on)$/u }] }),
        NodeServices.layer
      )
    )
  )
