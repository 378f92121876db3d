/** What a turn of a benchmark measures. */

/** The result of one turn of a side. */
export interface Measured {
  /** Duration of the work, without preparation and warm-up. */
  readonly seconds: number
  /** CPU time of the process for the work, on all its threads. */
  readonly cpuSeconds?: number
  /** Ticks of the work. The time for each tick is compared. */
  readonly ticks: number
  /** Bytes of the work, uncompressed. */
  readonly bytes: number
  /** Bytes on the disk afterwards, if any. */
  readonly storedBytes?: number
  /** Duration of each commit, in milliseconds. */
  readonly commitMs?: ReadonlyArray<number>
  /** Ticks that are missing in the balance or in `verify`. */
  readonly lost?: number
  /**
   * Peak memory of the process at the end of the work, if that is not the end of the turn. `null` when another process does
   * the work.
   */
  readonly peakKilobytes?: number | null
}
