import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"

/** Settings of a folder of dead letters. */
export const Options = Schema.Struct({
  /** Folder that holds the letters, one file each; made when it is missing. Default "./data/.dead-letters". */
  directory: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("./data/.dead-letters"))),
  /** Most letters kept; a full queue refuses further ones. Default 10,000. */
  capacity: OptionSchema.wholeNumber(1, 10_000)
})
