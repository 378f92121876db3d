/**
 * The exit code of the process.
 */

/** The exit codes of every command. */
export const ExitCode = {
  /** All settled and nothing dead-lettered, also when a signal ended it in good order. */
  settled: 0,
  /** Could not start, or the input was wrong. What was good of it is settled. */
  failed: 1,
  /** Finished, but something was dead-lettered. */
  deadLettered: 2,
  /** Something was lost or left unsettled. */
  lost: 3
} as const

/** The exit code of this process; survives the interruption of the main fiber, which a signal causes. */
export class ExitStatus {
  code: number | undefined
}
