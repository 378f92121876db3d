import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as LetterFiles from "../../src/deadletter/internal/letterFiles.ts"
import * as Checksum from "../../src/domain/Checksum.ts"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as TickSet from "../../src/domain/TickSet.ts"
import * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { ObjectMissing, StorageError } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

export const run = RunId.make("run")

type Port = Storage.Storage["Service"]
type Queue = DeadLetterQueue.DeadLetterQueue["Service"]

/** `ticks` as a batch; a test that has none is wrong. */
export const batchOf = (ticks: ReadonlyArray<Tick.Tick>): Tick.Batch => {
  if (!Tick.isBatch(ticks)) throw new Error("a batch has at least one tick")
  return ticks
}

/** The ticks `first`, `first + step`, ... to `last` of the run. */
export const numbered = (first: number, last: number, step = 1): Tick.Batch =>
  batchOf(TestTick.range("run", first, last).filter((_, index) => index % step === 0))

/** The entry of a stored batch. */
export const commitOf = (
  ticks: ReadonlyArray<Tick.Tick>,
  { bytes, checks, key, storedBytes }: BatchFile.Written,
  more: Partial<LedgerEntry.Commit> = {}
): LedgerEntry.Commit => ({
  _tag: "Commit",
  key,
  stretches: LedgerEntry.fromStretches(TickSet.stretches(ticks.map(({ tickNumber }) => tickNumber))),
  count: ticks.length,
  bytes,
  ...(storedBytes === bytes ? {} : { storedBytes }),
  checksum: Checksum.toHex(BatchFile.checksum(checks)),
  committedAtMs: 7,
  ...more
})

/** Stores `ticks` as one batch that no ledger knows; gives its key and the line that a ledger would have of it. */
export const store = Effect.fnUntraced(function* (
  storage: BatchFile.Compressing,
  ticks: ReadonlyArray<Tick.Tick>,
  more: Partial<LedgerEntry.Commit> = {},
  runId = run
) {
  const batch = batchOf(ticks)
  const written = yield* BatchFile.write(storage, BatchFile.keyOf(storage, new RunBatch(runId, batch)), batch)
  return {
    ...written,
    ticks: batch,
    line: LedgerLine.encode(commitOf(batch, written, more), written.checks)
  }
})

/** Notes `entry` in a log of the run. */
export const note = Effect.fnUntraced(function* (storage: Port, entry: LedgerEntry.Entry) {
  const appender = yield* storage.append(StorageKey.ledger(run, "writer"))
  yield* appender.append(LedgerLine.encode(entry))
}, Effect.scoped)

/** Stores `ticks` as one batch that the ledger knows; gives its key. */
export const storeNoted = Effect.fnUntraced(function* (
  storage: BatchFile.Compressing,
  ticks: ReadonlyArray<Tick.Tick>,
  more: Partial<LedgerEntry.Commit> = {}
) {
  const { key, line } = yield* store(storage, ticks, more)
  const appender = yield* storage.append(StorageKey.ledger(run, "writer"))
  yield* appender.append(line)
  return key
}, Effect.scoped)

/** Adds `lines` to a ledger of the run that the writer of this name keeps; gives its key. */
export const log = Effect.fnUntraced(function* (storage: Port, lines: ReadonlyArray<Uint8Array>, writer = "writer") {
  const key = StorageKey.ledger(run, writer)
  const header = LedgerLine.encode({ _tag: "Header", version: 1, run, writer })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const appender = yield* storage.append(key)
      for (const line of [header, ...lines]) yield* appender.append(line)
    })
  )
  return key
})

/** Without the stack trace, which would be most of a letter. */
const error = Object.assign(new Error("no room"), { stack: "Error: no room" })

