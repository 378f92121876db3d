/**
 * `tickvault dlq show`: shows all fields of a dead letter, with its payload decoded.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Logging from "../Logging.ts"
import * as Session from "../Session.ts"
import * as StoredRuns from "../StoredRuns.ts"
import * as Letters from "./Letters.ts"
import * as View from "./View.ts"

/** The id of a letter, or the beginning of one. */
export const id = Argument.String("id").pipe(Argument.withDescription("the letter's id, or a unique beginning of it"))

const flags = {
  ...StoredRuns.flags,
  logFormat: Logging.formatFlag,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("print one line of JSON, with all ticks"),
    Flag.withDefault(false)
  ),
  id
}

export const command = Command.make("show", flags, ({ id: given, json, ...where }) =>
  Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis
    const places = yield* Letters.all(yield* Letters.open(yield* StoredRuns.resolve(where)))
    const { found, letter } = yield* Letters.whole(yield* Letters.find(places, given))
    yield* Session.print(json ? View.showJson(found, letter, nowMs) : View.show(found, letter, nowMs))
  }).pipe(Effect.scoped, Effect.provide(Logging.layer(where.logFormat, "Warn")))
).pipe(Command.withDescription("Show all of a dead letter: times, source, reasons, stack, metadata, and its ticks."))
