/**
 * Reads the ledger of a run: the lines of all logs that processes have written of it.
 *
 * Readers that need all of a ledger fold it with `LedgerFold`.
 *
 * ```ts
 * import * as Stream from "effect/Stream"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as Ledger from "tickvault/ledger/Ledger"
 *
 * export const damages = Ledger.read(RunId.make("run-1")).pipe(
 *   Stream.filter((item) => item._tag === "Damage"),
 *   Stream.runCollect
 * )
 * ```
 */
import * as Bytes from "effect/Bytes"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as LedgerLine from "./LedgerLine.ts"

/** Bytes of a log that are not a valid entry. The entry is lost, but the batch that it described is still stored. */
export interface Damage {
  readonly _tag: "Damage"
  /** Key of the log. */
  readonly log: string
  readonly offset: number
  readonly bytes: number
  readonly problem: string
  /** Whether the log ends here in the middle of a line: after a crash, or while the line is being written. */
  readonly torn: boolean
}

/** What a ledger consists of. */
export type Item = (LedgerLine.Line & { readonly _tag: "Line" }) | Damage

const lineFeed = 10

/** The longest line kept in memory: the checksums of twelve million ticks. A longer line counts as damaged. */
const maxLineBytes = 64 * 1024 * 1024

/** Converts a line, a view of the read chunk. `line` is `undefined` when it is too long. */
type Make<A> = (line: Uint8Array | undefined, offset: number, bytes: number) => A

/** Splits a log into lines, chunk by chunk. It has state: use one for each log. */
class Splitter<A> {
  private readonly make: Make<A>
  private pending: Array<Uint8Array> = []
  /** Bytes so far of the line that has not ended yet. */
  bytes = 0
  /** Where that line begins. */
  offset = 0
  private overlong = false

  constructor(make: Make<A>) {
    this.make = make
  }

  push(chunk: Uint8Array): Array<A> {
    const made: Array<A> = []
    let from = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, from)) {
      this.keep(chunk.subarray(from, end))
      made.push(this.line())
      this.offset += 1
      from = end + 1
    }
    this.keep(chunk.subarray(from))
    return made
  }

  private keep(bytes: Uint8Array): void {
    this.bytes += bytes.length
    this.overlong ||= this.bytes > maxLineBytes
    if (this.overlong) this.pending = []
    else if (bytes.length > 0) this.pending.push(bytes)
  }

  private line(): A {
    const { bytes, offset, overlong, pending } = this
    const [only] = pending
    const line = only !== undefined && pending.length === 1 ? only : Bytes.concat(pending)
    this.pending = []
    this.bytes = 0
    this.overlong = false
    this.offset += bytes
    return this.make(overlong ? undefined : line, offset, bytes)
  }
}

/** The converted lines of a log, one array for each chunk. Empty when the log is gone. */
const splitLog = <A>(
  log: StorageKey.StorageKey,
  splitter: Splitter<A>
): Stream.Stream<Array<A>, StorageError, Storage> =>
  Stream.unwrap(Storage.useSync((storage) => storage.read(log))).pipe(
    Stream.map((chunk) => splitter.push(chunk)),
    Stream.catchReason("StorageError", "ObjectMissing", () => Stream.empty)
  )

/** Keys of the logs of the run, in ascending order. */
export const logs = (runId: RunId.RunId): Stream.Stream<StorageKey.StorageKey, StorageError, Storage> =>
  Stream.unwrap(Storage.useSync((storage) => storage.list(StorageKey.ledgerPrefix(runId))))

/** The entries of one log in order, with the damages between them. Empty when the log is gone. Memory: one line. */
export const readLog = (log: StorageKey.StorageKey): Stream.Stream<Item, StorageError, Storage> =>
  Stream.suspend(() => {
    const splitter = new Splitter<Item>((line, offset, bytes) => {
      // A copy: a view would keep the whole chunk in memory for as long as the entry is kept.
      const decoded = line === undefined ? "it is longer than a line can be" : LedgerLine.decode(line.slice())
      if (typeof decoded !== "string") return { _tag: "Line", ...decoded }
      return { _tag: "Damage", log, offset, bytes, problem: decoded, torn: false }
    })
    const torn = (): Array<Item> => {
      const { bytes, offset } = splitter
      if (bytes === 0) return []
      return [{ _tag: "Damage", log, offset, bytes, problem: "the log ends within a line", torn: true }]
    }
    return splitLog(log, splitter).pipe(Stream.concat(Stream.sync(torn)), Stream.flatMap(Stream.fromArray))
  })

/** All entries of the ledger of `runId`, log by log, and the damages between them. Memory: one line. */
export const read = (runId: RunId.RunId): Stream.Stream<Item, StorageError, Storage> =>
  Stream.flatMap(logs(runId), readLog)

/**
 * The entries of `read` without the damages, but faster: it decodes only the key and the time of a stored batch. Each chunk
 * gives one array of some hundred entries. Yield after each array, so that other fibers are not blocked for long.
 */
export const readBriefly = (
  runId: RunId.RunId
): Stream.Stream<ReadonlyArray<LedgerLine.Brief>, StorageError, Storage> =>
  Stream.flatMap(logs(runId), (log) =>
    Stream.suspend(() =>
      Stream.map(splitLog(log, new Splitter((line) => (line === undefined ? "" : LedgerLine.brief(line)))), (entries) =>
        entries.filter((entry) => typeof entry !== "string")
      )
    )
  )
