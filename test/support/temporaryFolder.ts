import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as FileStorage from "../../src/storage/FileStorage.ts"

/** A folder that is removed at the end of the scope. */
export const temporaryFolder = FileSystem.FileSystem.use((fs) =>
  fs.makeTempDirectoryScoped({ prefix: "tickvault-test-" })
)

/** A `FileStorage` in a folder of its own. */
export const layerFileStorage = Layer.unwrap(
  Effect.map(temporaryFolder, (rootDirectory) => FileStorage.layer({ rootDirectory }))
).pipe(Layer.provide(NodeServices.layer))
