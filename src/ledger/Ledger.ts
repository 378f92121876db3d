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

/** Takes a log apart, chunk by chunk. Not shared: it has state. */
class Splitter {
  private readonly log: string
  private pending: Array<Uint8Array> = []
  private pendingBytes = 0
  private offset = 0
  private overlong = false

  constructor(log: string) {
    this.log = log
  }

  push(chunk: Uint8Array): Array<Item> {
    const items: Array<Item> = []
    let from = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, from)) {
      this.keep(chunk.subarray(from, end))
      items.push(this.line())
      this.offset += 1
      from = end + 1
    }
    this.keep(chunk.subarray(from))
    return items
  }

  end(): Array<Item> {
    if (this.pendingBytes === 0) return []
    const { log, offset, pendingBytes: bytes } = this
    return [{ _tag: "Damage", log, offset, bytes, problem: "the log ends within a line", torn: true }]
  }

  private keep(bytes: Uint8Array): void {
    this.pendingBytes += bytes.length
    this.overlong ||= this.pendingBytes > maxLineBytes
    if (this.overlong) this.pending = []
    else if (bytes.length > 0) this.pending.push(bytes)
  }

  private line(): Item {
    const { offset, overlong, pendingBytes: bytes } = this
    const decoded = overlong ? "it is longer than a line can be" : LedgerLine.decode(Bytes.concat(this.pending))
    this.pending = []
    this.pendingBytes = 0
    this.overlong = false
    this.offset += bytes
    if (typeof decoded !== "string") return { _tag: "Line", ...decoded }
    return { _tag: "Damage", log: this.log, offset, bytes, problem: decoded, torn: false }
  }
}

/** The entries of one log in their order, and the damages between them; none when it is gone. Memory: one line. */
export const readLog = (storage: Storage["Service"], log: StorageKey.StorageKey): Stream.Stream<Item, StorageError> =>
  Stream.suspend(() => {
    const splitter = new Splitter(log)
    return storage.read(log).pipe(
      Stream.flatMap((chunk) => Stream.fromArray(splitter.push(chunk))),
      Stream.concat(Stream.suspend(() => Stream.fromArray(splitter.end()))),
      Stream.catchReason("StorageError", "ObjectMissing", () => Stream.empty)
    )
  })

/** All entries of the ledger of `runId`, log by log, and the damages between them. Memory: one line. */
export const read = (storage: Storage["Service"], runId: RunId.RunId): Stream.Stream<Item, StorageError> =>
  storage.list(StorageKey.ledgerPrefix(runId)).pipe(Stream.flatMap((log) => readLog(storage, log)))
