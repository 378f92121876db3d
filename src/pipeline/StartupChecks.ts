/**
 * Checks whether a pipeline can work here: for `tickvault doctor`, and at every start.
 *
 * Checks the resources of a configuration, such as folders, and the clock, each by trying. Nothing of it disturbs a
 * pipeline that is at work in the same places, and no folder is made.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import type { PipelineConfig } from "tickvault/config/PipelineConfig"
 * import * as StartupChecks from "tickvault/pipeline/StartupChecks"
 *
 * export const warnings = (config: PipelineConfig) =>
 *   Effect.map(StartupChecks.check(config, new Map(), "thorough"), (checks) =>
 *     checks.filter(({ verdict }) => verdict !== "ok").map(({ message }) => message)
 *   )
 * ```
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { PipelineConfig } from "../config/Configured.ts"
import type * as FolderChecks from "../storage/FolderChecks.ts"
import type { PlannedSpace } from "./PlannedSpace.ts"

/** The pipeline can't work now. Nothing was started. */
export class StartRefused extends Schema.TaggedError<StartRefused>()("StartRefused", {
  /** Each problem and what to do about it. At least one. */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    const further = this.problems.length - 1
    return `${this.problems[0]}${further > 0 ? ` (and ${further} more: see \`tickvault doctor\`)` : ""}`
  }
}

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
  const remedy = "set the clock (date, NTP): names and records contain its time"
  if (nowMs < firstSaneMs) return of("problem", `it says that it is before 2025; ${remedy}`)
  const behindMs = newestMs - nowMs
  if (behindMs <= toleratedMs) return of("ok", "not before 2025, and not before the last stored file")
  const behind = Duration.format(Duration.seconds(Math.round(behindMs / 1000)))
  return of("warning", `it is ${behind} behind the last stored file; ${remedy}`)
}

/**
 * Checks every resource of `config` that has checks, then the clock. A "quick" check takes milliseconds. A "thorough" check
 * also looks for leftovers of crashes, and removes old temporary files. Sets the gauge of free bytes. Never fails.
 */
export const check = (
  config: PipelineConfig,
  planned: PlannedSpace,
  depth: FolderChecks.Depth
): Effect.Effect<ReadonlyArray<FolderChecks.Check>, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const checks: Array<FolderChecks.Check> = []
    let newestMs = 0
    for (const resource of Object.values(config.resources)) {
      if (!("check" in resource) || resource.check === undefined) continue
      const checked = yield* resource.check(depth, planned.get(resource.name))
      checks.push(...checked.checks)
      newestMs = Math.max(newestMs, checked.newestMs)
    }
    return [...checks, clock(yield* Clock.currentTimeMillis, newestMs)]
  })

/** The subjects that the storages log themselves when they open. */
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
