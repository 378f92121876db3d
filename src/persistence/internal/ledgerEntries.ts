/**
 * The ledger entries of a service about its ticks.
 */
import * as Checksum from "../../domain/Checksum.ts"
import { RunBatch } from "../../domain/RunBatch.ts"
import type * as RunId from "../../domain/RunId.ts"
import * as Tick from "../../domain/Tick.ts"
import type { DeadLetter } from "../../deadletter/DeadLetter.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as BatchFile from "../../batch/BatchFile.ts"
import type { Stored } from "../Outcome.ts"
import type { Portion } from "../Portion.ts"

const stretchesOf = ({ stretches }: RunBatch) => LedgerEntry.fromStretches(stretches)

/** The entry for `batch`, the rest of a portion, which `service` has stored. */
export const commit = (
  service: string,
  { enqueuedAtMs, reason }: Pick<Portion, "enqueuedAtMs" | "reason">,
  batch: RunBatch,
  { attempts, committedAtMs, tookMs, written }: Stored
): LedgerEntry.Commit => ({
  _tag: "Commit",
  key: written.key,
  stretches: stretchesOf(batch),
  count: batch.ticks.length,
  bytes: written.bytes,
  ...(written.storedBytes === written.bytes ? {} : { storedBytes: written.storedBytes }),
  checksum: Checksum.toHex(BatchFile.checksum(written.checks)),
  committedAtMs: Math.floor(committedAtMs),
  write: {
    service,
    flushReason: reason,
    attempts,
    enqueuedAtMs: Math.floor(enqueuedAtMs),
    tookMs
  }
})

/** The entries for `ticks` in `letter`, one for each run with a valid id. */
export const letters = (
  service: string,
  ticks: ReadonlyArray<Tick.Tick>,
  { id, reason }: Pick<DeadLetter, "id" | "reason">,
  atMs: number
): ReadonlyArray<readonly [runId: RunId.RunId, entry: LedgerEntry.Letter]> => {
  const storable = ticks.filter(({ tickNumber }) => tickNumber >= 0n)
  return Tick.byRun(storable).map(([runId, of]) => [
    runId,
    { _tag: "Letter", id, stretches: stretchesOf(new RunBatch(runId, of)), count: of.length, service, reason, atMs }
  ])
}
