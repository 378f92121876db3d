/**
 * Replays letters one after the other and tells of each in a line.
 *
 * A first signal ends it after the letter in hand. A second one, or `shutdownTimeout`, ends it at once: that letter is then
 * as it was, or done, and may be replayed again in both cases.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stdio from "effect/Stdio"
import type { PipelineConfig } from "../../config/PipelineConfig.ts"
import type * as Replay from "../../replay/Replay.ts"
import { ExitCode, type ExitStatus } from "../ExitStatus.ts"
import * as Format from "../Format.ts"
import * as Progress from "../Progress.ts"
import * as Session from "../Session.ts"
import type { Place } from "./Letters.ts"

/** A letter, and the replay of its queue. */
export interface Task extends Place {
  readonly replays: Replay.Replay["Service"]
}

/** Counts the results so far. */
class Tally {
  done = 0
  gone = 0
  remaining = 0
  failed = 0
  stored = 0
  duplicate = 0
  stop = false
}

const counted = ({ duplicate, stored }: { readonly stored: number; readonly duplicate: number }) =>
  `${Format.count(stored)} stored, ${Format.count(duplicate)} stored already`

const replayed = (tally: Tally, outcome: Replay.Replayed): string => {
  tally.stored += outcome.stored
  tally.duplicate += outcome.duplicate
  if (outcome.remaining === 0) {
    tally.gone++
    return `${counted(outcome)}; the letter is deleted`
  }
  tally.remaining++
  return `${counted(outcome)}, ${Format.plural(outcome.remaining, "tick")} still in the letter: ${outcome.problem}`
}

const failed = (tally: Tally, message: string): string => {
  tally.failed++
  return `FAILED, the letter is unchanged: ${message}`
}

const stays = (tally: Tally, { message }: { readonly message: string }) =>
  Effect.sync(() => {
    tally.remaining++
    return message
  })

const one = (tally: Tally, { id, replays }: Task) =>
  replays.replay(id).pipe(
    Effect.map((outcome) => replayed(tally, outcome)),
    Effect.catchReason("DeadLetterError", "LetterMissing", () =>
      Effect.sync(() => {
        tally.gone++
        return "another process has replayed or dropped it"
      })
    ),
    Effect.catchReason("DeadLetterError", "LetterDamaged", (damage) => stays(tally, damage)),
    Effect.catchTag("LetterDamaged", (damage) => stays(tally, damage)),
    Effect.catch(({ message }) => Effect.sync(() => failed(tally, message))),
    Effect.flatMap((line) => Session.print(`${id}: ${line}`))
  )

/** Shows the progress on a terminal when the lines go elsewhere. */
const progressOn = Effect.gen(function* () {
  const { stderrIsTerminal, stdoutIsTerminal } = yield* Stdio.Stdio
  return (yield* stderrIsTerminal) && !(yield* stdoutIsTerminal) && (yield* Progress.Style) === "line"
})

const work = Effect.fnUntraced(function* (tally: Tally, tasks: ReadonlyArray<Task>) {
  const shows = yield* progressOn
  const show = (text: string) => Effect.sync(() => void (shows && process.stderr.write(`${Progress.clearLine}${text}`)))
  for (const task of tasks) {
    if (tally.stop) break
    yield* show(`${Format.count(tally.done)} of ${Format.plural(tasks.length, "letter")}`)
    yield* one(tally, task)
    tally.done++
  }
  yield* show("")
})

const summary = (tally: Tally, letters: number): string => {
  const rest = letters - tally.done
  const still = tally.remaining + tally.failed
  return [
    `${Format.count(tally.gone)} of ${Format.plural(letters, "letter")} deleted; ${counted(tally)}`,
    ...(still > 0 ? [`${Format.plural(still, "letter")} could not be replayed completely`] : []),
    ...(rest > 0 ? [`${Format.plural(rest, "letter")} not replayed, because a signal came: replay again`] : [])
  ].join("; ")
}

const exitCode = (tally: Tally, letters: number): number => {
  if (tally.failed > 0) return ExitCode.failed
  return tally.gone < letters ? ExitCode.deadLettered : ExitCode.settled
}

/** Replays `tasks`. The exit code says whether all letters are gone. */
export const run = Effect.fnUntraced(function* (
  config: Pick<PipelineConfig, "shutdownTimeout">,
  tasks: ReadonlyArray<Task>,
  status: ExitStatus
) {
  const tally = new Tally()
  yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const deadline = yield* Session.makeDeadline(config)
      const working = yield* Effect.forkScoped(Effect.interruptible(work(tally, tasks)))
      const exit = yield* Effect.exit(restore(Fiber.join(working)))
      tally.stop = true
      if (Exit.hasInterrupts(exit)) yield* Effect.logWarning("Signal received, ending after the current letter")
      const inTime = yield* Effect.raceFirst(Effect.as(Fiber.await(working), true), Effect.as(deadline.passed, false))
      const code = exitCode(tally, tasks.length)
      status.code = code
      yield* Session.print(summary(tally, tasks.length))
      if (!inTime) return yield* Session.exitNow(code)
      return yield* exit
    })
  )
})
