/**
 * Gives a file a name, if the name is free, on any file system.
 *
 * With hard links that is one step: a link fails when the name is taken. Without them an exclusive empty file first
 * *reserves* the name, and the file is renamed over it. A crash between the two leaves the empty file. A file that stays
 * empty is such a leftover, and its name is reused. A file with content never loses its name.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Semaphore from "effect/Semaphore"
import * as Files from "./files.ts"
import { type StorageFolder, syncFolder } from "./storageFolder.ts"

/** The file that has the name now: this one, another one with the same bytes, or one with other bytes. */
export type Outcome = "created" | "identical" | "different"

/**
 * How often and how far apart a reservation of another process is checked. That process needs one system call to fill it.
 * A reservation that is still empty after all checks (5 seconds) is the leftover of a crash.
 */
const patience = { looks: 50, every: "100 millis" } as const

/** `true` when `step` succeeds, `false` when it finds the name taken. */
const unlessTaken = <A>(step: Effect.Effect<A, PlatformError>): Effect.Effect<boolean, PlatformError> =>
  Effect.as(step, true).pipe(Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed(false)))

/** Creates an empty file at `name`. `false` when the name is taken. */
const reserve = (fs: FileSystem.FileSystem, name: string): Effect.Effect<boolean, PlatformError> =>
  unlessTaken(Effect.scoped(fs.open(name, { flag: "wx" })))

const isEmpty = (fs: FileSystem.FileSystem, name: string) => Effect.map(fs.stat(name), ({ size }) => Number(size) === 0)

/** Renames `file` over the reservation at `name`. When that fails the name is free again. */
const fill = (fs: FileSystem.FileSystem, file: string, name: string) =>
  Effect.tapError(fs.rename(file, name), () =>
    isEmpty(fs, name).pipe(
      Effect.flatMap((empty) => (empty ? fs.remove(name) : Effect.void)),
      Effect.ignore({ log: "Debug" })
    )
  )

const compare = (fs: FileSystem.FileSystem, file: string, name: string) =>
  Effect.map(Files.sameBytes(fs, file, name), (same): Outcome => (same ? "identical" : "different"))

const byLink = (fs: FileSystem.FileSystem, file: string, name: string): Effect.Effect<Outcome, PlatformError> =>
  Effect.flatMap(unlessTaken(fs.link(file, name)), (linked) =>
    linked ? Effect.succeed<Outcome>("created") : compare(fs, file, name)
  )

/** One attempt to reserve and fill. `undefined` when another process has a reservation that it may still fill. */
const attempt = Effect.fnUntraced(function* (place: StorageFolder, file: string, name: string, leftover: boolean) {
  const { fs } = place
  const reserved = yield* reserve(fs, name)
  if (!(yield* isEmpty(fs, name))) {
    // The name is taken. If this process had reserved it and was halted, another process has reused the name: check again.
    return reserved ? undefined : yield* compare(fs, file, name)
  }
  if (!reserved) {
    if (yield* isEmpty(fs, file)) return "identical" as const
    if (!leftover) return undefined
    yield* Effect.logInfo("Takes over an empty file that an earlier crash left behind").pipe(
      Effect.annotateLogs({ storage: place.storage, file: name })
    )
  }
  yield* fill(fs, file, name)
  return "created" as const
})

const byReservation = Effect.fnUntraced(function* (place: StorageFolder, file: string, name: string) {
  for (let looks = 0; ; looks++) {
    const outcome = yield* attempt(place, file, name, looks >= patience.looks).pipe(
      // The process that had reserved the name has given it up.
      Effect.catchReason("PlatformError", "NotFound", (_, error) =>
        Effect.flatMap(place.fs.exists(file), (exists) => (exists ? Effect.undefined : Effect.fail(error)))
      ),
      Semaphore.withPermit(place.naming)
    )
    if (outcome !== undefined) return outcome
    yield* Effect.sleep(patience.every)
  }
})

/**
 * Gives `file` the name `name` if that is free. Otherwise reports which file has it. Durable once the folder is fsynced.
 * Without hard links it may take 5 seconds when a crash has left a reservation.
 */
export const publish = (place: StorageFolder, file: string, name: string): Effect.Effect<Outcome, PlatformError> =>
  place.medium.hardLinks ? byLink(place.fs, file, name) : byReservation(place, file, name)

/** Moves `file` to `name`. `false` when the name is taken. At every moment the file has a name. */
const move = Effect.fnUntraced(function* (place: StorageFolder, file: string, name: string) {
  const { fs, medium, path } = place
  const taken = !(yield* medium.hardLinks ? unlessTaken(fs.link(file, name)) : reserve(fs, name))
  if (taken) return false
  if (!medium.hardLinks) yield* fill(fs, file, name)
  yield* syncFolder(place, path.dirname(name))
  if (medium.hardLinks) yield* fs.remove(file)
  yield* syncFolder(place, path.dirname(file))
  return true
})

/** Moves `file` into the hidden folder `.set-aside` beside it, under a free name. Succeeds with its new place. */
export const setAside = Effect.fnUntraced(function* (place: StorageFolder, file: string) {
  const { fs, path } = place
  const folder = path.join(path.dirname(file), ".set-aside")
  yield* fs.makeDirectory(folder, { recursive: true })
  for (let number = 1; ; number++) {
    const name = path.join(folder, `${path.basename(file)}.${number}`)
    if (yield* move(place, file, name)) return name
  }
})
