/**
 * The dead letters of all queues of a configuration. Finds one by the beginning of its id.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DeadLetter from "../../deadletter/DeadLetter.ts"
import { byId, type DeadLetterQueue } from "../../deadletter/DeadLetterQueue.ts"
import * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as Suggestion from "../../config/Suggestion.ts"
import { type PipelineConfig, resourcesOf } from "../../config/Configured.ts"
import * as Kinds from "../../kinds/Kinds.ts"
import * as options from "../options.ts"
import * as StoredRuns from "../StoredRuns.ts"

/** The id of a letter, and the queue that has it. */
export interface Place {
  readonly queue: DeadLetterQueue["Service"]
  readonly id: string
}

/** A letter, as far as it can be read. */
export interface Found extends Place {
  /** The letter, or why it can't be read. */
  readonly letter: Result.Result<DeadLetter.DeadLetter, string>
  /** Its ticks, or why they can't be read. */
  readonly ticks: Result.Result<Tick.Batch, string>
}

/** The given id means no letter, or more than one. */
export class UnknownLetter extends Schema.TaggedError<UnknownLetter>()("UnknownLetter", {
  given: Schema.String,
  hint: Schema.String
}) {
  override get message() {
    return `${RunId.quote(this.given)} is not the id of one letter: ${this.hint}`
  }
}

/**
 * The lasting dead-letter queues of `config` whose folders exist, read-only or for changes. Fails with `CannotStart` when
 * none lasts, or when the folder of the runs is missing as well. Fails with `StorageError` when a folder can't be used.
 */
export const open = Effect.fnUntraced(function* (config: PipelineConfig, use: "read" | "change" = "read") {
  if (resourcesOf(config, "dead-letter queue").every(({ lasting }) => lasting === undefined)) {
    const kinds = Kinds.lasting("dead-letter queue")
    const problem = `the configuration has no ${kinds}: its dead letters end with the process`
    return yield* new options.CannotStart({ problem })
  }
  const queues = yield* StoredRuns.deadLetterQueues(config, use)
  // A misspelled folder must not look like a folder without letters.
  if (queues.length === 0) yield* StoredRuns.storages(config)
  return queues
})

/** All letters, oldest first. */
export const all = Effect.fnUntraced(function* (queues: ReadonlyArray<DeadLetterQueue["Service"]>) {
  const places = yield* Effect.forEach(queues, (queue) =>
    Effect.map(Stream.runCollect(queue.ids), (ids) => ids.map((id): Place => ({ queue, id })))
  )
  return places.flat().sort(byId)
})

const shown = 5

const named = (places: ReadonlyArray<Place>) => {
  const more = places.length > shown ? ` and ${places.length - shown} more` : ""
  return `${places
    .slice(0, shown)
    .map(({ id }) => id)
    .join(", ")}${more}`
}

/** The letter among `places` whose id is `given`, or the only one whose id begins with it. Fails with `UnknownLetter`. */
export const find = (places: ReadonlyArray<Place>, given: string): Effect.Effect<Place, UnknownLetter> => {
  const exact = places.filter(({ id }) => id === given)
  const [place, other] = exact.length > 0 ? exact : places.filter(({ id }) => given !== "" && id.startsWith(given))
  if (place !== undefined && other === undefined) return Effect.succeed(place)
  const fail = (hint: string) => Effect.fail(new UnknownLetter({ given, hint }))
  if (place !== undefined && exact.length > 1)
    return fail("two queues have a letter with this id; choose with --config")
  if (place !== undefined) return fail(`it could be ${named(places.filter(({ id }) => id.startsWith(given)))}`)
  if (places.length === 0) return fail("there are no dead letters")
  const ids = places.map(({ id }) => id)
  const near = Suggestion.nearest(given, ids)
  return fail(near === undefined ? `there are ${named(places)}` : `did you mean ${near}?`)
}

/** The letter's content. None when another process has removed it meanwhile. Fails when the queue can't be read. */
export const read = Effect.fnUntraced(function* ({ id, queue }: Place) {
  const letter = yield* queue.get(id).pipe(
    Effect.map((found): Option.Option<Found["letter"]> => Option.some(Result.succeed(found))),
    Effect.catchReason("DeadLetterError", "LetterDamaged", ({ problem }) => Effect.succeedSome(Result.fail(problem))),
    Effect.catchReason("DeadLetterError", "LetterMissing", () => Effect.succeedNone)
  )
  if (Option.isNone(letter)) return Option.none<Found>()
  const ticks: Found["ticks"] = Result.isFailure(letter.value)
    ? Result.fail(letter.value.failure)
    : Result.mapError(yield* Effect.result(DeadLetter.ticks(letter.value.success)), ({ problem }) => problem)
  const found: Found = { id, queue, letter: letter.value, ticks }
  return Option.some(found)
})

/** The letter's content. Fails when the letter is damaged or gone. Doesn't fail when only its ticks can't be read. */
export const whole = Effect.fnUntraced(function* ({ id, queue }: Place) {
  const letter = yield* queue.get(id)
  const ticks = Result.mapError(yield* Effect.result(DeadLetter.ticks(letter)), ({ problem }) => problem)
  const found: Found = { id, queue, letter: Result.succeed(letter), ticks }
  return { found, letter }
})

/** Whether the letter has ticks of the run. False for a damaged letter, which may have some. */
export const isOf = ({ ticks }: Found, runId: string): boolean =>
  Result.isSuccess(ticks) && ticks.success.some(({ simulationRunId }) => simulationRunId === runId)