/** A letter about `ticks`, and the line that the ledger has of it. */
export const letterOf = Effect.fnUntraced(function* (ticks: Tick.Batch) {
  const failure = { reason: "storage", error, retries: 3, firstFailureMs: 1, lastFailureMs: 7 } as const
  const letter = yield* DeadLetter.make(ticks, failure, { service: "persistence-1", queue: "raw" })
  const mine = ticks.filter(({ simulationRunId }) => simulationRunId === run)
  const entry: LedgerEntry.Letter = {
    _tag: "Letter",
    id: letter.id,
    stretches: LedgerEntry.fromStretches(TickSet.stretches(mine.map(({ tickNumber }) => tickNumber))),
    count: mine.length,
    reason: "storage",
    service: "persistence-1",
    atMs: 7
  }
  return { letter, line: LedgerLine.encode(entry) }
})

/** A queue that holds `letters`. */
export const queueOf = Effect.fnUntraced(function* (...letters: ReadonlyArray<DeadLetter.DeadLetter>) {
  const queue = yield* DeadLetterQueue.makeMemory("dlq")
  for (const letter of letters) yield* queue.offer(letter)
  return queue
})

/** `queue` with a single letter whose file holds `bytes` now; without any when it is `undefined`. */
export const withLetterBytes = (queue: Queue, letter: DeadLetter.DeadLetter, bytes: Uint8Array | undefined): Queue => ({
  ...queue,
  ids: bytes === undefined ? Stream.empty : Stream.succeed(letter.id),
  get: (id) =>
    Effect.gen(function* () {
      const file = yield* Effect.orDie(LetterFiles.of(letter))
      if (bytes === undefined || id !== letter.id) return yield* queue.get(`no ${id}`)
      return yield* Effect.mapError(
        LetterFiles.open(file, bytes),
        (reason) => new DeadLetterQueue.DeadLetterError({ queue: "dlq", reason })
      )
    })
})

/** `storage` where `bytes` are under `key` instead of what was written; nothing when it is `undefined`. */
export const withObject = (storage: Port, key: string, bytes: Uint8Array | undefined): Port => ({
  ...storage,
  read: (asked) => {
    if (asked !== key) return storage.read(asked)
    return bytes === undefined
      ? Stream.fail(new StorageError({ operation: "read", key, reason: new ObjectMissing() }))
      : Stream.make(bytes.subarray(0, 100), bytes.subarray(100))
  },
  list: (prefix) => Stream.filter(storage.list(prefix), (one) => bytes !== undefined || one !== key),
  stat: (asked) =>
    asked === key
      ? Effect.succeed(bytes === undefined ? undefined : { bytes: bytes.length, modifiedAtMs: undefined })
      : storage.stat(asked)
})

/** All bytes under `key`. */
export const bytesOf = (storage: Port, key: StorageKey.StorageKey) =>
  Effect.map(Stream.runCollect(storage.read(key)), (chunks) => new Uint8Array(Buffer.concat(chunks)))

/** Each way in which one byte is changed, or the end is missing, with the place. */
export function* damages(
  bytes: Uint8Array
): Generator<{ readonly what: string; readonly bytes: Uint8Array; readonly at: number }> {
  for (let at = 0; at < bytes.length; at++) {
    for (const mask of [1 << (at % 8), 0xff]) {
      const changed = bytes.slice()
      changed[at] = (changed[at] ?? 0) ^ mask
      yield { what: `byte ${at} ^ ${mask}`, bytes: changed, at }
    }
    yield { what: `cut to ${at} bytes`, bytes: bytes.slice(0, at), at }
  }
}

/** Puts what `change` makes of an object in its place. */
export const tamper = Effect.fnUntraced(function* (
  storage: Port,
  key: StorageKey.StorageKey,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array
) {
  const bytes = yield* bytesOf(storage, key)
  yield* storage.remove(key)
  yield* Storage.write(storage, key, [change(bytes)])
})

export const numbersOf = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))

/** The numbers from `first` to `last`. */
export const numbers = (first: number, last: number, step = 1) =>
  Arr.range(0, Math.floor((last - first) / step)).map((index) => first + index * step)
