/**
 * What a service has to say of a portion in the ledger of its run.
 */
import * as BatchStretches from "../../domain/BatchStretches.ts"
import * as Checksum from "../../domain/Checksum.ts"
import type * as RunId from "../../domain/RunId.ts"
import * as Tick from "../../domain/Tick.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as BatchFile from "../../storage/BatchFile.ts"
import type { Portion } from "./Portion.ts"

const stretchesOf = (ticks: ReadonlyArray<Tick.Tick>) => LedgerEntry.fromStretches(BatchStretches.of(ticks))

/** What is known of the attempt that stored a portion. */
export interface Attempt {
  readonly service: string
  readonly committedAtMs: number
  readonly tookMs: number
}

/** `portion` is stored. */
export const commit = (
  portion: Portion,
  written: BatchFile.Written,
  { committedAtMs, service, tookMs }: Attempt
): LedgerEntry.Commit => ({
  _tag: "Commit",
  key: written.key,
  stretches: stretchesOf(portion.ticks),
  count: portion.ticks.length,
  bytes: written.bytes,
  ...(written.storedBytes === written.bytes ? {} : { storedBytes: written.storedBytes }),
  checksum: Checksum.toHex(BatchFile.checksum(written.checks)),
  committedAtMs: Math.floor(committedAtMs),
  write: {
    service,
    flushReason: portion.reason,
    attempts: portion.attempts,
    enqueuedAtMs: Math.floor(portion.enqueuedAtMs),
    tookMs
  }
})

/** `portion` waits in the letter `id`: an entry for each run that can have a ledger. */
export const letters = (
  portion: Portion,
  id: string,
  facts: { readonly service: string; readonly reason: string; readonly atMs: number }
): ReadonlyArray<readonly [runId: RunId.RunId, entry: LedgerEntry.Letter]> => {
  const storable = portion.ticks.filter(({ tickNumber }) => tickNumber >= 0n)
  return Tick.byRun(storable).map(([runId, ticks]) => [
    runId,
    { _tag: "Letter", id, stretches: stretchesOf(ticks), count: ticks.length, ...facts }
  ])
}
