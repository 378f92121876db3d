/**
 * One pipeline from start to summary, as `run` and `ingest` have it.
 *
 * It ends when the work is done, at a signal, or when no service is left. Then the producers stop, the queues end, the
 * services settle what is in them, and the account is printed. There is no time limit, except after a signal: then the
 * configuration's `shutdownTimeout` or a second signal ends the process, with the count of what was left.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { PipelineConfig } from "../config/PipelineConfig.ts"
import type { PlannedSpace } from "../pipeline/PlannedSpace.ts"
import * as ServiceManager from "../pipeline/ServiceManager.ts"
import * as StartupChecks from "../pipeline/StartupChecks.ts"
import * as RunFiles from "../runs/RunFiles.ts"
import * as Service from "../service/Service.ts"
import { Storage } from "../storage/Storage.ts"
import type { ExitStatus } from "./ExitStatus.ts"
import * as Progress from "./Progress.ts"
import type { Resumption } from "./Resumption.ts"
import * as Signals from "./Signals.ts"
import * as Summary from "./Summary.ts"

type Manager = ServiceManager.ServiceManager["Service"]

/** What a producer reports while it works. */
export interface Report {
  readonly runIds: Set<string>
  readonly problems: Array<string>
}

/** Offers ticks to the queues of the manager. Completes when there are no more. Adds its problems to the report. */
export type Producer = (manager: Manager, report: Report) => Effect.Effect<void>

/** Writes `text` to standard output. A reader that has gone is no failure. */
export const print = Effect.fnUntraced(function* (text: string) {
  const stdio = yield* Stdio.Stdio
  yield* Stream.make(`${text}\n`).pipe(Stream.run(stdio.stdout({ endOnDone: false })), Effect.ignore({ log: "Debug" }))
})

/** Completes when every persistence service has ended. */
const allEnded = (manager: Manager) => Effect.asVoid(Service.awaitAll(manager.persistence.values()))

const firstLine = (cause: Cause.Cause<unknown>) => Cause.pretty(cause).split("\n")[0]

const failedServices = Effect.fnUntraced(function* (manager: Manager, report: Report) {
  for (const { error, name, state } of yield* manager.serviceStatus) {
    if (state === "ERROR") report.problems.push(`service ${name} failed: ${error?.split("\n")[0]}`)
  }
})

/** `passed` completes at the second signal, or `shutdownTimeout` after the first. */
export const makeDeadline = (config: Pick<PipelineConfig, "shutdownTimeout">) =>
  Effect.gen(function* () {
    const first = yield* Latch.make(false)
    const second = yield* Latch.make(false)
    Signals.handOver((index) => (index === 0 ? first : second).openUnsafe())
    return { passed: Effect.andThen(first.await, Effect.raceFirst(Effect.sleep(config.shutdownTimeout), second.await)) }
  })

/** Whether batches of the run are stored. `true` when the storage can't say. */
const isStored = (manager: Manager, runId: string) =>
  Stream.fromIterable(manager.storages.values()).pipe(
    Stream.flatMap((storage) => storage.list(`${runId}/batch_`)),
    Stream.runHead,
    Effect.match({ onSuccess: Option.isSome, onFailure: () => true })
  )

/** Warns when another process has stored batches of a resumed run meanwhile: the same ticks were made twice then. */
const watchOthers = Effect.fnUntraced(
  function* (manager: Manager, { point, storage: name }: Resumption) {
    const storage = manager.storages.get(name)
    if (storage === undefined) return
    const { batches: own } = yield* manager.balance
    const { length: all } = yield* Effect.provideService(RunFiles.batches(point.resume.runId), Storage, storage)
    if (all - point.batches <= own) return
    yield* Effect.logWarning(
      "Another process has stored batches of this run at the same time: ticks may be there twice, verify the run"
    ).pipe(Effect.annotateLogs({ run: point.resume.runId, batches: all - point.batches - own }))
  },
  Effect.catch((error) => Effect.logDebug(error.message))
)

const resumedOf = ({ point }: Resumption): Summary.Resumed => ({
  after: point.resume.from?.tickNumber,
  stored: point.stored,
  inLetters: point.inLetters
})

