/**
 * Reads the ledger of a run: the lines of all the logs that processes have kept of it.
 */
import * as Bytes from "effect/Bytes"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as LedgerLine from "./LedgerLine.ts"

/** Bytes of a log that are no entry. What they said is lost; what they spoke of is still in the storage. */
export interface Damage {
  readonly _tag: "Damage"
  /** Key of the log. */
  readonly log: string
  readonly offset: number
  readonly bytes: number
  readonly problem: string
  /** Whether it is the end of the log, within a line: as after a crash, or while the line is being written. */
  readonly torn: boolean
}

/** What a ledger consists of. */
export type Item = (LedgerLine.Line & { readonly _tag: "Line" }) | Damage

const lineFeed = 10

/** Longest line that is kept in memory: the checksums of twelve million ticks. What is longer is damaged. */
const maxLineBytes = 64 * 1024 * 1024

/** What a line is made into; it is `undefined` when it is longer than a line can be. A view of what was read. */
type Make<A> = (line: Uint8Array | undefined, offset: number, bytes: number) => A

/** Takes a log apart, chunk by chunk. Not shared: it has state. */
class Splitter<A> {
  private readonly make: Make<A>
  private pending: Array<Uint8Array> = []
  /** Those of the line that has not ended yet. */
  bytes = 0
  /** Where it begins. */
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

/** The entries of one log in their order, and the damages between them; none when it is gone. Memory: one line. */
export const readLog = (storage: Storage["Service"], log: StorageKey.StorageKey): Stream.Stream<Item, StorageError> =>
  Stream.suspend(() => {
    const splitter = new Splitter<Item>((line, offset, bytes) => {
      // A copy: whoever keeps the entry would keep the whole chunk.
      const decoded = line === undefined ? "it is longer than a line can be" : LedgerLine.decode(line.slice())
      if (typeof decoded !== "string") return { _tag: "Line", ...decoded }
      return { _tag: "Damage", log, offset, bytes, problem: decoded, torn: false }
    })
    const torn = (): Array<Item> => {
      const { bytes, offset } = splitter
      if (bytes === 0) return []
      return [{ _tag: "Damage", log, offset, bytes, problem: "the log ends within a line", torn: true }]
    }
    return storage.read(log).pipe(
      Stream.flatMap((chunk) => Stream.fromArray(splitter.push(chunk))),
      Stream.concat(Stream.suspend(() => Stream.fromArray(torn()))),
      Stream.catchReason("StorageError", "ObjectMissing", () => Stream.empty)
    )
  })

/** All entries of the ledger of `runId`, log by log, and the damages between them. Memory: one line. */
export const read = (storage: Storage["Service"], runId: RunId.RunId): Stream.Stream<Item, StorageError> =>
  storage.list(StorageKey.ledgerPrefix(runId)).pipe(Stream.flatMap((log) => readLog(storage, log)))

/**
 * What `read` gives without the damages, quicker: of stored batches no more than their keys and times. In pieces of what is
 * read at a time, some hundred entries: whoever lets others work after each holds nobody up.
 */
export const readBriefly = (
  storage: Storage["Service"],
  runId: RunId.RunId
): Stream.Stream<ReadonlyArray<LedgerLine.Brief>, StorageError> =>
  storage.list(StorageKey.ledgerPrefix(runId)).pipe(
    Stream.flatMap((log) =>
      Stream.suspend(() => {
        const splitter = new Splitter((line) => (line === undefined ? "" : LedgerLine.brief(line)))
        return storage.read(log).pipe(
          Stream.map((chunk) => splitter.push(chunk).filter((entry) => typeof entry !== "string")),
          Stream.catchReason("StorageError", "ObjectMissing", () => Stream.empty)
        )
      })
    )
  )
