import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"

/** Settings of a dead-letter queue in memory. */
export const Options = Schema.Struct({
  /** Most letters kept; a full queue refuses further ones. Default 100. */
  capacity: OptionSchema.wholeNumber(1, 100)
})
