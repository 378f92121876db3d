/**
 * `tickvault dlq replay`: stores the ticks of dead letters.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { DeadLetterQueue } from "../../deadletter/DeadLetterQueue.ts"
import type { PipelineConfig } from "../../config/PipelineConfig.ts"
import type * as Replay from "../../replay/Replay.ts"
import { ExitCode, type ExitStatus } from "../ExitStatus.ts"
import * as Format from "../Format.ts"
import * as Logging from "../Logging.ts"
import * as options from "../options.ts"
import * as Session from "../Session.ts"
import * as StoredRuns from "../StoredRuns.ts"
import * as Letters from "./Letters.ts"
import * as ReplayRun from "./ReplayRun.ts"
import * as Target from "./Target.ts"

interface Selection {
  readonly ids: ReadonlyArray<string>
  readonly all: boolean
  readonly run: Option.Option<string>
}

/** The letters with ticks of a run. Warns of damaged letters, which may have some. */
const ofRun = Effect.fnUntraced(function* (places: ReadonlyArray<Letters.Place>, runId: string) {
  const chosen: Array<Letters.Place> = []
  let damaged = 0
  for (const place of places) {
    const found = yield* Letters.read(place)
    if (Option.isNone(found)) continue
    if (Letters.isOf(found.value, runId)) chosen.push(place)
    else if (found.value.ticks._tag === "Failure") damaged++
  }
  if (damaged > 0) {
    yield* Effect.logWarning("Damaged letters were left out: they may have ticks of the run").pipe(
      Effect.annotateLogs({ letters: damaged })
    )
  }
  return chosen
})

/** The letters to replay. Fails when the flags don't say which, or say it in two ways. */
const select = Effect.fnUntraced(function* (places: ReadonlyArray<Letters.Place>, { all, ids, run }: Selection) {
  const ways = [ids.length > 0, all, Option.isSome(run)].filter(Boolean).length
  if (ways !== 1) {
    const problem = `${ways === 0 ? "say which letters to replay" : "select letters in one way only"}: ids, --all, or --run RUN`
    return yield* new options.CannotStart({ problem })
  }
  if (all) return places
  if (Option.isSome(run)) return yield* ofRun(places, run.value)
  const found = yield* Effect.forEach(ids, (id) => Letters.find(places, id))
  return [...new Set(found)]
})

type Queue = DeadLetterQueue["Service"]

/** The replay target of each queue that has one of the letters. */
const targets = Effect.fnUntraced(function* (config: PipelineConfig, places: ReadonlyArray<Letters.Place>) {
  const found = new Map<Queue, Target.Target>()
  for (const { queue } of places) {
    if (!found.has(queue)) found.set(queue, yield* Target.of(config, queue.name))
  }
  return found
})

const withReplays = Effect.fnUntraced(function* <E, R>(
  places: ReadonlyArray<Letters.Place>,
  found: ReadonlyMap<Queue, Target.Target>,
  make: (queue: Queue, target: Target.Target) => Effect.Effect<Replay.Replay["Service"], E, R>
) {
  const made = new Map<Queue, Replay.Replay["Service"]>()
  for (const [queue, target] of found) made.set(queue, yield* make(queue, target))
  return places.flatMap((place): ReadonlyArray<ReplayRun.Task> => {
    const replays = made.get(place.queue)
    return replays === undefined ? [] : [{ ...place, replays }]
  })
})

/** Prints what a replay would do. The exit code says whether it would store everything. */
const dryRun = Effect.fnUntraced(function* (tasks: ReadonlyArray<ReplayRun.Task>, status: ExitStatus) {
  let [refusing, unread] = [0, 0]
  for (const { id, replays } of tasks) {
    const line = yield* replays.preview(id).pipe(
      Effect.map(({ duplicate, fresh, refused }) => {
        if (refused > 0) refusing++
        const counts = `${Format.count(fresh)} to store, ${Format.count(duplicate)} stored already`
        return `${counts}, ${Format.count(refused)} refused${refused > 0 ? ": they would stay in the letter" : ""}`
      }),
      Effect.catch((error) =>
        Effect.sync(() => {
          if (error._tag === "StorageError") unread++
          else refusing++
          return error.message
        })
      )
    )
    yield* Session.print(`${id}: ${line}`)
  }
  status.code = unread > 0 ? ExitCode.failed : refusing > 0 ? ExitCode.deadLettered : ExitCode.settled
  yield* Session.print(`${Format.plural(tasks.length, "letter")} looked at; nothing was changed`)
})

const flags = {
  ...StoredRuns.flags,
  logFormat: Logging.formatFlag,
  all: Flag.Boolean("all").pipe(Flag.withDescription("replay every letter"), Flag.withDefault(false)),
  run: Flag.String("run").pipe(
    Flag.withMetavar("RUN"),
    Flag.withDescription("replay the letters that have ticks of this run"),
    Flag.optional
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription("only print what a replay would do"),
    Flag.withDefault(false)
  ),
  ids: Argument.String("id").pipe(
    Argument.withDescription("ids of letters, or unique beginnings of ids"),
    Argument.variadic({ min: 0 })
  )
}

export const make = (status: ExitStatus) =>
  Command.make("replay", flags, (given) =>
    Effect.gen(function* () {
      const config = yield* StoredRuns.resolve(given)
      const places = yield* Letters.all(yield* Letters.open(config, given.dryRun ? "read" : "change"))
      const chosen = yield* select(places, given)
      if (chosen.length === 0) {
        return yield* Session.print(
          places.length === 0 ? "There are no dead letters." : "No letter has ticks of the run."
        )
      }
      const found = yield* targets(config, chosen)
      if (given.dryRun) return yield* dryRun(yield* withReplays(chosen, found, Target.previews), status)
      yield* ReplayRun.run(config, yield* withReplays(chosen, found, Target.replays), status)
    }).pipe(Effect.scoped, Effect.provide(Logging.layer(given.logFormat, "Warn")))
  ).pipe(
    Command.withDescription(
      "Store the ticks of dead letters like those of a live batch. A letter is deleted when all of its ticks are stored. " +
        "Ctrl-C ends it after the current letter, a second Ctrl-C at once. Safe to repeat, and beside a running pipeline. " +
        "Exit codes: 0 no letter is left, 2 some letters are left, 1 could not start or read, 130 or 143 a signal " +
        "came before the first letter."
    )
  )