const summarize = Effect.fnUntraced(function* (
  manager: Manager,
  report: Report,
  startedMs: number,
  ended: Pick<Summary.Summary, "endedBySignal" | "endedAtOnce" | "resumed">
) {
  const summary: Summary.Summary = {
    runIds: [...report.runIds],
    // Doesn't list the storage: it may hang.
    storedRunIds: ended.endedAtOnce
      ? [...report.runIds]
      : yield* Effect.filter([...report.runIds], (runId) => isStored(manager, runId)),
    locations: [...manager.storages.values()].map(({ location }) => location),
    deadLetterLocations: [...manager.deadLetterQueues.values()].map(({ location }) => location),
    balance: yield* manager.balance,
    seconds: ((yield* Clock.currentTimeMillis) - startedMs) / 1000,
    problems: report.problems,
    ...ended
  }
  return summary
})

const waitingIn = (manager: Manager) =>
  Effect.map(
    Effect.forEach([...manager.queues.values()], (queue) => queue.account),
    (accounts) => accounts.reduce((total, { waiting }) => total + waiting, 0)
  )

const work = (manager: Manager, producer: Producer, report: Report) =>
  Effect.andThen(manager.startAll, Effect.raceFirst(producer(manager, report), allEnded(manager)))

/**
 * Ends the process at once. `process.exit` would wait for a thread that hangs in the file system, maybe forever. So the
 * process replaces its program with one that exits.
 */
export const exitNow = (code: number) =>
  Effect.sync(() => {
    if (process.platform !== "win32") {
      process.execve?.(process.execPath, [process.execPath, "--eval", `process.exit(${code})`], {})
    }
    process.exit(code)
  })

const resumptionsOf = ({ engine, point, settings }: Resumption) => ({
  resume: new Map([[engine.name, { resume: point.resume, settings }]])
})

/** What a session needs beside the configuration. */
export interface Options {
  readonly json: boolean
  readonly status: ExitStatus
  /** The space that the stored ticks will take. */
  readonly planned: PlannedSpace
  /** The run to resume. Absent: the engines begin new runs. */
  readonly resumption?: Resumption | undefined
}

/**
 * Runs the pipeline of `config` on what `producer` makes. Fails when the checks at start find a problem, or when the
 * pipeline can't be built.
 */
export const run = (config: PipelineConfig, producer: Producer, options: Options) =>
  Effect.gen(function* () {
    const { planned, resumption } = options
    yield* StartupChecks.atStart(config, planned)
    const manager = yield* ServiceManager.make(config, resumption === undefined ? {} : resumptionsOf(resumption))
    const report: Report = { runIds: new Set(), problems: [] }
    const startedMs = yield* Clock.currentTimeMillis
    const progress = yield* Effect.forkScoped(Progress.show(manager.balance, waitingIn(manager)))
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const deadline = yield* makeDeadline(config)
        const working = yield* Effect.forkScoped(work(manager, producer, report))
        const exit = yield* Effect.exit(restore(Fiber.join(working)))
        const endedBySignal = Exit.hasInterrupts(exit)
        if (endedBySignal) yield* Effect.logInfo("Signal received, ending in good order")
        const shutdown = yield* Effect.forkScoped(manager.shutdown)
        const inTime = yield* Effect.raceFirst(
          Effect.as(Fiber.await(shutdown), true),
          Effect.as(deadline.passed, false)
        )
        yield* Fiber.interrupt(progress)
        yield* failedServices(manager, report)
        if (Exit.isFailure(exit) && !endedBySignal)
          report.problems.push(`bringing in ticks failed: ${firstLine(exit.cause)}`)
        if (resumption !== undefined && inTime) yield* watchOthers(manager, resumption)
        const resumed = resumption === undefined ? undefined : resumedOf(resumption)
        const summary = yield* summarize(manager, report, startedMs, { endedBySignal, endedAtOnce: !inTime, resumed })
        const code = Summary.exitCode(summary)
        options.status.code = code
        yield* print(options.json ? Summary.json(summary) : Summary.text(summary))
        // Work that hangs may never end: only the end of the process stops it.
        if (!inTime) return yield* exitNow(code)
        return yield* exit
      })
    )
  }).pipe(Effect.scoped)
