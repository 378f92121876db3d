// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Compression from "../../src/batch/Compression.ts"
import type { ConfiguredStorage } from "../../src/config/Configured.ts"
import * as Kind from "../../src/config/Kind.ts"
import * as PipelineConfig from "../../src/config/PipelineConfig.ts"
import * as FileStorageKind from "../../src/kinds/FileStorageKind.ts"
import * as InMemoryStorageKind from "../../src/kinds/InMemoryStorageKind.ts"
import * as Kinds from "../../src/kinds/Kinds.ts"
import * as PlannedSpace from "../../src/pipeline/PlannedSpace.ts"
import * as ServiceManager from "../../src/pipeline/ServiceManager.ts"
import * as StartupChecks from "../../src/pipeline/StartupChecks.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { good, messages, small, sourceOf, wrong } from "../config/harness.ts"
import { watched } from "../pipeline/managers.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const Options = Schema.Struct({
  /** Name of the archive. */
  archive: Schema.NonEmptyString,
  shelves: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }, { message: "must be 1 to 9 shelves" }))
})

/** All that it takes to add a storage: this record, and its place in the list. */
const archive = Kind.resource({
  name: "ArchiveStorage",
  otherNames: ["VaultStorage"],
  role: "storage",
  lasts: true,
  note: "the archive is closed on Sundays",
  options: Kind.options(Options),
  aliases: new Map([
    [
      "racks",
      {
        option: "shelves",
        form: { _tag: "number", allowed: "must be a number of racks" },
        convert: (value) => (typeof value === "number" ? value * 3 : value)
      }
    ]
  ]),
  flags: { data: "archive" },
  configure: (self): ConfiguredStorage<typeof Options.Type> => ({
    ...self,
    role: "storage",
    layer: Layer.effect(
      Storage.Storage,
      Effect.map(Storage.makeMemory(self.name), (storage) =>
        Storage.Storage.of({ ...storage, location: `archive ${self.options.archive}` })
      )
    ).pipe(Layer.merge(Compression.layerNone)),
    check: () =>
      Effect.succeed({
        checks: [{ resource: self.name, subject: "folder", verdict: "problem", message: "it is Sunday", facts: {} }],
        newestMs: 0
      }),
    planned: ({ basis, bytes = 0 }) => ({ bytes: bytes * self.options.shelves, basis: `${basis} on each shelf` })
  })
})

const kinds: Kind.Kinds = { ...Kinds.all, resources: [...Kinds.all.resources, archive] }

const file = (options: object) =>
  small({ resources: { store: { className: "org.example.VaultStorage", options } }, rest: { shutdownTimeout: "5s" } })

describe("a kind of one's own in the list", () => {
  it.effect("is configured by its names, options, aliases and flags like those that come with tickvault", () =>
    Effect.gen(function* () {
      const resolved = yield* good({
        kinds,
        file: file({ racks: 2 }),
        overrides: PipelineConfig.overrides({ data: "north" }),
        env: {}
      })
      assert.strictEqual(sourceOf(resolved, "resources.store.options.archive"), "north from command line --data")
      assert.strictEqual(sourceOf(resolved, "resources.store.options.shelves"), "6 from file small.json")
      assert.deepInclude(resolved.notes, {
        path: "pipeline.resources.store",
        message: "the archive is closed on Sundays"
      })
      const { store } = resolved.config.resources
      assert(archive.is(store))
      assert.deepStrictEqual(store.options, { archive: "north", shelves: 6 })
    })
  )

  it.effect("has its wrong options named", () =>
    Effect.gen(function* () {
      const error = yield* wrong({
        kinds,
        file: file({ archive: "north", shelvs: 1 }),
        env: { TICKVAULT_STORE_SHELVES: "12" }
      })
      assert.deepStrictEqual(messages(error), [
        "pipeline.resources.store.options.shelvs: unknown option `shelvs`: did you mean `shelves`?",
        "pipeline.resources.store.options.shelves: found 12, must be 1 to 9 shelves (environment TICKVAULT_STORE_SHELVES)"
      ])
    })
  )

  it.effect("is unknown without its place there", () =>
    Effect.gen(function* () {
      const error = yield* wrong({ file: file({ archive: "north", shelves: 1 }) })
      assert.match(messages(error)[0] ?? "", /found "org\.example\.VaultStorage", is not a known class/u)
    })
  )

  it.effect("is what the pipeline is built with, checked by and planned for", () =>
    watched(
      Effect.gen(function* () {
        const { config } = yield* good({ kinds, file: file({ archive: "south", shelves: 2 }) })
        const planned = PlannedSpace.ofInput(config, { bytes: 21, basis: "a test" })
        assert.deepStrictEqual([...planned], [["store", { bytes: 42, basis: "a test on each shelf" }]])
        const refused = yield* Effect.flip(StartupChecks.atStart(config, planned))
        assert.include(refused.message, "it is Sunday")

        const manager = yield* ServiceManager.make(config)
        yield* manager.startAll
        yield* manager.queues.get("ticks")!.offerAll(TestTick.range("run", 1, 5))
        yield* manager.shutdown
        const store = manager.storages.get("store")!
        assert.strictEqual(store.location, "archive south")
        const keys = yield* Stream.runCollect(store.list("run/batch_"))
        assert.lengthOf(keys, 1)
        assert.strictEqual((yield* manager.resourceStatus)[1]?.kind, "ArchiveStorage")
      })
    )
  )
})

describe("the kinds that come with tickvault", () => {
  it.effect("are named in their own module and nowhere else", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const root = path.join(import.meta.dirname, "../../src")
      const files = (yield* fs.readDirectory(root, { recursive: true })).filter((name) => name.endsWith(".ts"))
      const texts = yield* Effect.forEach(files, (name) => fs.readFileString(path.join(root, name)))
      for (const { classNames, name } of [...Kinds.all.resources, ...Kinds.all.services]) {
        for (const className of classNames) {
          const naming = files.filter((_, index) => texts[index]?.includes(`"${className}"`))
          assert.deepStrictEqual(naming, [`kinds/${name}Kind.ts`])
        }
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

const compressionOf = (storage: ConfiguredStorage) =>
  Compression.Compression.pipe(Effect.provide(Layer.provide(storage.layer, NodeServices.layer)))

const inMemory = (options: object) =>
  Effect.flatMap(Effect.fromResult(InMemoryStorageKind.kind.configure("memory", options)), compressionOf)

it.effect("a storage brings the compression of its options, by default zstd in files and none in memory", () =>
  Effect.gen(function* () {
    const rootDirectory = yield* temporaryFolder
    const files = (options: object) =>
      Effect.flatMap(
        Effect.fromResult(FileStorageKind.kind.configure("files", { rootDirectory, ...options })),
        compressionOf
      )
    assert.deepStrictEqual(yield* files({}), { codec: "zstd", level: 1 })
    assert.deepStrictEqual(yield* files({ compressionLevel: 5 }), { codec: "zstd", level: 5 })
    assert.deepStrictEqual(yield* files({ compression: "none", compressionLevel: 5 }), { codec: "none" })
    assert.deepStrictEqual(yield* inMemory({}), { codec: "none" })
    assert.deepStrictEqual(yield* inMemory({ compression: "zstd" }), { codec: "zstd", level: 1 })
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)
