/**
 * `tickvault dlq drop`: throws a dead letter away, for a reason that the ledgers of its runs keep.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Format from "../Format.ts"
import * as Logging from "../Logging.ts"
import * as Session from "../Session.ts"
import * as StoredRuns from "../StoredRuns.ts"
import * as Letters from "./Letters.ts"
import { id } from "./ShowCommand.ts"
import * as Target from "./Target.ts"
import * as View from "./View.ts"

const flags = {
  ...StoredRuns.flags,
  logFormat: Logging.formatFlag,
  reason: Flag.String("reason").pipe(
    Flag.withMetavar("TEXT"),
    Flag.withDescription("why the ticks are dropped, for the ledger"),
    Flag.map((text) => text.trim()),
    Flag.filter(
      (text) => text !== "",
      () => "a reason that is not empty"
    )
  ),
  id
}

export const command = Command.make("drop", flags, ({ id: given, reason, ...where }) =>
  Effect.gen(function* () {
    const config = yield* StoredRuns.resolve(where)
    const place = yield* Letters.find(yield* Letters.all(yield* Letters.open(config, "change")), given)
    const target = yield* Target.of(config, place.queue.name)
    const replays = yield* Target.replays(place.queue, target)
    const found = yield* Letters.read(place)
    const ticks = yield* replays.drop(place.id, reason)
    const what = Option.match(found, {
      onNone: () => Format.plural(ticks, "tick"),
      onSome: (letter) => View.contents(letter)
    })
    yield* Session.print(`Dropped ${place.id}. Deleted for good: ${what}.`)
  }).pipe(Effect.scoped, Effect.provide(Logging.layer(where.logFormat, "Warn")))
).pipe(
  Command.withDescription("Delete a dead letter for good, with its ticks. The ledger of each run keeps the reason.")
)
