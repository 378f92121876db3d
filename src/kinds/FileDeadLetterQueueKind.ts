/** The kind of the dead-letter queue that keeps letters as files in one folder. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { ConfiguredDeadLetterQueue } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../deadletter/FileDeadLetterQueue.ts"
import * as FileStorage from "../storage/FileStorage.ts"
import * as FolderChecks from "../storage/FolderChecks.ts"
import * as Folder from "./internal/folder.ts"

type Options = typeof FileDeadLetterQueue.Options.Type

/** The file storage of the letters uses its default for this. */
const { temporaryFileMaxAge } = Schema.decodeSync(FileStorage.Options)({})

const check =
  (name: string, { directory, durability }: Options) =>
  (depth: FolderChecks.Depth) =>
    Effect.flatMap(Path.Path, (path) =>
      FolderChecks.check(
        { resource: name, path: path.resolve(directory), durability, temporaryFileMaxAge, planned: undefined },
        depth
      )
    )

export const kind = Kind.resource({
  name: "FileDeadLetterQueue",
  role: "dead-letter queue",
  lasts: true,
  options: Kind.options(FileDeadLetterQueue.Options),
  folder: {
    option: "directory",
    fallback: Schema.decodeSync(FileDeadLetterQueue.Options)({}).directory,
    subfolder: ".dead-letters"
  },
  configure: (self): ConfiguredDeadLetterQueue<Options> => {
    const { name, options } = self
    return {
      ...self,
      role: "dead-letter queue",
      layer: Layer.effect(DeadLetterQueue, FileDeadLetterQueue.makeWith(name, options)),
      lasting: Folder.lasting(options.directory, (directory) =>
        FileDeadLetterQueue.makeStoredWith(name, { ...options, directory })
      ),
      check: check(name, options)
    }
  }
})
