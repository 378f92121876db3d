// @module-tag unit
import { create, fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TickDataSchema } from "../../src/domain/Contracts.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as Encoder from "../../src/protobuf/Encoder.ts"
import { GroupUnsupported } from "../../src/protobuf/GroupUnsupported.ts"
import { randomFrom } from "../support/random.ts"
import { readReal, realBatches } from "../support/realData.ts"
import { MessageMaker } from "./randomMessages.ts"
import { randomSchema } from "./randomSchemas.ts"
import { encodeAlone, group, recursiveSchema } from "./schemas.ts"

const attempt = (run: () => Uint8Array): string => {
  try {
    return Buffer.from(run()).toString("hex")
  } catch (error) {
    return String(error)
  }
}

const assertEncodesLike = (encode: (message: Message) => Uint8Array, schema: DescMessage, message: Message) => {
  const expected = attempt(() => toBinary(schema, message))
  assert.strictEqual(
    attempt(() => encode(message)),
    expected
  )
  return expected
}

describe("an encoder", () => {
  for (const { file } of realBatches) {
    it.effect(`gives the bytes of every message of ${file}`, () =>
      Effect.sync(() => {
        const encode = Encoder.make(TickDataSchema)
        for (const { payload } of new Delimited.Decoder().push(readReal(file)).frames) {
          const message = fromBinary(TickDataSchema, payload)
          const bytes = encode(message)
          assert.isTrue(Buffer.from(bytes).equals(toBinary(TickDataSchema, message)))
          assert.isTrue(Buffer.from(bytes).equals(payload))
        }
      })
    )
  }

  for (const [name, odd] of [
    ["messages", 0],
    ["messages of which some values are not as they should be", 0.03]
  ] as const) {
    it.effect(`gives the bytes, or the error, that toBinary gives for ${name} of any schema`, () =>
      Effect.sync(() => {
        let failed = 0
        let total = 0
        for (let seed = 1; seed <= 400; seed++) {
          const random = randomFrom(seed)
          const maker = new MessageMaker(random, { odd, set: random.pick([0.3, 0.8]) })
          for (const schema of randomSchema(random)) {
            const encode = Encoder.make(schema)
            for (let round = 0; round < 6; round++) {
              const outcome = assertEncodesLike(encode, schema, maker.message(schema))
              total++
              if (outcome.includes(" ")) failed++
            }
          }
        }
        assert.isAbove(total, 4000)
        assert.isBelow(failed, odd === 0 ? total / 10 : total / 2)
      })
    )
  }

  it.effect("needs no help from toBinary for messages as they should be", () =>
    Effect.sync(() => {
      let alone = 0
      for (let seed = 1; seed <= 150; seed++) {
        const random = randomFrom(seed)
        const maker = new MessageMaker(random, { odd: 0, set: 0.7 })
        for (const schema of randomSchema(random)) {
          const message = maker.message(schema)
          const expected = attempt(() => toBinary(schema, message))
          if (expected.includes(" ")) continue
          const bytes = encodeAlone(schema, message)
          if (bytes === undefined) continue
          assert.strictEqual(Buffer.from(bytes).toString("hex"), expected)
          alone++
        }
      }
      assert.isAbove(alone, 200)
    })
  )

  it.effect("gives bytes of their own, whatever the sizes", () =>
    Effect.sync(() => {
      const encode = Encoder.make(TickDataSchema)
      const random = randomFrom(1)
      const messages = Array.from({ length: 300 }, (_, index) => {
        const length = random.pick([0, 10, 5000, 16_000, 17_000, 70_000, index === 7 ? 5_000_000 : 1])
        return create(TickDataSchema, { tickNumber: BigInt(index), rngState: new Uint8Array(length).fill(index) })
      })
      const all = messages.map(encode)
      for (const [index, message] of messages.entries()) {
        const bytes = all[index] ?? new Uint8Array()
        assert.isTrue(Buffer.from(bytes).equals(toBinary(TickDataSchema, message)))
        assert.isAtMost(bytes.buffer.byteLength, Math.max(65_536, bytes.length))
      }
    })
  )

  it.effect("encodes a message that encodes another while it is read", () =>
    Effect.sync(() => {
      const encode = Encoder.make(TickDataSchema)
      const inner = create(TickDataSchema, { simulationRunId: "inner", tickNumber: 3n })
      const outer = create(TickDataSchema, { simulationRunId: "outer", tickNumber: 4n })
      Object.defineProperty(outer, "rngState", { get: () => encode(inner), enumerable: true })
      const bytes = encode(outer)
      const decoded = fromBinary(TickDataSchema, bytes)
      assert.strictEqual(decoded.simulationRunId, "outer")
      assert.isTrue(Buffer.from(decoded.rngState).equals(toBinary(TickDataSchema, inner)))
    })
  )

  it.effect("works where source must not become code", () =>
    Effect.sync(() => {
      vi.stubGlobal("Function", () => {
        throw new EvalError("Code generation from strings disallowed for this context")
      })
      try {
        const message = create(TickDataSchema, { simulationRunId: "run", tickNumber: 5n })
        const bytes = Encoder.make(TickDataSchema)(message)
        assert.isTrue(Buffer.from(bytes).equals(toBinary(TickDataSchema, message)))
      } finally {
        vi.unstubAllGlobals()
      }
    })
  )

  it.effect("is not made for a group, and says which field is one", () =>
    Effect.sync(() => {
      assert.throws(
        () => Encoder.make(recursiveSchema(group)),
        GroupUnsupported,
        /"again" of recursive\.Inner is a group/u
      )
    })
  )

  it.effect("fails as toBinary does for a message that contains itself", () =>
    Effect.sync(() => {
      const schema = recursiveSchema()
      const message = create(schema)
      Object.assign(message, { inner: Object.assign(create(schema), { $typeName: "recursive.Inner", again: message }) })
      assert.throws(() => Encoder.make(schema)(message), RangeError)
    })
  )
})
