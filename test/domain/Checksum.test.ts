// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Checksum from "../../src/domain/Checksum.ts"
import { randomFrom } from "../support/random.ts"

const randomBytes = (random: ReturnType<typeof randomFrom>, length: number) =>
  Uint8Array.from({ length }, () => random.between(0, 255))

describe("a checksum", () => {
  it("is CRC-32 as zlib has it", () => {
    assert.strictEqual(Checksum.of(new TextEncoder().encode("123456789")), 0xcbf43926)
    assert.strictEqual(Checksum.of(new Uint8Array()), Checksum.empty)
  })

  it("runs on from that of what came before", () => {
    const random = randomFrom(1)
    const bytes = randomBytes(random, 1000)
    for (const at of [0, 1, 500, 999, 1000]) {
      assert.strictEqual(Checksum.of(bytes.subarray(at), Checksum.of(bytes.subarray(0, at))), Checksum.of(bytes))
    }
  })

  it("of a byte more is the same, told without a call", () => {
    for (const before of [0, 1, 0x0badcafe, 0x8000_0000, 0xffff_ffff]) {
      for (let byte = 0; byte < 256; byte++) {
        assert.strictEqual(Checksum.ofByte(byte, before), Checksum.of(Uint8Array.of(byte), before))
      }
    }
  })

  it("of a whole is told from those of its parts without the bytes", () => {
    const random = randomFrom(2)
    for (const length of [0, 1, 2, 3, 7, 8, 255, 256, 1000, 65_537]) {
      const shift = new Checksum.Shift(length)
      const own = randomBytes(random, length)
      for (let before = 0; before < 4; before++) {
        const sum = Checksum.of(randomBytes(random, before * 50))
        assert.strictEqual(shift.join(sum, Checksum.of(own)), Checksum.of(own, sum), `${length} bytes`)
      }
    }
  })

  it("is written as eight digits, and read from those only", () => {
    for (const checksum of [0, 1, 0x0badcafe, 0xffff_ffff]) {
      assert.strictEqual(Checksum.fromHex(Checksum.toHex(checksum)), checksum)
    }
    assert.strictEqual(Checksum.toHex(0xabc), "00000abc")
    for (const text of ["", "abc", "00000ABC", "0x000abc", "000000abc", " 0000abc"]) {
      assert.isUndefined(Checksum.fromHex(text), text)
    }
  })
})
