/**
 * The result of a replay of a dead letter, and of a preview.
 */

/** The result of a replay, in ticks. The counts add up to all ticks of the letter. */
export interface Replayed {
  readonly letter: string
  readonly stored: number
  /** Ticks that were stored before this replay. */
  readonly duplicate: number
  /** Ticks still in the letter. 0: the letter is gone. */
  readonly remaining: number
  /** A text why ticks remain. `undefined` when none remain. */
  readonly problem: string | undefined
}

/** The expected result of a replay, in ticks, as far as is known without writing. */
export interface Preview {
  readonly letter: string
  /** Ticks that would be written, if the storage accepts them. */
  readonly fresh: number
  /** Ticks that are stored already. */
  readonly duplicate: number
  /**
   * Ticks that can't be stored: an unsafe run id, a negative number, or another tick has the number or another batch
   * the key.
   */
  readonly refused: number
}
