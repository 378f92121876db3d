/**
 * A stored batch, read once completely, and compared with its entries in the ledger.
 */
import * as Effect from "effect/Effect"
import * as Checksum from "../../domain/Checksum.ts"
import type * as TickSet from "../../domain/TickSet.ts"
import type { Line } from "../../ledger/LedgerLine.ts"
import type * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import type * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import * as BatchFile from "../../batch/BatchFile.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import type { BatchKey } from "../../runs/RunFiles.ts"

/** The content of a batch, and its comparison with the ledger. */
export interface ScannedFile extends BatchKey {
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  readonly count: number
  readonly bytes: number
  readonly checksum: string
  /** The number of ticks in it that repeat another one. */
  readonly repeated: number
  /** A problem with the file itself, without regard to the ledger. `undefined` when the file is in the delimited format. */
  readonly problem: string | undefined
  /** The time of the newest entry that it matches. `undefined` when there is none. */
  matchedAtMs: number | undefined
  /** The newest entry that it doesn't match. */
  differs: { readonly entry: LedgerEntry.Commit; readonly checks: Line["checks"] } | undefined
}

/** A file that can't be read is a finding. A storage that doesn't answer is a failure of `verify`. */
const isOfTheFile = ({ reason }: StorageError): boolean =>
  reason._tag === "IoFailure" || reason._tag === "PermissionDenied" || reason._tag === "InvalidPlace"

const unreadable = (file: BatchKey, why: string): ScannedFile => ({
  ...file,
  stretches: [],
  count: 0,
  bytes: 0,
  checksum: "",
  repeated: 0,
  problem: `it can't be read: ${why}`,
  matchedAtMs: undefined,
  differs: undefined
})

/** Reads the batch `file`. `undefined` when it is gone. Calls `onBytes` for every chunk. */
export const scan = (file: BatchKey, onBytes: (bytes: number) => void) =>
  BatchFile.prove(file.key, onBytes).pipe(
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
    Effect.catchIf(isOfTheFile, ({ reason }) => Effect.succeed(unreadable(file, reason.message)))
  )

/** Compares `file` with an entry of the ledger. One matching entry of several is enough. */
export const compare = (file: ScannedFile, entry: LedgerEntry.Commit, checks: Line["checks"]): void => {
  if (file.problem === undefined && file.checksum === entry.checksum && file.bytes === entry.bytes) {
    file.matchedAtMs = Math.max(entry.committedAtMs, file.matchedAtMs ?? 0)
  } else if (file.differs === undefined || file.differs.entry.committedAtMs <= entry.committedAtMs) {
    file.differs = { entry, checks }
  }
}

/** Forgets the entries of older objects under the key of `file` that were set aside. */
export const forgetSetAside = (file: ScannedFile, setAsides: LedgerFacts.SetAsides): void => {
  const { differs, key, matchedAtMs } = file
  if (matchedAtMs !== undefined && !setAsides.isValid({ key, committedAtMs: matchedAtMs })) file.matchedAtMs = undefined
  if (differs !== undefined && !setAsides.isValid(differs.entry)) file.differs = undefined
}
