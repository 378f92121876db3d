/**
 * `tickvault verify`: checks whether runs are whole.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { DeadLetterQueues } from "../deadletter/DeadLetterQueues.ts"
import type * as RunId from "../domain/RunId.ts"
import * as Rebuild from "../verify/Rebuild.ts"
import type { Verdict } from "../verify/Verdict.ts"
import * as Verify from "../verify/Verify.ts"
import { Storage } from "../storage/Storage.ts"
import type { ExitStatus } from "./ExitStatus.ts"
import * as Format from "./Format.ts"
import * as Logging from "./Logging.ts"
import * as options from "./options.ts"
import * as Progress from "./Progress.ts"
import * as Session from "./Session.ts"
import * as StoredRuns from "./StoredRuns.ts"
import * as VerifyReport from "./VerifyReport.ts"

/** Runs of one storage to verify. */
interface Target {
  readonly storage: Storage["Service"]
  readonly runIds: ReadonlyArray<RunId.RunId>
}

/**
 * The named runs, or all runs with stored files or ticks in a letter. Fails when a named run doesn't exist, or when there
 * is no run at all.
 */
const targets = Effect.fnUntraced(function* (
  storages: ReadonlyArray<Storage["Service"]>,
  names: ReadonlyArray<string>
) {
  if (names.length > 0) {
    return yield* Effect.forEach(new Set(names), (name) =>
      Effect.map(StoredRuns.find(storages, name), ({ runId, storage }): Target => ({ storage, runIds: [runId] }))
    )
  }
  const found = yield* Effect.forEach(storages, (storage) =>
    Effect.map(StoredRuns.runIds(storage), (runIds): Target => ({ storage, runIds }))
  )
  const stored = new Set(found.flatMap(({ runIds }) => runIds))
  const waiting = (yield* Verify.waitingRuns).filter((runId) => !stored.has(runId))
  const all = found.map((target, index) =>
    index === 0 ? { ...target, runIds: [...target.runIds, ...waiting] } : target
  )
  if (all.some(({ runIds }) => runIds.length > 0)) return all
  const places = storages.map(({ location }) => location).join(", ")
  return yield* new options.CannotStart({ problem: `there are no runs in ${places}: nothing to verify` })
})

/** The progress over all runs. */
class Position {
  private current: Verify.Progress | undefined
  private before = { runs: 0, bytes: 0 }

  readonly at = (progress: Verify.Progress): void => {
    if (this.current !== undefined && this.current.run !== progress.run) {
      this.before = { runs: this.before.runs + 1, bytes: this.before.bytes + this.current.bytes }
    }
    this.current = progress
  }

  shown(rate: Progress.Rate, runs: number, nowMs: number): Progress.Shown {
    const { bytes = 0, files = 0, of = 0, run = "" } = this.current ?? {}
    const total = this.before.bytes + bytes
    const bytesPerSecond = rate.perSecond(total, nowMs)
    return {
      parts: [
        `run ${this.before.runs + 1} of ${runs}`,
        `${Format.count(files)} of ${Format.plural(of, "file")}`,
        `${Format.bytes(total)} read`,
        `${Format.bytes(bytesPerSecond)}/s`
      ],
      facts: { run, files, of, bytes: total, bytesPerSecond }
    }
  }
}

const showProgress = Effect.fnUntraced(function* (position: Position, runs: number) {
  const rate = new Progress.Rate(yield* Clock.currentTimeMillis)
  return yield* Progress.repeat((nowMs) => Effect.sync(() => position.shown(rate, runs, nowMs)))
})

const rebuild = Effect.fnUntraced(function* (all: ReadonlyArray<Target>) {
  let [files, others] = [0, 0]
  for (const { runIds, storage } of all) {
    for (const runId of runIds) {
      const made = yield* Effect.provideService(Rebuild.rebuild(runId), Storage, storage)
      files += made.files
      others += made.letters
      for (const place of made.setAside) {
        yield* Effect.logWarning("A damaged log of a ledger was set aside").pipe(Effect.annotateLogs({ place }))
      }
      for (const key of made.damaged) {
        yield* Effect.logWarning("A damaged file gets no ledger entry").pipe(Effect.annotateLogs({ key }))
      }
    }
  }
  return `Ledger entries written: ${Format.plural(files, "file")}, ${Format.plural(others, "dead letter")}.`
})

/** Verifies one run after the other. Calls `print` with each verdict as soon as it is known. */
const verifyAll = Effect.fnUntraced(function* <R>(
  all: ReadonlyArray<Target>,
  print: (verdict: Verdict) => Effect.Effect<void, never, R>
) {
  const position = new Position()
  const runs = all.reduce((sum, { runIds }) => sum + runIds.length, 0)
  const progress = yield* Effect.forkScoped(showProgress(position, runs))
  const verdicts: Array<Verdict> = []
  for (const { runIds, storage } of all) {
    const each = Verify.verifyEach(Stream.fromIterable(runIds), { onProgress: position.at })
    yield* Stream.runForEach(Stream.provideService(each, Storage, storage), (verdict) => {
      verdicts.push(verdict)
      return Effect.andThen(Progress.clear, print(verdict))
    })
  }
  yield* Fiber.interrupt(progress)
  return verdicts
})

/** Verifies the runs that the flags name and prints what it found. Rebuilds their ledgers first when asked to. */
const verify = Effect.fnUntraced(function* (
  storages: ReadonlyArray<Storage["Service"]>,
  flags: { readonly runs: ReadonlyArray<string>; readonly json: boolean; readonly rebuild: boolean }
) {
  const all = yield* targets(storages, flags.runs)
  const say = (words: string) => (flags.json ? Effect.void : Session.print(words))
  if (flags.rebuild) yield* say(yield* rebuild(all))
  const startedMs = yield* Clock.currentTimeMillis
  const verdicts = yield* verifyAll(all, (verdict) => say(VerifyReport.text(verdict)))
  const seconds = ((yield* Clock.currentTimeMillis) - startedMs) / 1000
  yield* Session.print(flags.json ? VerifyReport.json(verdicts, seconds) : VerifyReport.summary(verdicts, seconds))
  return verdicts
})

export const make = (status: ExitStatus) =>
  Command.make(
    "verify",
    {
      ...StoredRuns.flags,
      json: Flag.Boolean("json").pipe(
        Flag.withDescription("print the verdicts as one line of JSON instead of text"),
        Flag.withDefault(false)
      ),
      rebuild: Flag.Boolean("rebuild").pipe(
        Flag.withDescription(
          "first write the missing ledger entries from the files as they are, never for damaged files"
        ),
        Flag.withDefault(false)
      ),
      logFormat: Logging.formatFlag,
      runs: Argument.String("run").pipe(Argument.withDescription("runs to verify; default all"), Argument.variadic())
    },
    (flags) =>
      Effect.gen(function* () {
        const config = yield* StoredRuns.resolve(flags)
        const letters = yield* StoredRuns.deadLetterQueues(config)
        const storages = yield* flags.rebuild ? StoredRuns.writableStorages(config) : StoredRuns.storages(config)
        const verdicts = yield* verify(storages, flags).pipe(Effect.provideService(DeadLetterQueues, letters))
        status.code = VerifyReport.exitCode(verdicts)
      }).pipe(Effect.scoped, Effect.provide(Logging.layer(flags.logFormat)))
  ).pipe(
    Command.withDescription(
      "Check that runs are whole. Reads every file once, compares it with the ledger, and looks for ticks that are " +
        "missing, stored twice, damaged or in dead letters. Exit codes: 0 whole, 1 could not check, 2 only ticks in dead " +
        "letters are missing, 3 not whole."
    )
  )
