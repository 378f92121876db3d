/** Every value of a resolved configuration, with its source. */
import type { ConfiguredResource, ConfiguredService, PipelineConfig } from "../Configured.ts"
import type { Kind, ServiceKind } from "../Kind.ts"
import type { Document, Draft } from "./document.ts"
import type { Wiring } from "./wiring.ts"
import { display } from "../../domain/ValueText.ts"

/** One resolved value. */
export interface ResolvedValue {
  readonly path: string
  readonly value: string
  /** "default", "file NAME", "environment NAME" or "command line --flag". */
  readonly source: string
}

const optionValues = (
  draft: Draft<Kind>,
  configured: ConfiguredResource | ConfiguredService | undefined
): ReadonlyArray<ResolvedValue> => [
  ...[...draft.kind.forms.keys()].map((option) => ({
    path: `${draft.path}.options.${option}`,
    value: display(configured?.options[option]),
    source: draft.options.get(option)?.source ?? "default"
  })),
  ...draft.ignored.map(({ path, source, value }) => ({ path, value: display(value), source }))
]

const classValue = (draft: Draft<Kind>): ResolvedValue => ({
  path: draft.className.path,
  value: display(draft.className.value),
  source: draft.className.source
})

const portValues = (draft: Draft<ServiceKind>, wiring: Wiring): ReadonlyArray<ResolvedValue> =>
  [...draft.kind.ports].map(([key, port]) => {
    const name = wiring.get(draft.name)?.get(key)
    return {
      path: `${draft.path}.resources.${key}`,
      value: name === undefined ? display(undefined) : `${port.usage === undefined ? "" : `${port.usage}:`}${name}`,
      source: draft.ports.get(key)?.source ?? "default"
    }
  })

/** All values in the order of the configuration, and of the options in each component. */
export const values = (document: Document, wiring: Wiring, config: PipelineConfig): ReadonlyArray<ResolvedValue> => [
  {
    path: "pipeline.shutdownTimeout",
    value: display(config.shutdownTimeout),
    source: document.shutdownTimeout?.source ?? "default"
  },
  {
    path: "pipeline.startupSequence",
    value: display(config.startupSequence),
    source: document.startupSequence?.source ?? "default"
  },
  ...document.resources.flatMap((draft) => [classValue(draft), ...optionValues(draft, config.resources[draft.name])]),
  ...document.services.flatMap((draft) => [
    classValue(draft),
    ...portValues(draft, wiring),
    ...optionValues(draft, config.services[draft.name])
  ])
]
