// @module-tag integration
// These are tests of real programs. @effect-diagnostics nodeBuiltinImport:off
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import { crc32 } from "node:zlib"
import * as Tick from "../../src/domain/Tick.ts"
import * as Pipeline from "../../src/Pipeline.ts"
import { TickQueue } from "../../src/queue/TickQueue.ts"
import { root } from "./documents.ts"

const has = (program: string) => spawnSync(program, ["--version"]).status === 0

// Fields as protobuf writes them.
const text = (field: number, value: string) => [(field << 3) | 2, value.length, ...new TextEncoder().encode(value)]
const varint = (value: number): Array<number> =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]
const fixed = (field: number, wire: number, bytes: number) => [(field << 3) | wire, ...Array<number>(bytes).fill(7)]

/**
 * Tick `number` of "any-run", which is no `TickData`: a text in field 1, a 64-bit integer in field 2, and one field each
 * of the other ways in which protobuf writes them.
 */
const foreign = (number: number): Uint8Array =>
  Uint8Array.from([
    ...text(1, "any-run"),
    2 << 3,
    ...varint(number),
    ...fixed(3, 1, 8),
    ...fixed(4, 5, 4),
    5 << 3,
    ...varint(300),
    ...text(6, "what tickvault doesn't look at")
  ])

const numbers = [...Array.from({ length: 1500 }, (_, index) => index + 1), 2 ** 40]

const store = Effect.fnUntraced(function* (compression: "none" | "zstd") {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* Effect.gen(function* () {
    const queue = yield* TickQueue
    yield* queue.offerAll(
      yield* Effect.forEach(numbers, (number) => Effect.fromResult(Tick.fromBytes(foreign(number))))
    )
    yield* Pipeline.Pipeline.use(({ drain }) => drain)
  }).pipe(Effect.provide(Pipeline.layer({ directory, instances: 1, compression })))
  return `${directory}/any-run`
})

const line = (number: number) => {
  const bytes = foreign(number)
  return `any-run ${number} ${bytes.length} ${crc32(bytes).toString(16).padStart(8, "0")}`
}

describe.each(["none", "zstd"] as const)("the reader in Python of format.md, compression %s", (compression) => {
  // Programs that not every machine has: without them there is nothing to run.
  const isThere = has("python3") && (compression === "none" || has("zstd"))

  it.live.skipIf(!isThere)("reads the ticks that were stored, whatever message they are", () =>
    Effect.gen(function* () {
      const run = yield* store(compression)
      const { status, stderr, stdout } = spawnSync("python3", [`${root}examples/ticks.py`, run], { encoding: "utf8" })
      assert.strictEqual(status, 0, stderr)
      assert.deepStrictEqual(stdout.trimEnd().split("\n"), numbers.map(line))
    }).pipe(Effect.provide(Layer.fresh(NodeServices.layer)), Effect.scoped)
  )
})
