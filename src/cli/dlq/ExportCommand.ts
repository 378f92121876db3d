/**
 * `tickvault dlq export`: writes the content of a dead letter to a file for other programs.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { PlatformError } from "effect/PlatformError"
import * as DeadLetter from "../../deadletter/DeadLetter.ts"
import * as Format from "../Format.ts"
import * as Logging from "../Logging.ts"
import * as options from "../options.ts"
import * as Session from "../Session.ts"
import * as StoredRuns from "../StoredRuns.ts"
import * as Letters from "./Letters.ts"
import { id } from "./ShowCommand.ts"

const why = ({ message, reason }: PlatformError): string => {
  if (reason._tag === "AlreadyExists") return "it exists already and is not overwritten: choose another name"
  return reason._tag === "NotFound" ? "there is no such folder" : message
}

/** Writes a new file durably, whole or not at all. Fails when the file exists. A signal waits until that is done. */
const write = Effect.fnUntraced(function* (file: string, bytes: Uint8Array) {
  const fs = yield* FileSystem.FileSystem
  const fill = (opened: FileSystem.File) => Effect.andThen(opened.writeAll(bytes), opened.sync)
  yield* Effect.scoped(
    Effect.flatMap(fs.open(file, { flag: "wx" }), (opened) =>
      Effect.onError(fill(opened), () => Effect.ignore(fs.remove(file)))
    )
  ).pipe(
    Effect.mapError((error) => new options.CannotStart({ problem: `${file} can't be written: ${why(error)}` })),
    Effect.uninterruptible
  )
})

const flags = {
  ...StoredRuns.flags,
  logFormat: Logging.formatFlag,
  letter: Flag.Boolean("letter").pipe(
    Flag.withDescription("write the whole DeadLetterMessage instead of its ticks"),
    Flag.withDefault(false)
  ),
  id,
  file: Argument.String("file").pipe(Argument.withDescription('a new file; "-" is standard output'))
}

export const command = Command.make("export", flags, ({ file, id: given, letter: asLetter, ...where }) =>
  Effect.gen(function* () {
    const places = yield* Letters.all(yield* Letters.open(yield* StoredRuns.resolve(where)))
    const { letter } = yield* Letters.whole(yield* Letters.find(places, given))
    const { length } = asLetter ? [] : yield* DeadLetter.ticks(letter)
    const bytes = asLetter ? letter.bytes : letter.message.originalMessage
    if (file === "-") {
      const stdio = yield* Stdio.Stdio
      return yield* Stream.run(Stream.make(bytes), stdio.stdout({ endOnDone: false }))
    }
    yield* write(file, bytes)
    const what = asLetter ? "the letter" : Format.plural(length, "tick")
    yield* Session.print(`Wrote ${what}, ${Format.bytes(bytes.length)}, to ${file}. The letter stays where it is.`)
  }).pipe(Effect.scoped, Effect.provide(Logging.layer(where.logFormat, "Warn")))
).pipe(
  Command.withDescription(
    "Write the ticks of a dead letter to a file that `tickvault ingest` takes, or the letter itself with --letter."
  )
)
