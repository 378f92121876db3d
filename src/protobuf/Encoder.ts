/**
 * Encodes protobuf messages with code that is generated for their type, several times as fast as `toBinary` of
 * `@bufbuild/protobuf`, and with the same result: the same bytes, or the same error.
 *
 * Unusual values, such as a number given as text, go to `toBinary`, which encodes or refuses them. So does everything when
 * the platform forbids generated code.
 *
 * ```ts
 * import { create } from "@bufbuild/protobuf"
 * import { TickDataSchema } from "tickvault/domain/Contracts"
 * import * as Encoder from "tickvault/protobuf/Encoder"
 *
 * const encode = Encoder.make(TickDataSchema)
 * export const bytes = encode(create(TickDataSchema, { simulationRunId: "run-1", tickNumber: 1n }))
 * ```
 */
import { protoInt64, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf"
import { EncoderSource } from "./internal/encoderSource.ts"
import { evaluate, isAllowed, isFunction } from "./internal/generate.ts"
import * as Messages from "./internal/messages.ts"
import { full, known } from "./internal/writing.ts"

/** Writes `message` into `bytes` at `at`. Returns the offset after it. Throws `full` or another error. */
type Write = (message: unknown, bytes: Uint8Array, at: number) => unknown

const smallest = 64 * 1024

/** The buffer that all messages are first written to. The result is a copy of the right size. */
let scratch = new Uint8Array(smallest)

/** A scratch buffer that grows beyond this is not kept. */
const largestKept = 4 * 1024 * 1024

/** A message that needs more goes to `toBinary`: the scratch buffer needs room for the worst case. */
const largest = 256 * 1024 * 1024

/** Whether `scratch` is in use: a getter of a message may encode another message. */
let isInUse = false

/** Small results share buffers of this size. Larger ones have their own. */
const slabSize = 64 * 1024
const largestShared = slabSize / 4

let slab = new ArrayBuffer(0)
let slabUsed = 0

const copy = (length: number): Uint8Array => {
  if (length > largestShared) return scratch.slice(0, length)
  if (length > slab.byteLength - slabUsed) {
    slab = new ArrayBuffer(slabSize)
    slabUsed = 0
  }
  const result = new Uint8Array(slab, slabUsed, length)
  result.set(scratch.subarray(0, length))
  slabUsed += length
  return result
}

/** Writes `message` to `scratch` and returns its length. `undefined` when `toBinary` must encode it. */
const measure = (write: Write, message: unknown): number | undefined => {
  for (;;) {
    try {
      const end = write(message, scratch, 0)
      return typeof end === "number" ? end : undefined
    } catch (error) {
      if (error !== full || scratch.length >= largest) return undefined
      scratch = new Uint8Array(scratch.length * 2)
    }
  }
}

const encodeWith = (write: Write, message: unknown): Uint8Array | undefined => {
  if (isInUse) return undefined
  isInUse = true
  try {
    const length = measure(write, message)
    return length === undefined ? undefined : copy(length)
  } finally {
    if (scratch.length > largestKept) scratch = new Uint8Array(smallest)
    isInUse = false
  }
}

/** The generated encoder. `undefined` when code can't be generated here. */
const compile = (messages: ReadonlyArray<DescMessage>): Write | undefined => {
  if (!isAllowed() || !protoInt64.supported || !Messages.areNameable(messages)) return undefined
  const made = evaluate(new EncoderSource(messages).make(), known)
  return isFunction(made) ? made : undefined
}

/**
 * An encoder for the messages of `schema`. Making it is cheap: its code is generated for the first message.
 *
 * The result belongs to the caller and shares nothing with the message. It may share its `buffer` with other results:
 * don't transfer that buffer. Copy the bytes if you keep few of many results for long, because each holds 64 KiB.
 *
 * Throws `GroupUnsupported` when `schema` leads to a group. The encoder throws what `toBinary` throws.
 */
export const make = <Schema extends DescMessage>(schema: Schema): ((message: MessageShape<Schema>) => Uint8Array) => {
  const messages = Messages.reachable(schema)
  let write: Write | undefined
  let isCompiled = false
  return (message) => {
    if (!isCompiled) {
      write = compile(messages)
      isCompiled = true
    }
    return (write === undefined ? undefined : encodeWith(write, message)) ?? toBinary(schema, message)
  }
}
