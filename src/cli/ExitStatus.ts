/**
 * The exit code of the process.
 */

/** The exit codes of every command. */
export const ExitCode = {
  /** All ticks are settled and none is dead-lettered. Also after a signal and a clean shutdown. */
  settled: 0,
  /**
   * The command could not start, its input was wrong, or a service failed. The good ticks of the input, and those that an
   * engine made before it failed, are settled.
   */
  failed: 1,
  /** The command finished, but ticks were dead-lettered. */
  deadLettered: 2,
  /** Ticks were lost or left unsettled. */
  lost: 3
} as const

/** The exit code of this process. It survives the interruption of the main fiber by a signal. */
export class ExitStatus {
  code: number | undefined
}
