/** A folder that stays when the process ends. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { Lasting } from "../../config/Configured.ts"

const isFolder = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(folder).pipe(
    Effect.map(({ type }) => type === "Directory"),
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(false))
  )
})

/** The lasting location `folder`, a path from the working directory. `read` gets its absolute path. */
export const lasting = <Service>(
  folder: string,
  read: (folder: string) => Lasting<Service>["read"]
): Lasting<Service> => {
  const location = Effect.map(Path.Path, (path) => path.resolve(folder))
  return { location, exists: Effect.flatMap(location, isFolder), read: Effect.flatMap(location, read) }
}
