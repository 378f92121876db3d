// @module-tag unit
import { BinaryWriter } from "@bufbuild/protobuf/wire"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { readReal, realBatches } from "../support/realData.ts"

const encode = (ticks: ReadonlyArray<Tick.Tick>) => Bytes.concat([...Delimited.encode(ticks)])

const split = (bytes: Uint8Array, size: number): Array<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.slice(index * size, (index + 1) * size))

const raw = (...payloads: ReadonlyArray<Uint8Array>) => {
  const writer = new BinaryWriter()
  for (const payload of payloads) writer.bytes(payload)
  return writer.finish()
}

/** What a stream of ticks gives before it ends or fails. */
const read = Effect.fnUntraced(function* (chunks: ReadonlyArray<Uint8Array>, maxMessageBytes?: number) {
  const ticks: Array<Tick.Tick> = []
  const result = yield* Delimited.ticks(Stream.fromIterable(chunks), maxMessageBytes).pipe(
    Stream.runForEach((tick) => Effect.sync(() => ticks.push(tick))),
    Effect.result
  )
  return { ticks, error: Result.isFailure(result) ? result.failure : undefined }
})

const lengths = [0, 1, 127, 128, 129, 300, 16_383, 16_384, 70_000]
const ticks = lengths.map((stuffing, index) => TestTick.make(`run-${index % 2}`, index, stuffing))

describe("the delimited format", () => {
  it.effect("is each message after its length as a varint, and nothing else", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(encode(ticks), raw(...ticks.map(({ payload }) => payload)))
      assert.strictEqual(encode([]).length, 0)
    })
  )

  it.effect("has the size that is foretold", () =>
    Effect.sync(() => {
      assert.strictEqual(Delimited.encodedBytes(ticks), encode(ticks).length)
      assert.strictEqual(Delimited.encodedBytes([]), 0)
      for (const size of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2 ** 31, 2 ** 32]) {
        assert.strictEqual(Delimited.prefixBytes(size), new BinaryWriter().int64(size).finish().length, `${size}`)
      }
    })
  )

  it.effect("is encoded in pieces of a few MiB, each made when it is asked for", () =>
    Effect.sync(() => {
      const many = TestTick.range("run", 1, 30, 1_000_000)
      const pieces = [...Delimited.encode(many)]
      assert.strictEqual(pieces.length, 6)
      for (const piece of pieces) assert.isAtMost(piece.length, 6_000_000)
      assert.isTrue(Bytes.Equivalence(Bytes.concat(pieces), raw(...many.map(({ payload }) => payload))))
    })
  )

  it.effect("survives being cut into chunks of any size", () =>
    Effect.gen(function* () {
      const small = TestTick.range("run", 1, 12, 3).concat(TestTick.make("run", 13, 200))
      const bytes = encode(small)
      for (let size = 1; size <= bytes.length; size++) {
        const { error, ticks } = yield* read(split(bytes, size))
        assert.isUndefined(error)
        assert.deepStrictEqual(ticks, small, `chunks of ${size} bytes`)
      }
    })
  )

  it.effect("survives empty chunks, and a first chunk that grows by one byte at a time", () =>
    Effect.gen(function* () {
      const bytes = encode(ticks)
      const empty = new Uint8Array()
      for (const at of [0, 1, 2, 3, 14, 15, 200, 17_000, bytes.length]) {
        const { error, ticks: found } = yield* read([empty, bytes.slice(0, at), empty, empty, bytes.slice(at), empty])
        assert.isUndefined(error)
        assert.deepStrictEqual(found, ticks)
      }
    })
  )

  it.effect.each(realBatches)("is what $file is in", (real) =>
    Effect.gen(function* () {
      const bytes = readReal(real.file)
      const { error, ticks } = yield* read(split(bytes, 65_536))
      assert.isUndefined(error)
      assert.strictEqual(ticks.length, real.ticks)
      assert.strictEqual(Delimited.encodedBytes(ticks), real.bytes)
      assert.isTrue(Bytes.Equivalence(encode(ticks), bytes))
    })
  )

  it.effect("gives the place of every message", () =>
    Effect.gen(function* () {
      const frames = yield* Stream.runCollect(Delimited.frames(Stream.make(encode(ticks))))
      let offset = 0
      for (const [index, frame] of frames.entries()) {
        assert.strictEqual(frame.ordinal, index + 1)
        assert.strictEqual(frame.offset, offset)
        offset += Delimited.encodedBytes(ticks.slice(index, index + 1))
      }
      assert.strictEqual(frames.length, ticks.length)
    })
  )

  it.effect("has messages of no bytes, which are ticks 0 of no run", () =>
    Effect.gen(function* () {
      const { error, ticks } = yield* read([Uint8Array.of(0, 0)])
      assert.isUndefined(error)
      assert.deepStrictEqual(
        ticks.map(({ payload, simulationRunId, tickNumber }) => [payload.length, simulationRunId, tickNumber]),
        [
          [0, "", 0n],
          [0, "", 0n]
        ]
      )
    })
  )
})

