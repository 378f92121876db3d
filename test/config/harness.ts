/** Configurations to resolve in tests, and short ways to look at what comes out. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ConfigError } from "../../src/config/ConfigError.ts"
import * as PipelineConfig from "../../src/config/PipelineConfig.ts"
import * as EmbeddedPipeline from "../../src/kinds/EmbeddedPipeline.ts"
import * as Kinds from "../../src/kinds/Kinds.ts"
import * as PersistenceServiceKind from "../../src/kinds/PersistenceServiceKind.ts"
import * as SimulationEngineKind from "../../src/kinds/SimulationEngineKind.ts"

export const fixture = (name: string) => `${import.meta.dirname}/fixtures/${name}`

/** What a test leaves out has its default: no `file` is the embedded pipeline. */
export interface Sources extends Partial<PipelineConfig.Sources> {
  readonly file?: { readonly name: string; readonly value: unknown }
}

export const resolve = ({ file, ...sources }: Sources = {}) =>
  PipelineConfig.resolve({
    kinds: Kinds.all,
    pipeline: file ?? EmbeddedPipeline.document(EmbeddedPipeline.run),
    env: {},
    overrides: [],
    ...sources
  })

export const good = (sources: Sources = {}) => Effect.fromResult(resolve(sources))

export const wrong = (sources: Sources) => Effect.flip(good(sources))

/** The lines of the problems, without the first line. */
export const messages = (error: ConfigError) =>
  error.message
    .split("\n")
    .slice(1)
    .map((line) => line.trim())

/** "VALUE from SOURCE" of an entry. */
export const sourceOf = (resolved: PipelineConfig.Resolved, path: string) => {
  const entry = resolved.values.find((each) => each.path === `pipeline.${path}`)
  return entry === undefined ? undefined : `${entry.value} from ${entry.source}`
}

/** What a configuration says, without how it is made. */
export const described = ({ resources, services, ...rest }: PipelineConfig.PipelineConfig) => ({
  ...rest,
  resources: Object.values(resources).map(({ kind, name, options }) => ({ kind, name, options })),
  services: Object.values(services).map((service) => ({
    kind: service.kind,
    name: service.name,
    options: service.options,
    resources: service.resources
  }))
})

export const engineOf = (config: PipelineConfig.PipelineConfig, name: string) => {
  const service = config.services[name]
  return SimulationEngineKind.kind.is(service) ? Effect.succeed(service) : Effect.sync(() => assert.fail(`no ${name}`))
}

export const persistenceOf = (config: PipelineConfig.PipelineConfig, name: string) => {
  const service = config.services[name]
  return PersistenceServiceKind.kind.is(service)
    ? Effect.succeed(service)
    : Effect.sync(() => assert.fail(`no ${name}`))
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
