import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as ScriptedFileSystem from "../support/ScriptedFileSystem.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

/** The machine's file system under a script, and a watch on the log. */
export const platform = Layer.merge(Layer.provideMerge(ScriptedFileSystem.layer, NodeServices.layer), LogWatch.layer())

export const bytes = Uint8Array.of(1, 2, 3)

/** A storage in a folder of its own, its script and what lies in it. `before` scripts what its start meets. */
export const setupWith = Effect.fnUntraced(function* (
  options: typeof FileStorage.Options.Encoded,
  before: (script: ScriptedFileSystem.ScriptedFileSystem["Service"]) => Effect.Effect<void> = () => Effect.void
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const script = yield* ScriptedFileSystem.ScriptedFileSystem
  const root = path.join(yield* temporaryFolder, "data")
  yield* before(script)
  const storage = yield* FileStorage.make("files", { ...options, rootDirectory: root })
  yield* script.takeRecord(root)
  const put = Effect.fnUntraced(function* (name: string, ...pieces: ReadonlyArray<Uint8Array>) {
    return yield* Storage.write(storage, yield* Effect.orDie(StorageKey.parse(name)), pieces)
  })
  const files = Effect.map(fs.readDirectory(root, { recursive: true }), (names) => names.sort())
  return { fs, path, script, root, storage, put, files, record: script.takeRecord(root) }
})

/** The same with the default options, on a file system that can do all. */
export const setup = setupWith({})
