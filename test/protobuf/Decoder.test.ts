// @module-tag unit
// @effect-diagnostics nodeBuiltinImport:off
import { fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf"
import { assert, describe, it, vi } from "@effect/vitest"
import { inspect, isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import { TickDataSchema } from "../../src/domain/Contracts.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as Decoder from "../../src/protobuf/Decoder.ts"
import { GroupUnsupported } from "../../src/protobuf/GroupUnsupported.ts"
import { randomFrom, type Random } from "../support/random.ts"
import { readReal, realBatches } from "../support/realData.ts"
import { MessageMaker } from "./randomMessages.ts"
import { randomSchema } from "./randomSchemas.ts"
import { decodeAlone, group, recursiveSchema } from "./schemas.ts"

interface Outcome {
  readonly message?: Message
  readonly error?: string
}

const attempt = (run: () => Message): Outcome => {
  try {
    return { message: run() }
  } catch (error) {
    return { error: String(error) }
  }
}

/** Compares with prototypes and the signs of zeros. */
const assertDecodesLike = (decode: (bytes: Uint8Array) => Message, schema: DescMessage, bytes: Uint8Array) => {
  const expected = attempt(() => fromBinary(schema, bytes))
  const outcome = attempt(() => decode(bytes))
  if (!isDeepStrictEqual(outcome, expected)) assert.deepStrictEqual(outcome, expected)
  if (!isDeepStrictEqual(outcome, expected)) assert.fail("they differ in a prototype or the sign of a zero")
  return expected
}

/** Bytes as damage, other programs or an attacker leave them. */
const mutated = (random: Random, bytes: Uint8Array): Uint8Array => {
  const at = random.between(0, bytes.length)
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (random.between(0, 5)) {
    case 0:
      return before
    case 1:
      return Uint8Array.from([...before, random.between(0, 255), ...after])
    case 2:
      return Uint8Array.from([...before, ...after.subarray(1)])
    case 3:
      return Uint8Array.from([...before, random.pick([0x80, 0xff, 0, 0x7f, 1, 0x0b, 0x0c]), ...after.subarray(1)])
    case 4:
      return Uint8Array.from([...bytes, ...bytes])
    default:
      return Uint8Array.from([...before, ...Array.from({ length: random.between(1, 12) }, () => 0x80), ...after])
  }
}

const valid = (schema: DescMessage, message: Message): Uint8Array | undefined => {
  try {
    return toBinary(schema, message)
  } catch {
    return undefined
  }
}

describe("a decoder", () => {
  for (const { file } of realBatches) {
    it.effect(`gives the message that fromBinary gives for all of ${file}`, () =>
      Effect.sync(() => {
        const decode = Decoder.make(TickDataSchema)
        for (const { payload } of new Delimited.Decoder().push(readReal(file)).frames) {
          assertDecodesLike(decode, TickDataSchema, payload)
        }
      })
    )
  }

  it.effect("gives the message that fromBinary gives, or its error, for messages of any schema, whole or damaged", () =>
    Effect.sync(() => {
      let [whole, refused, total] = [0, 0, 0]
      for (let seed = 1; seed <= 400; seed++) {
        const random = randomFrom(seed)
        const maker = new MessageMaker(random, { odd: 0, set: random.pick([0.3, 0.8]) })
        for (const schema of randomSchema(random)) {
          const decode = Decoder.make(schema)
          for (let round = 0; round < 3; round++) {
            const bytes = valid(schema, maker.message(schema))
            if (bytes === undefined) continue
            assertDecodesLike(decode, schema, bytes)
            whole++
            if (bytes.length > 2000) continue
            for (let damage = 0; damage < 4; damage++) {
              let damaged = mutated(random, bytes)
              if (random.chance(0.3)) damaged = mutated(random, damaged)
              total++
              if (assertDecodesLike(decode, schema, damaged).error !== undefined) refused++
            }
          }
        }
      }
      assert.isAbove(whole, 2000)
      assert.isAbove(refused, total / 10)
      assert.isBelow(refused, (total * 9) / 10)
    })
  )

  it.effect("needs no help from fromBinary for what toBinary writes, and sets properties in the same order", () =>
    Effect.sync(() => {
      let alone = 0
      for (let seed = 1; seed <= 150; seed++) {
        const random = randomFrom(seed)
        const maker = new MessageMaker(random, { odd: 0, set: 0.7, unknown: 0 })
        for (const schema of randomSchema(random)) {
          const bytes = valid(schema, maker.message(schema))
          const message = bytes === undefined ? undefined : decodeAlone(schema, bytes)
          if (bytes === undefined || message === undefined) continue
          const expected = fromBinary(schema, bytes)
          assert.isTrue(isDeepStrictEqual(message, expected))
          assert.strictEqual(inspect(message, { depth: Infinity }), inspect(expected, { depth: Infinity }))
          alone++
        }
      }
      assert.isAbove(alone, 200)
    })
  )

  it.effect("reads what is nested as deep as fromBinary reads, and refuses what is nested deeper", () =>
    Effect.sync(() => {
      const schema = recursiveSchema()
      for (const recursionLimit of [undefined, 0, 1, 5]) {
        const decode = Decoder.make(schema, recursionLimit === undefined ? {} : { recursionLimit })
        let bytes = new Uint8Array()
        for (let depth = 1; depth < 120; depth++) {
          const expected = attempt(() =>
            fromBinary(schema, bytes, recursionLimit === undefined ? {} : { recursionLimit })
          )
          const outcome = attempt(() => decode(bytes))
          assert.isTrue(isDeepStrictEqual(outcome, expected))
          assert.strictEqual(outcome.message !== undefined, depth <= (recursionLimit ?? 100))
          const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]
          bytes = Uint8Array.from([0x0a, ...length, ...bytes])
        }
      }
    })
  )

  it.effect("works where source must not become code", () =>
    Effect.sync(() => {
      vi.stubGlobal("Function", () => {
        throw new EvalError("Code generation from strings disallowed for this context")
      })
      try {
        const bytes = Uint8Array.of(0x0a, 1, 0x61, 0x10, 5)
        assert.deepStrictEqual(Decoder.make(TickDataSchema)(bytes), fromBinary(TickDataSchema, bytes))
      } finally {
        vi.unstubAllGlobals()
      }
    })
  )

  it.effect("is not made for a group, and says which field is one", () =>
    Effect.sync(() => {
      assert.throws(
        () => Decoder.make(recursiveSchema(group)),
        GroupUnsupported,
        /"again" of recursive\.Inner is a group/u
      )
    })
  )
})
