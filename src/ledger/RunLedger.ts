/**
 * Keeps the ledgers of runs: records what happens to their ticks, in the same storage as their batches.
 *
 * Each process writes to its own logs, so that competing processes need no lock, which a crash could leave behind.
 * Recording never waits for the storage: a fiber of the layer writes all waiting entries in one piece, and retries when
 * the storage fails. A crash may lose entries of stored batches. They are made again from the objects: the first record
 * of a run starts that for the whole run, in the background.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as RunId from "tickvault/domain/RunId"
 * import { RunLedger } from "tickvault/ledger/RunLedger"
 *
 * export const note = Effect.gen(function* () {
 *   const ledger = yield* RunLedger
 *   const entry = { _tag: "SetAside", key: "run-1/notes.txt", place: "elsewhere", reason: "a test", atMs: 0 } as const
 *   yield* ledger.record(RunId.make("run-1"), entry)
 *   yield* ledger.flush
 * })
 * ```
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as RunId from "../domain/RunId.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as Comparisons from "./internal/comparisons.ts"
import { Pending } from "./internal/Pending.ts"
import * as Writer from "./internal/writer.ts"
import type { Entry } from "./LedgerEntry.ts"
import * as LedgerLogs from "./LedgerLogs.ts"

export class RunLedger extends Context.Service<
  RunLedger,
  {
    /**
     * Adds `entry` to the ledger of the run. `checks` are the running checksums of a stored batch's ticks. Doesn't wait for
     * the write and doesn't fail: a failed write is retried.
     */
    readonly record: (runId: RunId.RunId, entry: Entry, checks?: ReadonlyArray<number>) => Effect.Effect<void>

    /**
     * Call it when a batch of the run may be stored without an entry. Compares the stored batches with the ledger and makes
     * the missing entries. This happens in the background, at most once a minute, and at the latest when the scope closes.
     * The first record of a run does it too.
     */
    readonly attend: (runId: RunId.RunId) => Effect.Effect<void>

    /** Waits until every earlier entry survives a crash of the system. Fails when the next attempt to write fails. */
    readonly flush: Effect.Effect<void, StorageError>
  }
>()("tickvault/ledger/RunLedger") {}

/** Closing the scope waits at most this long for the comparisons, and then again for the entries. */
const closingTimeout = Duration.millis(2500)

const warnOfUnwritten = (entries: number) =>
  Effect.logWarning("Ledger entries could not be written: `tickvault verify --rebuild` makes them again").pipe(
    Effect.annotateLogs({ entries })
  )

/**
 * Makes the ledgers of the storage of the context. Closing the scope waits at most five seconds for running comparisons and
 * waiting entries. Then it logs the number of unwritten entries at WARN. Those of stored batches can be made again from the
 * objects.
 */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const pending = new Pending()
  // Never closed: a call that hangs in the storage can't be interrupted, and nobody waits for it.
  const background = yield* Scope.make()
  const writer = Writer.make(pending, yield* LedgerLogs.make(background))
  const annotate = Effect.annotateLogs({ module: "tickvault/ledger/RunLedger", storage: storage.name })

  const add = (runId: RunId.RunId, entry: Entry, checks?: ReadonlyArray<number>) =>
    Effect.sync(() => {
      pending.add(runId, entry, checks)
      writer.wake()
    })

  const comparisons = yield* Comparisons.make(background, {
    add: (runId, { checks, entry }) => add(runId, entry, checks),
    flush: writer.flush
  })
  const writing = yield* Effect.forkIn(annotate(Effect.forever(writer.turn)), background)
  let isClosed = false

  const close = Effect.gen(function* () {
    yield* comparisons.end(closingTimeout, writer.vanished)
    const written = yield* Effect.timeoutOption(Effect.exit(writer.flush), closingTimeout)
    writing.interruptUnsafe()
    isClosed = true
    if (Option.isSome(written)) yield* writer.close
    const unwritten = pending.count + pending.omitted
    if (unwritten > 0) yield* warnOfUnwritten(unwritten)
  })

  yield* Effect.addFinalizer(() => annotate(close))
  return RunLedger.of({
    record: Effect.fn("RunLedger.record")((runId, entry, checks) =>
      Effect.andThen(add(runId, entry, checks), annotate(comparisons.beginFirst(runId)))
    ),
    attend: (runId) => annotate(comparisons.begin(runId)),
    flush: Effect.suspend(() => (isClosed ? Effect.fail(Writer.closed) : writer.flush)).pipe(
      Effect.withSpan("RunLedger.flush")
    )
  })
})

/** The ledgers of the storage of the context, kept beside its batches. */
export const layer: Layer.Layer<RunLedger, never, Storage> = Layer.effect(RunLedger, make)

/** Keeps no ledgers. Then nothing can prove later that a run is whole. */
export const discard: RunLedger["Service"] = RunLedger.of({
  record: () => Effect.void,
  attend: () => Effect.void,
  flush: Effect.void
})

/** See `discard`. */
export const layerDiscard: Layer.Layer<RunLedger> = Layer.succeed(RunLedger, discard)
