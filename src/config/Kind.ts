/**
 * A kind of resource or service: its class names, its options, its connections, and how it is configured.
 *
 * A kind is one record, made here. `PipelineConfig` takes a list of kinds as data and knows none by name: add your own
 * record to the list, and configurations can use it.
 *
 * ```ts
 * import { Compression, type Configured, Kind, Kinds, Storage } from "tickvault"
 * import * as Layer from "effect/Layer"
 * import * as Schema from "effect/Schema"
 *
 * const Options = Schema.Struct({ label: Schema.NonEmptyString })
 *
 * const labelled = Kind.resource({
 *   name: "LabelledStorage",
 *   role: "storage",
 *   lasts: false,
 *   options: Kind.options(Options),
 *   configure: (self): Configured.ConfiguredStorage => ({
 *     ...self,
 *     role: "storage",
 *     layer: Layer.merge(Layer.effect(Storage.Storage, Storage.makeMemory(self.options.label)), Compression.layerNone),
 *     planned: (ticks) => ticks
 *   })
 * })
 *
 * export const kinds: Kind.Kinds = { ...Kinds.all, resources: [...Kinds.all.resources, labelled] }
 * ```
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as OptionForm from "../domain/OptionForm.ts"
import type { Configured, ConfiguredResource, ConfiguredService, Settings } from "./Configured.ts"

/** The role of a resource. A service asks for a role, not for a kind. */
export type ResourceRole = ConfiguredResource["role"]

export type ServiceRole = ConfiguredService["role"]

/** Decoded options, or the error of each of their schemas. */
export type Decoded<A> = Result.Result<A, ReadonlyArray<Schema.SchemaError>>

/** The option of a resource that names the folder of its files. */
export interface FolderOption {
  readonly option: string
  /** The folder when nothing is set. */
  readonly fallback: string
  /**
   * Set when no other resource may use the folder. Then its default is this subfolder of the folder of the first storage
   * with a folder.
   */
  readonly subfolder?: string
}

/** A connection that a service asks for: `usage:NAME`, or just `NAME` when there is no usage. */
export interface Port {
  readonly usage: "queue-in" | "queue-out" | "storage-write" | undefined
  readonly role: ResourceRole
  readonly required: boolean
  /**
   * When the port isn't set, it leads to the storage of the ticks that go into the queue of the port `of`. `ask` is the
   * message when there are several such storages.
   */
  readonly followsTicks?: { readonly of: string; readonly ask: string }
}

/** The common part of all kinds. */
export interface Kind {
  /** The kind's name: the first of its class names. */
  readonly name: string
  /** Last segments of the class names of this kind. */
  readonly classNames: ReadonlyArray<string>
  readonly forms: ReadonlyMap<string, OptionForm.Form>
  /** The specification's names for our options. */
  readonly aliases: OptionForm.Aliases
  /** Options that are accepted and do nothing, each with the reason. */
  readonly ignored: ReadonlyMap<string, string>
  /** The options that command-line flags set, by flag: "data" for `--data`. */
  readonly flags: ReadonlyMap<string, string>
}

export interface ResourceKind<out C extends ConfiguredResource = ConfiguredResource> extends Kind {
  readonly role: ResourceRole
  /** Whether its content stays when the process ends. */
  readonly lasts: boolean
  /** What an operator of a pipeline with it should know. */
  readonly note: string | undefined
  readonly folder: FolderOption | undefined
  readonly configure: (name: string, options: unknown) => Decoded<C>
  /** Whether `resource` is of this kind. */
  readonly is: (resource: ConfiguredResource | undefined) => resource is C
}

export interface ServiceKind<out C extends ConfiguredService = ConfiguredService> extends Kind {
  readonly role: ServiceRole
  readonly ports: ReadonlyMap<string, Port>
  /** `connected` has the resource's name for each connected port. `undefined` when a required port isn't connected. */
  readonly configure: (
    name: string,
    options: unknown,
    connected: Readonly<Record<string, string | undefined>>
  ) => Decoded<C | undefined>
  /** Whether `service` is of this kind. */
  readonly is: (service: ConfiguredService | undefined) => service is C
}

/** The kinds that a configuration may name. */
export interface Kinds {
  readonly resources: ReadonlyArray<ResourceKind>
  readonly services: ReadonlyArray<ServiceKind>
}

/** The options of a kind. */
export interface Options<O extends Settings> {
  readonly fields: Schema.Struct.Fields
  readonly decode: (options: unknown) => Decoded<O>
}

/** The schema of the options of a kind: a struct that needs no services to decode. */
export interface OptionsSchema extends Schema.Constraint {
  readonly Type: Settings
  readonly DecodingServices: never
  readonly fields: Schema.Struct.Fields
}

/** The options that a module's `Options` schema describes. */
export const options = <S extends OptionsSchema>(schema: S): Options<S["Type"]> => ({
  fields: schema.fields,
  decode: (raw) =>
    Result.mapError(
      Schema.decodeUnknownResult(schema, { errors: "all" })(raw),
      (error): ReadonlyArray<Schema.SchemaError> => [error]
    )
})

/** For a kind without options. */
export const noOptions: Options<Readonly<Record<string, never>>> = options(Schema.Struct({}))

/** The common description of all kinds. */
export interface Description<O extends Settings> {
  readonly name: string
  /** Further class names, from the specification. */
  readonly otherNames?: ReadonlyArray<string>
  readonly options: Options<O>
  readonly aliases?: OptionForm.Aliases
  readonly ignored?: Readonly<Record<string, string>>
  readonly flags?: Readonly<Record<string, string>>
}

const common = <O extends Settings>(description: Description<O>): Kind => ({
  name: description.name,
  classNames: [description.name, ...(description.otherNames ?? [])],
  forms: OptionForm.ofFields(description.options.fields),
  aliases: description.aliases ?? new Map(),
  ignored: new Map(Object.entries(description.ignored ?? {})),
  flags: new Map(Object.entries(description.flags ?? {}))
})

/** A kind of resource. `configure` makes the configured resource from its name and decoded options. */
export const resource = <O extends Settings, C extends ConfiguredResource>(
  description: Description<O> & {
    readonly role: C["role"]
    readonly lasts: boolean
    readonly note?: string
    readonly folder?: FolderOption
    readonly configure: (self: Configured<O>) => C
  }
): ResourceKind<C> => ({
  ...common(description),
  role: description.role,
  lasts: description.lasts,
  note: description.note,
  folder: description.folder,
  configure: (name, raw) =>
    Result.map(description.options.decode(raw), (decoded) =>
      description.configure({ kind: description.name, name, options: decoded })
    ),
  is: (one): one is C => one?.kind === description.name
})

/**
 * A kind of service. `configure` makes the configured service from its name, its decoded options and the names of the
 * resources at its ports. It returns `undefined` when a required port isn't connected, which is already reported.
 */
export const service = <O extends Settings, C extends ConfiguredService>(
  description: Description<O> & {
    readonly role: C["role"]
    readonly ports: Readonly<Record<string, Port>>
    readonly configure: (self: Configured<O>, connected: Readonly<Record<string, string | undefined>>) => C | undefined
  }
): ServiceKind<C> => ({
  ...common(description),
  role: description.role,
  ports: new Map(Object.entries(description.ports)),
  configure: (name, raw, connected) =>
    Result.map(description.options.decode(raw), (decoded) =>
      description.configure({ kind: description.name, name, options: decoded }, connected)
    ),
  is: (one): one is C => one?.kind === description.name
})
