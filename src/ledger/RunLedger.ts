/**
 * Keeps the ledgers of runs: notes what becomes of their ticks, beside their batches.
 *
 * Each process adds to logs of its own, so that competing processes need no lock that a crash could leave behind. Noting
 * never holds up what is noted: a fiber of the layer writes, all that waits in one piece, and goes on trying when the
 * storage fails. An entry that a crash takes away is made again from the object that it spoke of: the first note of a run
 * starts that in the background for the whole run.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type * as RunId from "../domain/RunId.ts"
import { Storage } from "../storage/Storage.ts"
import { IoFailure, StorageError } from "../storage/StorageError.ts"
import * as Logs from "./internal/Logs.ts"
import * as Recover from "./internal/recover.ts"
import type { Entry } from "./LedgerEntry.ts"
import * as LedgerLine from "./LedgerLine.ts"

export class RunLedger extends Context.Service<
  RunLedger,
  {
    /**
     * Notes `entry` in the ledger of the run, with the running checksums of the ticks of a stored batch. Doesn't wait
     * until it is written, and doesn't fail: what can't be written is tried again.
     */
    readonly record: (runId: RunId.RunId, entry: Entry, checks?: ReadonlyArray<number>) => Effect.Effect<void>

    /**
     * This process stores ticks of the run, or has found some stored: compares in the background, once, what is stored
     * with what the ledger knows, and makes the entries that a crash has left out. Noting does it too.
     */
    readonly attend: (runId: RunId.RunId) => Effect.Effect<void>

    /** Waits until all that was noted before survives a crash of the system. Fails when the next attempt to write does. */
    readonly flush: Effect.Effect<void, StorageError>
  }
>()("tickvault/ledger/RunLedger") {}

/** Most entries that wait to be written. Beyond it those of stored batches are left out: the objects speak for themselves. */
const maxPending = 10_000

const shortestPause = Duration.seconds(1)
const longestPause = Duration.seconds(30)

/** Longest that the closing of the scope waits for the storage: half for comparisons, half for what is to be written. */
const closingTimeout = Duration.seconds(5)

const half = Duration.times(closingTimeout, 0.5)

/** What waits to be written. */
class Pending {
  private readonly lines = new Map<RunId.RunId, Array<Uint8Array>>()
  count = 0
  left = 0

  add(runId: RunId.RunId, entry: Entry, checks: ReadonlyArray<number> | undefined): void {
    if (this.count >= maxPending && entry._tag === "Commit") {
      this.left++
      return
    }
    const lines = this.lines.get(runId) ?? []
    lines.push(LedgerLine.encode(entry, checks))
    this.lines.set(runId, lines)
    this.count++
  }

  /** The lines of the next run, which stay until they are `done`. */
  next(): readonly [runId: RunId.RunId, lines: ReadonlyArray<Uint8Array>] | undefined {
    const [first] = this.lines
    return first === undefined ? undefined : [first[0], first[1].slice()]
  }

  done(runId: RunId.RunId, written: number): void {
    const rest = (this.lines.get(runId) ?? []).slice(written)
    this.count -= written
    this.lines.delete(runId)
    if (rest.length > 0) this.lines.set(runId, rest)
  }
}

/** Pauses of 1, 2, 4, 8 and 16 seconds, and none any more once `closing` is open. */
const recoveryRetries = (closing: Latch.Latch) =>
  Schedule.upTo(Schedule.exponential(shortestPause), { times: 5 }).pipe(
    Schedule.while(({ duration }) => Effect.map(Effect.timeoutOption(closing.await, duration), Option.isNone)),
    Schedule.modifyDelay(() => Effect.succeed(Duration.zero))
  )

/** A fault in an implementation of the storage, as the failure that the writer gets over. */
const unexpected = (cause: unknown) =>
  new StorageError({ operation: "append", key: "ledger", reason: new IoFailure({ code: "UNEXPECTED" }), cause })

