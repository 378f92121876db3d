/** The kind of the storage in memory. */
import * as Layer from "effect/Layer"
import type { ConfiguredStorage } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as Storage from "../storage/Storage.ts"

export const kind = Kind.resource({
  name: "InMemoryStorage",
  role: "storage",
  lasts: false,
  note: "ticks are kept in memory: they are gone when the process ends",
  options: Kind.options(Storage.MemoryOptions),
  configure: (self): ConfiguredStorage<typeof Storage.MemoryOptions.Type> => ({
    ...self,
    role: "storage",
    layer: Layer.effect(Storage.Storage, Storage.makeMemoryWith(self.name, self.options)),
    planned: (ticks) => ticks
  })
})
