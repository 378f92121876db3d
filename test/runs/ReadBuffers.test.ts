// @module-tag unit
import { assert, it } from "@effect/vitest"
import { maxIdle, ReadBuffers } from "../../src/runs/internal/ReadBuffers.ts"

it("uses the buffers of a batch again, up to a bound", () => {
  const buffers = new ReadBuffers()
  const take = () => {
    const { giveBack, room } = buffers.lend()
    const taken = Array.from({ length: maxIdle + 2 }, () => room())
    giveBack()
    return taken
  }
  const first = take()
  assert.lengthOf(
    take().filter((buffer) => first.includes(buffer)),
    maxIdle
  )
})