/** Writes what waits, turn by turn. `turn` is repeated by the fiber that owns all of it. */
const makeWriter = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  pending: Pending,
  background: Scope.Scope
) {
  const logs = Logs.make(storage, yield* Logs.writerName, background)
  const work = Latch.makeUnsafe(false)
  const asked = Latch.makeUnsafe(false)
  let requests: Array<Deferred.Deferred<void, StorageError>> = []
  let pause = shortestPause

  const writeAll = Effect.gen(function* () {
    for (let next = pending.next(); next !== undefined; next = pending.next()) {
      const [runId, lines] = next
      yield* logs.append(runId, lines)
      pending.done(runId, lines.length)
    }
  })

  const failed = Effect.fnUntraced(function* (error: StorageError) {
    if (Duration.equals(pause, shortestPause)) {
      yield* Effect.logWarning("Ledger could not be written, trying again").pipe(
        Effect.annotateLogs({ entries: pending.count, error: error.message })
      )
    }
    work.openUnsafe()
    yield* Effect.timeoutOption(asked.await, pause)
    pause = Duration.min(Duration.times(pause, 2), longestPause)
  })

  const turn = Effect.gen(function* () {
    yield* work.await
    work.closeUnsafe()
    asked.closeUnsafe()
    const waiting = requests
    requests = []
    const exit = yield* writeAll.pipe(
      Effect.andThen(Effect.suspend(() => (waiting.length > 0 ? logs.sync : Effect.void))),
      Effect.catchDefect((defect) => Effect.fail(unexpected(defect))),
      Effect.tap(() => Effect.sync(() => void (pause = shortestPause))),
      Effect.exit
    )
    for (const request of waiting) Deferred.doneUnsafe(request, exit)
    yield* Effect.catch(exit, failed)
  })

  const flush = Effect.suspend(() => {
    const request = Deferred.makeUnsafe<void, StorageError>()
    requests.push(request)
    work.openUnsafe()
    asked.openUnsafe()
    return Deferred.await(request)
  })

  return { turn, flush, wake: () => work.openUnsafe(), close: logs.close }
})

/**
 * Makes the ledgers of the storage of the context. Closing the scope waits five seconds at most for comparisons under way
 * and for what is to be written; how many entries are left then is logged at WARN, and they can be made again from the
 * objects.
 */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const pending = new Pending()
  // A call that hangs in the storage can't be interrupted: nobody waits for the end of this scope.
  const background = yield* Scope.make()
  const writer = yield* makeWriter(storage, pending, background)
  const annotate = Effect.annotateLogs({ module: "tickvault/ledger/RunLedger", storage: storage.name })
  const begun = new Set<RunId.RunId>()
  const recoveries = new Set<Fiber.Fiber<unknown>>()
  const closing = Latch.makeUnsafe(false)

  const record = (runId: RunId.RunId, entry: Entry, checks?: ReadonlyArray<number>): Effect.Effect<void> =>
    Effect.suspend(() => {
      pending.add(runId, entry, checks)
      writer.wake()
      return attend(runId)
    })

  const attend = (runId: RunId.RunId): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (begun.has(runId)) return Effect.void
      begun.add(runId)
      return Effect.map(Effect.forkIn(annotate(recover(runId)), background), (fiber) => {
        recoveries.add(fiber)
        fiber.addObserver(() => void recoveries.delete(fiber))
      })
    })

  const recover = Effect.fnUntraced(
    function* (runId: RunId.RunId) {
      const batches = yield* Recover.unknown(storage, runId, writer.flush)
      let entries = 0
      for (const batch of batches) {
        const made = yield* Recover.entryOf(storage, batch)
        if (made === undefined) {
          yield* Effect.logWarning("A stored batch that the ledger does not know is damaged: verify the run").pipe(
            Effect.annotateLogs({ key: batch.key })
          )
          continue
        }
        yield* record(runId, made.entry, made.checks)
        entries++
      }
      if (entries === 0) return
      yield* Effect.logInfo("Ledger entries made from stored batches").pipe(
        Effect.annotateLogs({ run: runId, entries })
      )
    },
    Effect.catchDefect((defect) => Effect.fail(unexpected(defect))),
    // A storage that fails is tried again a few times; the end of the scope doesn't wait for that.
    Effect.retry(recoveryRetries(closing)),
    Effect.catch((error) =>
      Effect.logWarning("Ledger could not be compared with what is stored").pipe(
        Effect.annotateLogs({ error: error.message })
      )
    )
  )

  const writing = yield* Effect.forkIn(annotate(Effect.forever(writer.turn)), background)

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      closing.openUnsafe()
      const recovered = Effect.forEach([...recoveries], Fiber.await, { discard: true })
      yield* Effect.timeoutOption(recovered, half)
      for (const fiber of recoveries) fiber.interruptUnsafe()
      const written = yield* Effect.timeoutOption(Effect.exit(writer.flush), half)
      writing.interruptUnsafe()
      if (Option.isSome(written)) yield* writer.close
      const left = pending.count + pending.left
      if (left === 0) return
      yield* Effect.logWarning(
        "Ledger entries could not be written: `tickvault verify --rebuild` makes them again"
      ).pipe(Effect.annotateLogs({ entries: left }))
    }).pipe(annotate)
  )
  return RunLedger.of({ record, attend, flush: writer.flush })
})

/** The ledgers of a storage, kept beside its batches. */
export const layer: Layer.Layer<RunLedger, never, Storage> = Layer.effect(RunLedger, make)

/** Without ledgers: nothing proves later that a run is whole. */
export const discard: RunLedger["Service"] = RunLedger.of({
  record: () => Effect.void,
  attend: () => Effect.void,
  flush: Effect.void
})

/** Keeps none, on purpose. */
export const layerDiscard: Layer.Layer<RunLedger> = Layer.succeed(RunLedger, discard)
