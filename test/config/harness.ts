/** Configurations to resolve in tests, and short ways to look at what comes out. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PipelineConfig from "../../src/config/PipelineConfig.ts"

export const fixture = (name: string) => `${import.meta.dirname}/fixtures/${name}`

export const resolve = (sources: Partial<PipelineConfig.Sources> = {}) =>
  PipelineConfig.resolve({ env: {}, overrides: [], ...sources })

export const good = (sources: Partial<PipelineConfig.Sources> = {}) => Effect.fromResult(resolve(sources))

export const wrong = (sources: Partial<PipelineConfig.Sources>) => Effect.flip(good(sources))

/** The lines of the problems, without the first line. */
export const messages = (error: PipelineConfig.ConfigError) =>
  error.message
    .split("\n")
    .slice(1)
    .map((line) => line.trim())

/** "VALUE from SOURCE" of an entry. */
export const sourceOf = (resolved: PipelineConfig.Resolved, path: string) => {
  const entry = resolved.entries.find((each) => each.path === `pipeline.${path}`)
  return entry === undefined ? undefined : `${entry.value} from ${entry.source}`
}

export const engineOf = (config: PipelineConfig.PipelineConfig, name: string) => {
  const service = config.services[name]
  return service?._tag === "SimulationEngine" ? Effect.succeed(service) : Effect.sync(() => assert.fail(`no ${name}`))
}

export const persistenceOf = (config: PipelineConfig.PipelineConfig, name: string) => {
  const service = config.services[name]
  return service?._tag === "PersistenceService" ? Effect.succeed(service) : Effect.sync(() => assert.fail(`no ${name}`))
}

/** A file with one queue, one storage and one persistence service; `extra` goes into its sections. */
export const small = (
  extra: { resources?: object; services?: object; options?: object; ports?: object; rest?: object } = {}
) => ({
  name: "small.json",
  value: {
    resources: {
      ticks: { className: "TickQueue" },
      store: { className: "InMemoryStorage" },
      ...extra.resources
    },
    services: {
      persist: {
        className: "PersistenceService",
        resources: { input: "queue-in:ticks", storage: "storage-write:store", ...extra.ports },
        options: extra.options ?? {}
      },
      ...extra.services
    },
    ...extra.rest
  }
})
