/**
 * Decodes protobuf messages with code that is generated for their type, several times as fast as `fromBinary` of
 * `@bufbuild/protobuf`, and with the same result: an equal message, or the same error.
 *
 * Some bytes are not as an encoder writes them, such as damaged bytes or a message in two parts. `fromBinary` reads or
 * refuses those. It also reads everything when the platform forbids generated code.
 *
 * ```ts
 * import { TickDataSchema } from "tickvault/domain/Contracts"
 * import * as Decoder from "tickvault/protobuf/Decoder"
 *
 * const decode = Decoder.make(TickDataSchema)
 * export const organisms = (bytes: Uint8Array) => decode(bytes).organisms.length
 * ```
 */
import { create, fromBinary, protoInt64, type DescMessage, type MessageShape } from "@bufbuild/protobuf"
import { DecoderSource } from "./internal/decoderSource.ts"
import { evaluate, isAllowed, isFunction } from "./internal/generate.ts"
import * as Messages from "./internal/messages.ts"
import { known } from "./internal/reading.ts"

export interface Options {
  /** The greatest nesting depth of messages, including the outermost. A deeper message is refused. Default 100. */
  readonly recursionLimit?: number
}

type Read = (bytes: Uint8Array, from: number, end: number, depth: number) => unknown

/** The generated decoder. `undefined` when code can't be generated here. */
const compile = (messages: ReadonlyArray<DescMessage>): Read | undefined => {
  if (!isAllowed() || !protoInt64.supported || !Messages.areNameable(messages)) return undefined
  const samples = messages.map((message) => create(message))
  const hasPrototype = (message: DescMessage) =>
    Object.getPrototypeOf(samples[messages.indexOf(message)]) !== Object.prototype
  const made = evaluate(new DecoderSource(messages, hasPrototype).make(), { ...known, samples })
  return isFunction(made) ? made : undefined
}

/** The message in `bytes`. `undefined` when `fromBinary` must read them. */
const attempt = (read: Read, bytes: Uint8Array, depth: number): unknown => {
  try {
    return bytes instanceof Uint8Array ? read(bytes, 0, bytes.length, depth) : undefined
  } catch {
    return undefined
  }
}

const isMessage = <Schema extends DescMessage>(value: unknown): value is MessageShape<Schema> => value !== undefined

/**
 * A decoder for the messages of `schema`. Making it is cheap: its code is generated for the first message.
 *
 * Fields of type `bytes` and unknown fields are views of the input, not copies.
 *
 * Throws `GroupUnsupported` when `schema` leads to a group. The decoder throws what `fromBinary` throws.
 */
export const make = <Schema extends DescMessage>(
  schema: Schema,
  options: Options = {}
): ((bytes: Uint8Array) => MessageShape<Schema>) => {
  const messages = Messages.reachable(schema)
  const depth = options.recursionLimit ?? 100
  let read: Read | undefined
  let isCompiled = false
  return (bytes) => {
    if (!isCompiled) {
      read = compile(messages)
      isCompiled = true
    }
    const message = read === undefined ? undefined : attempt(read, bytes, depth)
    return isMessage<Schema>(message) ? message : fromBinary(schema, bytes, { recursionLimit: depth })
  }
}