describe("a damaged stream", () => {
  const good = [...TestTick.range("run", 1, 3, 2), TestTick.make("run", 4, 130)]
  const bytes = encode(good)
  const ends = good.map((_, index) => Delimited.encodedBytes(good.slice(0, index + 1)))

  it.effect("gives all messages before the cut and then the place of the one that is not whole", () =>
    Effect.gen(function* () {
      for (let length = 0; length <= bytes.length; length++) {
        const whole = ends.filter((end) => end <= length).length
        const begin = ends[whole - 1] ?? 0
        for (const size of [1, 7, bytes.length]) {
          const { error, ticks } = yield* read(split(bytes.slice(0, length), size))
          assert.deepStrictEqual(ticks, good.slice(0, whole), `cut to ${length} bytes, chunks of ${size}`)
          if (length === begin) assert.isUndefined(error)
          else {
            assert.strictEqual(error?.offset, begin)
            assert.strictEqual(error?.ordinal, whole + 1)
            assert.include(error?.message, `message ${whole + 1} at byte ${begin}: the stream ends within the message`)
            assert.include(error?.message, `after ${length - begin} of its bytes`)
          }
        }
      }
    })
  )

  it.effect("is refused at once when a length is over the limit", () =>
    Effect.gen(function* () {
      const limit = good[0]!.payload.length
      const { error, ticks } = yield* read([Bytes.concat([bytes, Uint8Array.of(1)])], limit)
      assert.deepStrictEqual(ticks, good.slice(0, 3))
      assert.strictEqual(error?.ordinal, 4)
      assert.strictEqual(error?.offset, ends[2])
      assert.include(error?.message, `is over the limit of ${limit}`)
      assert.isUndefined((yield* read([encode(good.slice(0, 3))], limit)).error)
    })
  )

  it.effect("asks for no memory on the word of a length", () =>
    Effect.gen(function* () {
      const claims = [
        Uint8Array.of(0x80, 0x80, 0x80, 0x20), // 64 MiB, the limit
        Uint8Array.of(0x81, 0x80, 0x80, 0x20), // one over it
        Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), // 4 GiB
        Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f) // 2^63
      ]
      const before = process.memoryUsage().arrayBuffers
      for (const claim of claims) {
        const { error } = yield* read([claim, Uint8Array.of(1, 2, 3)])
        assert.include(error?.message, claim.length === 4 && claim[0] === 0x80 ? "ends within" : "over the limit")
      }
      assert.isBelow(process.memoryUsage().arrayBuffers - before, 8 * 1024 * 1024)
    })
  )

  it.effect("is refused when a length is not a varint", () =>
    Effect.gen(function* () {
      const overlong = Uint8Array.from({ length: 11 }, () => 0xff)
      for (const size of [1, 11]) {
        const { error, ticks } = yield* read([encode(good), ...split(overlong, size)], Number.MAX_VALUE)
        assert.deepStrictEqual(ticks, good)
        assert.strictEqual(error?.ordinal, 5)
        assert.include(error?.message, "is not a varint")
      }
    })
  )

  it.effect("takes a length with more bytes than it needs", () =>
    Effect.gen(function* () {
      const [first] = good
      const { error, ticks } = yield* read([
        Bytes.concat([Uint8Array.of(first!.payload.length | 0x80, 0x80, 0), first!.payload, encode(good)])
      ])
      assert.isUndefined(error)
      assert.deepStrictEqual(ticks, [first!, ...good])
    })
  )

  it.effect("is a message that is no tick, with all ticks before it given", () =>
    Effect.gen(function* () {
      const bad = Bytes.concat([encode(good), raw(Uint8Array.of(10, 5, 97)), encode(good)])
      const { error, ticks } = yield* read(split(bad, 9))
      assert.deepStrictEqual(ticks, good)
      assert.strictEqual(error?.ordinal, 5)
      assert.strictEqual(error?.offset, bytes.length)
      assert.include(error?.message, "not a TickData message: length beyond the end at byte 1 of the message")
    })
  )

  it.effect("fails with the error of the source when that fails, after what was good", () =>
    Effect.gen(function* () {
      const found: Array<bigint> = []
      const error = yield* Delimited.ticks(Stream.concat(Stream.make(bytes.slice(0, -1)), Stream.fail("gone"))).pipe(
        Stream.runForEach((tick) => Effect.sync(() => found.push(tick.tickNumber))),
        Effect.flip
      )
      assert.strictEqual(error, "gone")
      assert.deepStrictEqual(found, [1n, 2n, 3n])
    })
  )
})

