import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as FileStorage from "../../src/storage/FileStorage.ts"

/** A folder that is removed at the end of the scope. */
export const temporaryFolder = FileSystem.FileSystem.use((fs) =>
  fs.makeTempDirectoryScoped({ prefix: "tickvault-test-" })
)

/** A `FileStorage` in a folder of its own, on the file system of `platform`. */
export const layerFileStorageOn = (platform: Layer.Layer<FileSystem.FileSystem | Path.Path>) =>
  Layer.unwrap(Effect.map(temporaryFolder, (rootDirectory) => FileStorage.layer({ rootDirectory }))).pipe(
    Layer.provide(platform)
  )

/** A `FileStorage` in a folder of its own. */
export const layerFileStorage = layerFileStorageOn(NodeServices.layer)
