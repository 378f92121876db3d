/**
 * The times at which a recovery service replays each letter next.
 */

/** The result of a letter's turn. "left": a later replay can't succeed either. */
export type TurnResult = "gone" | "failed" | "left"

interface Turn {
  readonly dueMs: number
  /** The wait before this turn. */
  readonly waitMs: number
  readonly isLeft: boolean
}

/** The wait before a turn is `intervalMs`. Each failure doubles it, up to `longestMs`. */
export class Turns {
  private readonly turns = new Map<string, Turn>()
  private readonly intervalMs: number
  private readonly longestMs: number

  constructor(intervalMs: number, longestMs: number) {
    this.intervalMs = intervalMs
    this.longestMs = Math.max(intervalMs, longestMs)
  }

  /** Forgets all other letters. */
  retain(ids: ReadonlyArray<string>): void {
    const known = new Set(ids)
    for (const id of this.turns.keys()) if (!known.has(id)) this.turns.delete(id)
  }

  /** Whether it is the turn of this letter. A new letter has its turn at once. */
  isDue(id: string, nowMs: number): boolean {
    const turn = this.turns.get(id)
    return turn === undefined || turn.dueMs <= nowMs
  }

  /** Records the result of this letter's turn at `nowMs`. */
  note(id: string, result: TurnResult, nowMs: number): void {
    if (result === "gone") {
      this.turns.delete(id)
      return
    }
    const isLeft = result === "left"
    // Only another process or a person can change its reason: an occasional look is enough.
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
