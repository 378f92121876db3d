/**
 * `tickvault dlq list`: lists the dead letters, oldest first.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Logging from "../Logging.ts"
import * as Session from "../Session.ts"
import * as StoredRuns from "../StoredRuns.ts"
import * as Letters from "./Letters.ts"
import * as View from "./View.ts"

const flags = {
  ...StoredRuns.flags,
  logFormat: Logging.formatFlag,
  run: Flag.String("run").pipe(
    Flag.withMetavar("RUN"),
    Flag.withDescription("only letters with ticks of this run, and damaged letters, which may have some"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("print one line of JSON"), Flag.withDefault(false))
}

export const command = Command.make("list", flags, ({ json, run, ...given }) =>
  Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis
    const queues = yield* Letters.open(yield* StoredRuns.resolve(given))
    const rows: Array<View.Row> = []
    // One at a time: a letter may be as large as a batch.
    for (const place of yield* Letters.all(queues)) {
      const found = yield* Letters.read(place)
      if (Option.isNone(found)) continue
      const row = View.row(found.value, nowMs)
      if (Option.isSome(run) && row.damaged === undefined && !row.runs.includes(run.value)) continue
      rows.push(row)
    }
    if (json) return yield* Session.print(View.listJson(rows))
    if (rows.length > 0) return yield* Session.print(View.list(rows))
    yield* Session.print(
      Option.isSome(run) ? "There are no dead letters with ticks of the run." : "There are no dead letters."
    )
  }).pipe(Effect.scoped, Effect.provide(Logging.layer(given.logFormat, "Warn")))
).pipe(Command.withDescription("List the dead letters, oldest first: id, run, ticks, reason, age and retries."))
