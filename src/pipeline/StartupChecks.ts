/**
 * Can this pipeline work here? What `tickvault doctor` tells and every start looks at.
 *
 * Looks at the folders that a configuration names and at the clock, each by trying. Nothing of it disturbs a pipeline that
 * is at work in the same folders, and no folder is made.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as FileStorage from "../storage/FileStorage.ts"
import * as FolderChecks from "./FolderChecks.ts"
import type { PipelineConfig } from "../config/PipelineConfig.ts"
import type { PlannedSpace } from "./PlannedSpace.ts"

/** The pipeline can't work as things are. Nothing has been started. */
export class StartRefused extends Schema.TaggedError<StartRefused>()("StartRefused", {
  /** What is wrong, each with what to do; at least one. */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    const further = this.problems.length - 1
    return `${this.problems[0]}${further > 0 ? ` (and ${further} more: see \`tickvault doctor\`)` : ""}`
  }
}

const defaults = Schema.decodeSync(FileStorage.Options)({})

/** The folders of the configuration, in its order. Those of dead letters are kept like those of ticks. */
const folders = ({ resources }: PipelineConfig, planned: PlannedSpace, path: Path.Path) =>
  Object.values(resources).flatMap((resource): ReadonlyArray<FolderChecks.Folder> => {
    if (resource._tag === "FileStorage") {
      const { durability, rootDirectory, temporaryFileMaxAge } = resource.options
      return [
        {
          resource: resource.name,
          path: path.resolve(rootDirectory),
          durability,
          temporaryFileMaxAge,
          planned: planned.get(resource.name)
        }
      ]
    }
    if (resource._tag !== "FileDeadLetterQueue") return []
    const { directory, durability } = resource.options
    const { temporaryFileMaxAge } = defaults
    return [
      { resource: resource.name, path: path.resolve(directory), durability, temporaryFileMaxAge, planned: undefined }
    ]
  })

const firstSaneMs = 1_735_689_600_000 // 2025-01-01
const toleratedMs = 60_000

const clock = (nowMs: number, newestMs: number): FolderChecks.Check => {
  const facts = { nowMs, newestMs }
  const of = (verdict: FolderChecks.Verdict, message: string): FolderChecks.Check => ({
    resource: "system",
    subject: "clock",
    verdict,
    message,
    facts
  })
  const remedy = "set the clock (date, NTP): times in names and records come from it"
  if (nowMs < firstSaneMs) return of("problem", `it says that it is before 2025; ${remedy}`)
  const behindMs = newestMs - nowMs
  if (behindMs <= toleratedMs) return of("ok", "neither before 2025 nor before what was stored last")
  const behind = Duration.format(Duration.seconds(Math.round(behindMs / 1000)))
  return of("warning", `it is ${behind} behind what was stored last; ${remedy}`)
}

/**
 * Checks every folder of `config`, then the clock. A "quick" check takes milliseconds; a "thorough" one also looks for what
 * crashes left behind, and removes temporary files that are old enough. Sets the gauge of free bytes. Never fails.
 */
export const check = (
  config: PipelineConfig,
  planned: PlannedSpace,
  depth: FolderChecks.Depth
): Effect.Effect<ReadonlyArray<FolderChecks.Check>, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const checks: Array<FolderChecks.Check> = []
    let newestMs = 0
    for (const folder of folders(config, planned, path)) {
      const checked = yield* FolderChecks.check(folder, depth)
      checks.push(...checked.checks)
      newestMs = Math.max(newestMs, checked.newestMs)
    }
    return [...checks, clock(yield* Clock.currentTimeMillis, newestMs)]
  })

/** What the storages say themselves when they open. */
const saidByStorages: ReadonlySet<FolderChecks.Subject> = new Set(["hard links", "fsync"])

/** Checks quickly and logs each warning. Fails with `StartRefused` when there is a problem. */
export const atStart = (
  config: PipelineConfig,
  planned: PlannedSpace
): Effect.Effect<void, StartRefused, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const checks = yield* check(config, planned, "quick")
    const problems = checks.filter(({ verdict }) => verdict === "problem").map(({ message }) => message)
    if (problems.length > 0) return yield* new StartRefused({ problems })
    for (const { message, resource, subject, verdict } of checks) {
      if (verdict === "ok" || saidByStorages.has(subject)) continue
      yield* Effect.logWarning("A check at start has a warning").pipe(
        Effect.annotateLogs({ resource, check: subject, finding: message })
      )
    }
  })
