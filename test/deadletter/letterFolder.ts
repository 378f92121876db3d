import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as ScriptedFileSystem from "../support/ScriptedFileSystem.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

/** A file system that fails by script, and a watch on the log. */
export const platform = Layer.merge(Layer.provideMerge(ScriptedFileSystem.layer, NodeServices.layer), LogWatch.layer())

/** A queue in a folder of its own, ways to look at the folder, and `open` for one more queue in it. */
export const setup = Effect.fnUntraced(function* (capacity = 10) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.join(yield* temporaryFolder, "letters")
  const open = FileDeadLetterQueue.make("dlq", { directory, capacity })
  return {
    fs,
    path,
    directory,
    open,
    queue: yield* open,
    script: yield* ScriptedFileSystem.ScriptedFileSystem,
    /** The names in the folder, in ascending order. */
    files: Effect.map(fs.readDirectory(directory), (names) => names.toSorted()),
    put: (name: string, bytes: Uint8Array) => fs.writeFile(path.join(directory, name), bytes),
    take: (name: string) => fs.remove(path.join(directory, name), { force: true })
  }
})
