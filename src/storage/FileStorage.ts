import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"

/** Settings of a folder of stored objects. */
export const Options = Schema.Struct({
  /** Folder that holds the runs; made when it is missing. Default "./data". */
  rootDirectory: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("./data"))),
  /**
   * Age from which a temporary file is taken for the leftover of a crash and removed at start. Default "1 hour". Too
   * low: the file of a slow write of another process could be taken away under it; that write then fails and is retried.
   */
  temporaryFileMaxAge: OptionSchema.duration(Duration.hours(1))
})
