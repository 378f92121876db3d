/**
 * Entries that wait to be written into the logs.
 */
import type * as RunId from "../../domain/RunId.ts"
import type { Entry } from "../LedgerEntry.ts"
import * as LedgerLine from "../LedgerLine.ts"

/**
 * The largest size of the waiting entries: 64 MiB. Beyond it, entries of stored batches are omitted, because they can be
 * made again from the objects.
 */
const maxPendingBytes = 64 * 1024 * 1024

/** A line that waits to be written. */
interface Waiting {
  readonly line: Uint8Array
  /** Whether it can be made again from the batch that it describes. */
  readonly isReproducible: boolean
}

/** Lines that wait, and lines that are written but may be needed again. It has state: don't share it. */
export class Pending {
  private readonly waiting = new Map<RunId.RunId, Array<Waiting>>()
  /** Written, but not synced. Only lines that can't be reproduced. */
  private unsynced: Array<readonly [runId: RunId.RunId, one: Waiting]> = []
  private bytes = 0
  count = 0
  /** The number of omitted entries. */
  omitted = 0

  add(runId: RunId.RunId, entry: Entry, checks: ReadonlyArray<number> | undefined): void {
    const isReproducible = entry._tag === "Commit"
    if (isReproducible && this.bytes >= maxPendingBytes) this.omitted++
    else this.put(runId, { line: LedgerLine.encode(entry, checks), isReproducible })
  }

  /** The lines of the next run. They stay here until `written` is called. */
  next(): readonly [runId: RunId.RunId, lines: ReadonlyArray<Waiting>] | undefined {
    const [first] = this.waiting
    return first === undefined ? undefined : [first[0], first[1].slice()]
  }

  written(runId: RunId.RunId, lines: ReadonlyArray<Waiting>): void {
    const rest = (this.waiting.get(runId) ?? []).slice(lines.length)
    this.waiting.delete(runId)
    if (rest.length > 0) this.waiting.set(runId, rest)
    this.count -= lines.length
    for (const one of lines) {
      this.bytes -= one.line.length
      if (!one.isReproducible) this.unsynced.push([runId, one])
    }
  }

  synced(): void {
    this.unsynced = []
  }

  /** The logs were given up: lines in them that can't be reproduced are written again, into new logs. */
  givenUp(): void {
    const again = this.unsynced
    this.unsynced = []
    for (const [runId, one] of again) this.put(runId, one)
  }

  private put(runId: RunId.RunId, one: Waiting): void {
    const lines = this.waiting.get(runId) ?? []
    lines.push(one)
    this.waiting.set(runId, lines)
    this.count++
    this.bytes += one.line.length
  }
}
