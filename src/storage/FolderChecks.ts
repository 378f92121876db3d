/**
 * Checks by trying whether a folder can be used, without disturbing a process that works there.
 *
 * A check leaves nothing and creates no folder. Only a thorough check removes leftovers: temporary files so old that a
 * start would remove them.
 *
 * ```ts
 * import { FolderChecks } from "tickvault"
 * import * as Duration from "effect/Duration"
 * import * as Effect from "effect/Effect"
 *
 * const folder: FolderChecks.Folder = {
 *   resource: "runs",
 *   path: "/srv/runs",
 *   durability: "full",
 *   temporaryFileMaxAge: Duration.hours(1),
 *   planned: undefined
 * }
 *
 * export const problems = Effect.map(FolderChecks.check(folder, "quick"), ({ checks }) =>
 *   checks.filter(({ verdict }) => verdict === "problem").map(({ message }) => message)
 * )
 * ```
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import * as ValueText from "../domain/ValueText.ts"
import * as FreeSpace from "./FreeSpace.ts"
import * as Leftovers from "./Leftovers.ts"
import * as Medium from "./Medium.ts"
import type { StorageError } from "./StorageError.ts"
import * as StorageMetrics from "./StorageMetrics.ts"

/** The estimate of what will be stored in a folder. */
export interface Planned {
  /** `undefined`: unknown. */
  readonly bytes: number | undefined
  /** The basis of the estimate, as text. */
  readonly basis: string
}

/** "warning": less is guaranteed, or something may go wrong. "problem": the pipeline can't work. */
export type Verdict = "ok" | "warning" | "problem"

/** What was checked. */
export type Subject =
  | "folder"
  | "files"
  | "hard links"
  | "fsync"
  | "durability"
  | "free space"
  | "leftovers"
  | "set aside"
  | "clock"

/** The result of one check. */
export interface Check {
  /** Name of the storage or dead-letter queue. "system" for the whole machine. */
  readonly resource: string
  readonly subject: Subject
  readonly verdict: Verdict
  /** The finding and, unless it is good, what to do. */
  readonly message: string
  /** The finding for programs. */
  readonly facts: Readonly<Record<string, string | number | boolean>>
}

/** The folder of a resource. */
export interface Folder {
  readonly resource: string
  readonly path: string
  readonly durability: Medium.Durability
  /** Age at which a temporary file is a leftover. */
  readonly temporaryFileMaxAge: Duration.Duration
  readonly planned: Planned | undefined
}

/** "quick" takes milliseconds. "thorough" also checks leftovers, which looks at every file. */
export type Depth = "quick" | "thorough"

/** The checks of a resource. */
export interface Checked {
  readonly checks: ReadonlyArray<Check>
  /** The time of the last stored file, in milliseconds since 1970. 0 when nothing is stored. */
  readonly newestMs: number
}

type Finding = Omit<Check, "resource">

const ok = (subject: Subject, message: string, facts: Check["facts"] = {}): Finding => ({
  subject,
  verdict: "ok",
  message,
  facts
})

const warning = (subject: Subject, message: string, facts: Check["facts"] = {}): Finding => ({
  ...ok(subject, message, facts),
  verdict: "warning"
})

/** A retryable failure is a warning, because a running pipeline waits until it passes. Any other failure is a problem. */
const failed = (subject: Subject, error: StorageError): Finding => ({
  ...ok(subject, error.message, { reason: error.reason._tag }),
  verdict: error.isRetryable ? "warning" : "problem"
})

const durabilityOf = ({ durability }: Folder): Finding => {
  const facts = { durability }
  const remedy = 'set the option durability to "full" where that matters'
  switch (durability) {
    case "full":
      return ok("durability", "full: files and their names are durable before a commit succeeds", facts)
    case "file":
      return warning("durability", `file: a power cut may take the names of what was stored last; ${remedy}`, facts)
    case "none":
      return warning("durability", `none: a power cut may take or cut what was stored last; ${remedy}`, facts)
  }
}

const abilitiesOf = (abilities: Medium.Abilities, { durability }: Folder): ReadonlyArray<Finding> => {
  const [links, sync] = [{ hardLinks: abilities.hardLinks }, { folderSync: abilities.folderSync }]
  const remedy = "choose another file system where that matters"
  return [
    abilities.hardLinks
      ? ok("hard links", "there: a commit takes its name in one step", links)
      : warning("hard links", `${Medium.withoutLinks}; ${remedy}`, links),
    abilities.folderSync || durability !== "full"
      ? ok("fsync", abilities.folderSync ? "of files and folders" : "of files", sync)
      : warning("fsync", `${Medium.withoutFolderSync}; ${remedy}`, sync)
  ]
}

