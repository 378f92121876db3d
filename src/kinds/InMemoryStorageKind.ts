/** The kind of the storage in memory. */
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Compression from "../batch/Compression.ts"
import type { ConfiguredStorage } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as Storage from "../storage/Storage.ts"

const Options = Schema.Struct(Compression.fields("none"))

export const kind = Kind.resource({
  name: "InMemoryStorage",
  role: "storage",
  lasts: false,
  note: "ticks are kept in memory: they are gone when the process ends",
  options: Kind.options(Options),
  configure: (self): ConfiguredStorage<typeof Options.Type> => ({
    ...self,
    role: "storage",
    layer: Layer.merge(
      Layer.effect(Storage.Storage, Storage.makeMemory(self.name)),
      Compression.layerWith(self.options)
    ),
    planned: (ticks) => ticks
  })
})
