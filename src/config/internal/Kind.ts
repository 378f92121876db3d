/**
 * The kinds of components that a configuration can name: their class names, their options and what they connect to.
 *
 * The options themselves belong to the modules that they configure; this table only collects them.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as DeadLetterQueue from "../../deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../../deadletter/FileDeadLetterQueue.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as PersistenceService from "../../persistence/PersistenceService.ts"
import * as TickQueue from "../../queue/TickQueue.ts"
import * as RecoveryService from "../../replay/RecoveryService.ts"
import * as SimulationEngine from "../../simulation/SimulationEngine.ts"
import * as World from "../../simulation/World.ts"
import * as FileStorage from "../../storage/FileStorage.ts"
import * as Storage from "../../storage/Storage.ts"
import type { Component, Resource, Service, SimulationEngineService } from "./Component.ts"
import * as OptionForm from "./OptionForm.ts"

/** What a resource is good for; a port takes one of these. */
export type Group = "queue" | "storage" | "dead-letter queue" | "idempotency tracker"

/** A component, or what each of its schemas has against the options. */
export type Decoded<A> = Result.Result<A, ReadonlyArray<Schema.SchemaError>>

/** What all kinds have in common. */
export interface Kind {
  /** The kind's name here; the first of its class names. */
  readonly tag: string
  /** Last segments of the class names that mean this kind. */
  readonly classNames: ReadonlyArray<string>
  readonly forms: ReadonlyMap<string, OptionForm.Form>
  /** The specification's names for options of ours, with the way from one value to the other. */
  readonly aliases: ReadonlyMap<string, Alias>
  /** Options that are accepted and do nothing, each with the reason. */
  readonly ignored: ReadonlyMap<string, string>
}

export interface Alias {
  readonly option: string
  readonly form: OptionForm.Form
  readonly convert: (value: unknown) => unknown
}

/** A connection that a service asks for: `usage:NAME`, or just `NAME` when there is no usage. */
export interface Port {
  readonly usage: "queue-in" | "queue-out" | "storage-write" | undefined
  readonly group: Group
  readonly required: boolean
}

export interface ResourceKind extends Kind {
  readonly section: "resources"
  readonly group: Group
  readonly decode: (name: string, options: unknown) => Decoded<Resource>
}

export interface ServiceKind extends Kind {
  readonly section: "services"
  readonly ports: ReadonlyMap<string, Port>
  /** `connected` has the resource's name for each port that is connected. */
  readonly decode: (name: string, options: unknown, connected: ReadonlyMap<string, string>) => Decoded<Service>
}

const all = { errors: "all" } as const

const formsOf = (fields: Schema.Struct.Fields): ReadonlyMap<string, OptionForm.Form> =>
  new Map(Object.entries(fields).map(([option, field]) => [option, OptionForm.of(field.ast)]))

const plain = { aliases: new Map<string, Alias>(), ignored: new Map<string, string>() }

interface OptionsCodec extends Schema.Constraint {
  readonly DecodingServices: never
  readonly EncodingServices: never
}

const decode = <S extends OptionsCodec>(schema: S, options: unknown): Decoded<S["Type"]> =>
  Result.mapError(Schema.decodeUnknownResult(schema, all)(options), (error) => [error])

const decoder =
  <Tag extends string, S extends OptionsCodec>(tag: Tag, schema: S) =>
  (name: string, raw: unknown): Decoded<Component<Tag, S>> =>
    Result.flatMap(decode(schema, raw), (options) =>
      Schema.encodeResult(schema)(options).pipe(
        Result.map((encoded) => ({ _tag: tag, name, options, encoded })),
        Result.mapError((error) => [error])
      )
    )

const None = Schema.Record(Schema.String, Schema.Never)

const section = "resources"

const trackerAliases = new Map<string, Alias>([
  [
    "ttlSeconds",
    {
      option: "ttl",
      form: { _tag: "number", allowed: "must be a number of seconds above 0" },
      convert: (value) => (typeof value === "number" ? `${value} seconds` : value)
    }
  ]
])

const cleanup = "has no effect: expired keys are dropped with every batch"

