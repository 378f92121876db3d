/**
 * A disk with 100 MB/s: the real file system, but each write occupies the disk for the time of its bytes, one after the
 * other.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"

const bytesPerSecond = 100_000_000

/** The file system of the context, slow. */
export const layer = Layer.effect(
  FileSystem.FileSystem,
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    let freeAtMs = 0
    const occupy = (bytes: number) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        freeAtMs = Math.max(now, freeAtMs) + (bytes / bytesPerSecond) * 1000
        return Effect.sleep(Duration.millis(freeAtMs - now))
      })
    const slow = (file: FileSystem.File): FileSystem.File => {
      const writeAll: FileSystem.File["writeAll"] = (bytes) =>
        Effect.andThen(file.writeAll(bytes), occupy(bytes.length))
      return Object.create(file, { writeAll: { value: writeAll } }) as FileSystem.File
    }
    return FileSystem.FileSystem.of({ ...fs, open: (path, options) => Effect.map(fs.open(path, options), slow) })
  })
)
