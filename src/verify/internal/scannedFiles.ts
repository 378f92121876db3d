/**
 * The batches of a run as they lie there, each read once from its first byte to its last.
 */
import * as Effect from "effect/Effect"
import * as Checksum from "../../domain/Checksum.ts"
import type * as TickSet from "../../domain/TickSet.ts"
import type { Line } from "../../ledger/LedgerLine.ts"
import type * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import type * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import * as BatchFile from "../../storage/BatchFile.ts"
import type { Storage } from "../../storage/Storage.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import type { BatchKey } from "../../runs/RunFiles.ts"

/** What is known of a batch: what is in it, and what the ledger says of it. */
export interface ScannedFile extends BatchKey {
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  readonly count: number
  readonly bytes: number
  readonly checksum: string
  /** Ticks that are in it more than once. */
  readonly repeated: number
  /** What is wrong with it, taken alone. */
  readonly problem: string | undefined
  /** When it was stored by the entry of the ledger that it is what it says; the newest of several. */
  matchedAtMs: number | undefined
  /** The newest entry of the ledger that it is not. */
  differs: { readonly entry: LedgerEntry.Commit; readonly checks: Line["checks"] } | undefined
}

/** A medium that fails to read a single file is a finding; one that does not answer is none. */
const isOfTheFile = ({ reason }: StorageError): boolean =>
  reason._tag === "IoFailure" || reason._tag === "PermissionDenied" || reason._tag === "InvalidPlace"

/** Reads the batch `file`; `undefined` when it is gone. `onBytes` is told of every chunk. */
export const scan = (storage: Storage["Service"], file: BatchKey, onBytes: (bytes: number) => void) =>
  BatchFile.prove(storage, file.key, onBytes).pipe(
    Effect.map(({ bytes, checksum, count, problem, repeated, stretches }): ScannedFile => ({
      ...file,
      stretches,
      count,
      bytes,
      checksum: Checksum.toHex(checksum),
      repeated,
      problem,
      matchedAtMs: undefined,
      differs: undefined
    })),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.undefined),
    Effect.catchIf(isOfTheFile, ({ reason }) => {
      const unread: ScannedFile = {
        ...file,
        stretches: [],
        count: 0,
        bytes: 0,
        checksum: "",
        repeated: 0,
        problem: `it can't be read: ${reason.message}`,
        matchedAtMs: undefined,
        differs: undefined
      }
      return Effect.succeed(unread)
    })
  )

/** Compares `file` with what an entry of the ledger says of it. One entry that it is what it says is enough. */
export const compare = (file: ScannedFile, entry: LedgerEntry.Commit, checks: Line["checks"]): void => {
  if (file.problem === undefined && file.checksum === entry.checksum && file.bytes === entry.bytes) {
    file.matchedAtMs = Math.max(entry.committedAtMs, file.matchedAtMs ?? 0)
  } else if (file.differs === undefined || file.differs.entry.committedAtMs <= entry.committedAtMs) {
    file.differs = { entry, checks }
  }
}

/** Forgets what was said of objects that had the key of `file` and were set aside. */
export const settle = (file: ScannedFile, setAsides: LedgerFacts.SetAsides): void => {
  if (!setAsides.counts({ key: file.key, committedAtMs: file.matchedAtMs ?? -1 })) file.matchedAtMs = undefined
  if (file.differs !== undefined && !setAsides.counts(file.differs.entry)) file.differs = undefined
}