/** Checks the files and abilities of an existing folder. */
const medium = (fs: FileSystem.FileSystem, path: Path.Path, folder: Folder) =>
  Effect.andThen(Medium.tryFile(fs, path, folder.path), Medium.probe(fs, path, folder.path)).pipe(
    Effect.map((abilities) => [ok("files", "written, fsynced and read back"), ...abilitiesOf(abilities, folder)]),
    Effect.catch((error) => Effect.succeed([failed("files", error)]))
  )

const space = Effect.fnUntraced(function* ({ planned, resource }: Folder, place: string) {
  const free = yield* FreeSpace.of(place)
  if (free === undefined) return ok("free space", "the system does not report it")
  yield* StorageMetrics.free(resource, free)
  const facts = { freeBytes: free, ...(planned?.bytes === undefined ? {} : { plannedBytes: planned.bytes }) }
  const there = `${ValueText.bytes(free)} free`
  if (planned === undefined) return ok("free space", there, facts)
  if (planned.bytes === undefined) return ok("free space", `${there}, planned: unknown (${planned.basis})`, facts)
  const both = `${there}, planned: about ${ValueText.bytes(planned.bytes)} (${planned.basis})`
  return free >= planned.bytes
    ? ok("free space", both, facts)
    : warning("free space", `${both}; make room or choose another folder, otherwise the pipeline waits for room`, facts)
})

const leftovers = Effect.fnUntraced(function* (folder: Folder) {
  const now = yield* Clock.currentTimeMillis
  const beforeMs = now - Duration.toMillis(folder.temporaryFileMaxAge)
  const removed = yield* Leftovers.sweep(folder.path, beforeMs)
  const { young } = yield* Leftovers.temporaryFiles(folder.path, beforeMs)
  const empty = yield* Stream.runCollect(Leftovers.emptyObjects(folder.path, now - 60_000))
  const aside = yield* Leftovers.setAsideFiles(folder.path)
  const facts = { removed, young: young.length, empty: empty.length }
  const message = removed + young.length === 0 ? "none" : `${removed} old removed, ${young.length} young left alone`
  return [
    empty.length === 0
      ? ok("leftovers", `temporary files: ${message}`, facts)
      : warning(
          "leftovers",
          `temporary files: ${message}; empty files that a crash left behind: ${empty.length}, the first one ${empty[0]}; ` +
            "store their ticks again, which replaces these files, or remove them",
          facts
        ),
    aside === 0
      ? ok("set aside", "nothing", { files: 0 })
      : warning("set aside", `files in .set-aside: ${aside}; they were damaged, look at them, then remove them`, {
          files: aside
        })
  ]
})

/** The time of the last file in the folder or one below it, in milliseconds since 1970. */
const newest = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, path: Path.Path, root: string) {
  const below = yield* Effect.orElseSucceed(fs.readDirectoryEntries(root), () => [])
  const folders = below.filter(({ type }) => type === "Directory").map(({ name }) => path.join(root, name))
  const times = yield* Effect.forEach([root, ...folders], (folder) => Effect.option(fs.stat(folder)))
  return times
    .map((info) => Option.flatMap(info, ({ mtime }) => mtime))
    .reduce((latest, at) => Math.max(latest, Option.isSome(at) ? at.value.getTime() : 0), 0)
})

/** Checks one folder. Never fails. */
export const check = Effect.fnUntraced(function* (
  folder: Folder,
  depth: Depth
): Effect.fn.Return<Checked, never, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const located = yield* Effect.result(Medium.locate(fs, path, folder.path))
  const of = (findings: ReadonlyArray<Finding>): ReadonlyArray<Check> =>
    findings.map((finding) => ({ resource: folder.resource, ...finding }))
  if (located._tag === "Failure") return { checks: of([failed("folder", located.failure)]), newestMs: 0 }
  const place = located.success
  const common = [durabilityOf(folder), yield* space(folder, place)]
  const facts = { folder: folder.path, exists: place === folder.path }
  if (place !== folder.path) {
    return { checks: of([ok("folder", `${folder.path} will be made`, facts), ...common]), newestMs: 0 }
  }
  // Reads the time before any trial, because trials change it.
  const newestMs = yield* newest(fs, path, place)
  const tried = yield* medium(fs, path, folder)
  const left =
    depth === "quick"
      ? []
      : yield* Effect.catch(leftovers(folder), (error) =>
          Effect.succeed([warning("leftovers", `could not be looked for: ${error.message}`)])
        )
  return { checks: of([ok("folder", folder.path, facts), ...tried, ...common, ...left]), newestMs }
})
