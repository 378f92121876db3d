/**
 * When a recovery service looks at each letter next.
 */

/** What has become of a letter at its turn; "left" is one that no waiting can help. */
export type TurnResult = "gone" | "failed" | "left"

interface Turn {
  readonly dueMs: number
  /** How long it has waited for this turn. */
  readonly waitMs: number
  readonly isLeft: boolean
}

/** Turns after `intervalMs`, and twice as long with each failure, up to `longestMs`. */
export class Turns {
  private readonly turns = new Map<string, Turn>()
  private readonly intervalMs: number
  private readonly longestMs: number

  constructor(intervalMs: number, longestMs: number) {
    this.intervalMs = intervalMs
    this.longestMs = Math.max(intervalMs, longestMs)
  }

  /** There are these letters and no others. */
  retain(ids: ReadonlyArray<string>): void {
    const known = new Set(ids)
    for (const id of this.turns.keys()) if (!known.has(id)) this.turns.delete(id)
  }

  /** Whether it is the turn of this letter. One that is new has its turn at once. */
  isDue(id: string, nowMs: number): boolean {
    const turn = this.turns.get(id)
    return turn === undefined || turn.dueMs <= nowMs
  }

  /** The turn of this letter at `nowMs` has come to `result`. */
  note(id: string, result: TurnResult, nowMs: number): void {
    if (result === "gone") {
      this.turns.delete(id)
      return
    }
    const isLeft = result === "left"
    // Its reason can only change by other hands: a look now and then is enough.
    const waitMs = isLeft ? this.longestMs : this.nextWait(this.turns.get(id))
    this.turns.set(id, { dueMs: nowMs + waitMs, waitMs, isLeft })
  }

  private nextWait(turn: Turn | undefined): number {
    return turn === undefined || turn.isLeft ? this.intervalMs : Math.min(turn.waitMs * 2, this.longestMs)
  }

  /** Letters that wait for their next replay. */
  get waiting(): number {
    return [...this.turns.values()].filter(({ isLeft }) => !isLeft).length
  }

  /** Letters that are left to the operator. */
  get left(): number {
    return this.turns.size - this.waiting
  }
}
