/**
 * What a replay of a dead letter comes to, or would come to.
 */

/** What the replay of a letter has come to, in ticks. Together they are all of the letter's. */
export interface Replayed {
  readonly letter: string
  readonly stored: number
  /** Stored already before this replay. */
  readonly duplicate: number
  /** Still in the letter; with 0 the letter is gone. */
  readonly remaining: number
  /** Why ticks remain, in words; `undefined` when none do. */
  readonly problem: string | undefined
}

/** What a replay would meet, in ticks, as far as can be told without writing. */
export interface Preview {
  readonly letter: string
  /** Would be written, as far as the storage takes them. */
  readonly fresh: number
  /** Are stored already. */
  readonly duplicate: number
  /** Can't be stored: an unsafe run id, a negative number, or something else has the number or the name. */
  readonly refused: number
}