export const resourceKinds: ReadonlyArray<ResourceKind> = [
  {
    tag: "TickQueue",
    section,
    group: "queue",
    classNames: ["TickQueue", "InMemoryBlockingQueue"],
    forms: formsOf(TickQueue.Options.fields),
    ...plain,
    decode: decoder("TickQueue", TickQueue.Options)
  },
  {
    tag: "FileStorage",
    section,
    group: "storage",
    classNames: ["FileStorage", "FileSystemStorageResource"],
    forms: formsOf(FileStorage.Options.fields),
    ...plain,
    decode: decoder("FileStorage", FileStorage.Options)
  },
  {
    tag: "InMemoryStorage",
    section,
    group: "storage",
    classNames: ["InMemoryStorage"],
    forms: formsOf(Storage.MemoryOptions.fields),
    ...plain,
    decode: decoder("InMemoryStorage", Storage.MemoryOptions)
  },
  {
    tag: "FileDeadLetterQueue",
    section,
    group: "dead-letter queue",
    classNames: ["FileDeadLetterQueue"],
    forms: formsOf(FileDeadLetterQueue.Options.fields),
    ...plain,
    decode: decoder("FileDeadLetterQueue", FileDeadLetterQueue.Options)
  },
  {
    tag: "InMemoryDeadLetterQueue",
    section,
    group: "dead-letter queue",
    classNames: ["InMemoryDeadLetterQueue"],
    forms: formsOf(DeadLetterQueue.Options.fields),
    ...plain,
    decode: decoder("InMemoryDeadLetterQueue", DeadLetterQueue.Options)
  },
  {
    tag: "DiscardDeadLetterQueue",
    section,
    group: "dead-letter queue",
    classNames: ["DiscardDeadLetterQueue"],
    forms: new Map(),
    ...plain,
    decode: decoder("DiscardDeadLetterQueue", None)
  },
  {
    tag: "IdempotencyTracker",
    section,
    group: "idempotency tracker",
    classNames: ["IdempotencyTracker", "InMemoryIdempotencyTracker"],
    forms: formsOf(IdempotencyTracker.Options.fields),
    aliases: trackerAliases,
    ignored: new Map([
      ["cleanupThresholdMessages", cleanup],
      ["cleanupIntervalSeconds", cleanup]
    ]),
    decode: decoder("IdempotencyTracker", IdempotencyTracker.Options)
  },
  {
    tag: "DiscardIdempotencyTracker",
    section,
    group: "idempotency tracker",
    classNames: ["DiscardIdempotencyTracker"],
    forms: new Map(),
    ...plain,
    decode: decoder("DiscardIdempotencyTracker", None)
  }
]

const decodeEngine = decoder("SimulationEngine", SimulationEngine.Options)

/** Two schemas take the options of an engine: what both have against them is told at once. */
const engineAndWorld = (
  name: string,
  raw: unknown,
  resources: SimulationEngineService["resources"]
): Decoded<Service> => {
  const engine = decodeEngine(name, raw)
  const world = decode(World.Options, raw)
  if (Result.isFailure(engine))
    return Result.fail([...engine.failure, ...(Result.isFailure(world) ? world.failure : [])])
  return Result.map(world, (options): Service => ({ ...engine.success, world: options, resources }))
}

// A required port that isn't connected has been reported; the service made without it is never handed out.
const unconnected = ""

export const serviceKinds: ReadonlyArray<ServiceKind> = [
  {
    tag: "SimulationEngine",
    section: "services",
    classNames: ["SimulationEngine"],
    forms: formsOf({ ...SimulationEngine.Options.fields, ...World.Options.fields }),
    ...plain,
    ports: new Map<string, Port>([
      ["tickData", { usage: "queue-out", group: "queue", required: true }],
      ["storage", { usage: "storage-write", group: "storage", required: false }]
    ]),
    decode: (name, options, connected) =>
      engineAndWorld(name, options, {
        tickData: connected.get("tickData") ?? unconnected,
        storage: connected.get("storage")
      })
  },
  {
    tag: "PersistenceService",
    section: "services",
    classNames: ["PersistenceService"],
    forms: formsOf(PersistenceService.Options.fields),
    ...plain,
    ports: new Map<string, Port>([
      ["input", { usage: "queue-in", group: "queue", required: true }],
      ["storage", { usage: "storage-write", group: "storage", required: true }],
      ["dlq", { usage: "queue-out", group: "dead-letter queue", required: false }],
      ["idempotencyTracker", { usage: undefined, group: "idempotency tracker", required: false }]
    ]),
    decode: (name, options, connected) =>
      Result.map(decoder("PersistenceService", PersistenceService.Options)(name, options), (service): Service => ({
        ...service,
        resources: {
          input: connected.get("input") ?? unconnected,
          storage: connected.get("storage") ?? unconnected,
          dlq: connected.get("dlq"),
          idempotencyTracker: connected.get("idempotencyTracker")
        }
      }))
  },
  {
    tag: "RecoveryService",
    section: "services",
    classNames: ["RecoveryService"],
    forms: formsOf(RecoveryService.Options.fields),
    ...plain,
    ports: new Map<string, Port>([
      ["dlq", { usage: "queue-in", group: "dead-letter queue", required: true }],
      ["storage", { usage: "storage-write", group: "storage", required: true }],
      ["idempotencyTracker", { usage: undefined, group: "idempotency tracker", required: false }]
    ]),
    decode: (name, options, connected) =>
      Result.map(decoder("RecoveryService", RecoveryService.Options)(name, options), (service): Service => ({
        ...service,
        resources: {
          dlq: connected.get("dlq") ?? unconnected,
          storage: connected.get("storage") ?? unconnected,
          idempotencyTracker: connected.get("idempotencyTracker")
        }
      }))
  }
]
