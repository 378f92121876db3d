/**
 * Entries on their way into the logs.
 */
import type * as RunId from "../../domain/RunId.ts"
import type { Entry } from "../LedgerEntry.ts"
import * as LedgerLine from "../LedgerLine.ts"

/**
 * Most bytes of entries that wait to be written: 64 MiB. Beyond it those of stored batches are left out: the objects speak
 * for themselves.
 */
const maxPendingBytes = 64 * 1024 * 1024

/** A line that waits to be written. Without `isRemade` nothing but the line itself says what it says. */
interface Waiting {
  readonly line: Uint8Array
  readonly isRemade: boolean
}

/** What waits to be written, and what is written and must be again if it does not survive. */
export class Pending {
  private readonly waiting = new Map<RunId.RunId, Array<Waiting>>()
  /** Written, not yet known to survive a crash. */
  private unsynced: Array<readonly [runId: RunId.RunId, one: Waiting]> = []
  private bytes = 0
  count = 0
  /** Entries that were left out. */
  left = 0

  add(runId: RunId.RunId, entry: Entry, checks: ReadonlyArray<number> | undefined): void {
    const isRemade = entry._tag === "Commit"
    if (isRemade && this.bytes >= maxPendingBytes) this.left++
    else this.put(runId, { line: LedgerLine.encode(entry, checks), isRemade })
  }

  /** The lines of the next run, which stay until they are `written`. */
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
      if (!one.isRemade) this.unsynced.push([runId, one])
    }
  }

  synced(): void {
    this.unsynced = []
  }

  /** The logs were given up: what nothing else says is written again, into the next ones. */
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