const byte = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
const someBytes = (maxLength: number) =>
  Arbitrary.map(Arbitrary.array(byte, { maxLength }), (bytes) => Uint8Array.from(bytes))
const chunkSize = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })))

describe("any stream", () => {
  it.effect.prop(
    "of messages comes back as it was, whatever the chunks",
    { payloads: Arbitrary.array(someBytes(300), { maxLength: 10 }), size: chunkSize },
    Effect.fnUntraced(function* ({ payloads, size }) {
      const bytes = raw(...payloads)
      const frames = yield* Stream.runCollect(Delimited.frames(Stream.fromIterable(split(bytes, size))))
      assert.deepStrictEqual(
        frames.map(({ payload }) => [...payload]),
        payloads.map((payload) => [...payload])
      )
    }),
    { arbitrary: { runs: 500, size: 300 } }
  )

  it.effect.prop(
    "of bytes gives the same messages and the same error, whatever the chunks",
    { bytes: someBytes(80), size: chunkSize },
    Effect.fnUntraced(function* ({ bytes, size }) {
      const whole = yield* read([bytes], 50)
      const pieces = yield* read(split(bytes, size), 50)
      assert.deepStrictEqual(pieces.ticks, whole.ticks)
      assert.deepStrictEqual(pieces.error?.message, whole.error?.message)
    }),
    { arbitrary: { runs: 2000, size: 100 } }
  )
})

describe("the pieces of ticks that were read", () => {
  it.effect("are the bytes that they were read from, without a copy where they lie so", () =>
    Effect.gen(function* () {
      const bytes = encode(ticks)
      for (const size of [1, 13, 1000, 70_001, bytes.length]) {
        const chunks = split(bytes, size)
        const { ticks: found } = yield* read(chunks)
        assert.deepStrictEqual(Bytes.concat(Delimited.pieces(found)), bytes, `in chunks of ${size}`)
      }
      const { ticks: found } = yield* read([bytes])
      const [piece, ...others] = Delimited.pieces(found)
      assert.lengthOf(others, 0)
      assert.strictEqual(piece?.buffer, bytes.buffer)
    })
  )

  it.effect("are those of any ticks in any order", () =>
    Effect.gen(function* () {
      const { ticks: found } = yield* read([encode(ticks)])
      const others = [...found.toReversed(), ...ticks, ...found.filter((_, index) => index % 2 === 0)]
      assert.deepStrictEqual(Bytes.concat(Delimited.pieces(others)), encode(others))
      assert.deepStrictEqual(Delimited.pieces([]), [])
    })
  )
})
