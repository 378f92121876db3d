/** The kind of the storage that keeps objects as files in one folder. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Compression from "../batch/Compression.ts"
import type { ConfiguredStorage } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as FileStorage from "../storage/FileStorage.ts"
import * as FolderChecks from "../storage/FolderChecks.ts"
import { Storage } from "../storage/Storage.ts"
import * as StoredFiles from "../storage/StoredFiles.ts"
import * as Folder from "./internal/folder.ts"

const Options = Schema.Struct({ ...FileStorage.Options.fields, ...Compression.Options.fields })

type Options = typeof Options.Type

/**
 * The assumed compression ratio of zstd for ticks. Measured: 28 to 400. It is low on purpose: a full disk is worse than
 * an unnecessary warning.
 */
const leastCompression = 10

const planned =
  ({ compression }: Options): ConfiguredStorage["planned"] =>
  (ticks, madeBy) => {
    const { basis, bytes } = ticks
    if (bytes === undefined || compression === "none") return ticks
    const proviso = madeBy === "engine" ? "" : ", unless its ticks don't compress"
    return {
      bytes: Math.ceil(bytes / leastCompression),
      basis: `${basis}; compressed to a ${leastCompression}th of that or less${proviso}`
    }
  }

const check =
  (name: string, { durability, rootDirectory, temporaryFileMaxAge }: Options) =>
  (depth: FolderChecks.Depth, space: FolderChecks.Planned | undefined) =>
    Effect.flatMap(Path.Path, (path) =>
      FolderChecks.check(
        { resource: name, path: path.resolve(rootDirectory), durability, temporaryFileMaxAge, planned: space },
        depth
      )
    )

export const kind = Kind.resource({
  name: "FileStorage",
  otherNames: ["FileSystemStorageResource"],
  role: "storage",
  lasts: true,
  options: Kind.options(Options),
  folder: { option: "rootDirectory", fallback: Schema.decodeSync(FileStorage.Options)({}).rootDirectory },
  flags: { data: "rootDirectory", compression: "compression", compressionLevel: "compressionLevel" },
  configure: (self): ConfiguredStorage<Options> => {
    const { name, options } = self
    return {
      ...self,
      role: "storage",
      layer: Layer.merge(Layer.effect(Storage, FileStorage.makeWith(name, options)), Compression.layerWith(options)),
      lasting: Folder.lasting(options.rootDirectory, (root) => StoredFiles.make(name, root)),
      check: check(name, options),
      planned: planned(options)
    }
  }
})
