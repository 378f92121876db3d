/**
 * The compiled encoder and decoder refuse fields in the delimited encoding, known as groups.
 *
 * ```ts
 * import { TickDataSchema } from "tickvault/domain/Contracts"
 * import * as Encoder from "tickvault/protobuf/Encoder"
 * import { GroupUnsupported } from "tickvault/protobuf/GroupUnsupported"
 *
 * try {
 *   Encoder.make(TickDataSchema)
 * } catch (error) {
 *   if (error instanceof GroupUnsupported) throw new Error(`${error.typeName}.${error.field} is a group`)
 * }
 * ```
 */
import * as Schema from "effect/Schema"

/** A message type has a field that is a group, itself or in a nested type. Thrown when an encoder or decoder is made. */
export class GroupUnsupported extends Schema.TaggedError<GroupUnsupported>()("GroupUnsupported", {
  /** Full name of the message type that has the field. */
  typeName: Schema.String,
  /** Name of the field in the schema. */
  field: Schema.String
}) {
  override get message() {
    return (
      `field "${this.field}" of ${this.typeName} is a group (delimited encoding), which is not supported: make it a ` +
      `length-prefixed message, or use toBinary and fromBinary of @bufbuild/protobuf`
    )
  }
}
