// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
/**
 * `verify` and reading all ticks of a run, compared with plain loops that read the same files one after the other, from the
 * same cache. The loops: into a single buffer, which is the fastest way; the same with the CRC-32 of the bytes, which
 * tickvault needs too; Node's streams; and whole decompressed files.
 *
 * Node's `crc32` alone reaches a quarter to a third of the speed of the first loop. tickvault can't be faster than that.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { closeSync, createReadStream, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib"
import { inOrder, type Case, type Side } from "../Case.ts"
import type { Measured } from "../Measured.ts"
import { batchFiles, many, type Payload, payloads, ticks, tickStream } from "../data.ts"
import { rebuildLedger } from "../turns.ts"
import * as VersionTurns from "../versionTurns.ts"
import * as RunFiles from "../../src/runs/RunFiles.ts"
import * as RunTicks from "../../src/runs/RunTicks.ts"
import * as DeadLetterQueues from "../../src/deadletter/DeadLetterQueues.ts"
import * as Verify from "../../src/verify/Verify.ts"
import { Storage } from "../../src/storage/Storage.ts"
import * as StoredFiles from "../../src/storage/StoredFiles.ts"

const batch = 1000

type Codec = "none" | "zstd"

const encoded = (content: Uint8Array, codec: Codec) =>
  codec === "none"
    ? content
    : zstdCompressSync(content, {
        params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 }
      })

/** Makes a run with its ledger. Returns its files in order. */
const fill = Effect.fnUntraced(function* (folder: string, payload: Payload, codec: Codec) {
  const files: Array<string> = []
  for (let from = 1; from <= many[payload]; from += batch) {
    const some = [...tickStream(payload, batch, from)]
    const run = join(folder, some[0]!.simulationRunId)
    mkdirSync(run, { recursive: true })
    const [first, last] = [from, from + batch - 1].map((number) => `${number}`.padStart(19, "0"))
    const file = join(run, `batch_${first}_${last}.pb${codec === "zstd" ? ".zst" : ""}`)
    writeFileSync(file, encoded(batchFiles(some, batch)[0]!, codec))
    files.push(file)
  }
  yield* rebuildLedger(folder)
  return files
})

type Reader = (files: ReadonlyArray<string>) => Effect.Effect<number>

const buffer = Buffer.allocUnsafeSlow(1024 * 1024)

/** Reads into a single buffer. Calls `look` with the bytes before they are overwritten. */
const intoOneBuffer =
  (look: (bytes: Uint8Array) => void): Reader =>
  (files) =>
    Effect.sync(() => {
      let bytes = 0
      for (const file of files) {
        const descriptor = openSync(file, "r")
        for (let read = -1; read !== 0; bytes += read) {
          read = readSync(descriptor, buffer, 0, buffer.length, null)
          look(buffer.subarray(0, read))
        }
        closeSync(descriptor)
      }
      return bytes
    })

const asStream: Reader = (files) =>
  Effect.promise(async () => {
    let bytes = 0
    for (const file of files) {
      for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }))
        bytes += (chunk as Buffer).length
    }
    return bytes
  })

const decompressed: Reader = (files) =>
  Effect.sync(() => {
    let bytes = 0
    for (const file of files) bytes += zstdDecompressSync(readFileSync(file)).length
    return bytes
  })

interface Loop {
  /** Part of the name of the case. */
  readonly kind: string
  readonly name: string
  readonly codec: Codec
  readonly read: Reader
}

const loops: ReadonlyArray<Loop> = [
  { kind: "", name: "loop: read into one buffer", codec: "none", read: intoOneBuffer(() => undefined) },
  {
    kind: " crc",
    name: "loop: read into one buffer, crc32",
    codec: "none",
    read: intoOneBuffer((bytes) => crc32(bytes))
  },
  { kind: " stream", name: "loop: for await of createReadStream", codec: "none", read: asStream },
  { kind: " zstd", name: "loop: readFileSync, zstdDecompressSync", codec: "zstd", read: decompressed }
]

/** Counts the ticks of the only run. */
type Finder = Effect.Effect<number, unknown, Storage>

const verified: Finder = Stream.runHead(Verify.verifyAll()).pipe(
  Effect.map((verdict) => (verdict._tag === "Some" && verdict.value.state === "whole" ? verdict.value.ticks : 0)),
  Effect.provide(DeadLetterQueues.layerNone)
)

const all: Finder = RunFiles.runIds.pipe(
  Stream.flatMap((runId) => RunTicks.ticks(runId, { payloads: "lent" })),
  Stream.runCount
)

const timed = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = performance.now()
    const result = yield* work
    return [result, (performance.now() - start) / 1000] as const
  })

const inTurn =
  (payload: Payload, { codec, read }: Loop, find: Finder) =>
  (folder: string, first: Side) =>
    Effect.gen(function* () {
      const files = yield* fill(folder, payload, codec)
      const storage = yield* StoredFiles.make("bench", folder)
      const finding = Effect.provideService(find, Storage, storage)
      // The first pass warms the code and the cache, the second is measured.
      yield* finding
      const ticks = many[payload]
      const bytes = yield* read(files)
      return yield* inOrder(first, {
        peer: Effect.map(timed(read(files)), ([, seconds]): Measured => ({ seconds, ticks, bytes })),
        ours: Effect.map(timed(finding), ([found, seconds]): Measured => ({
          seconds,
          ticks,
          bytes,
          lost: ticks - found
        }))
      })
    }).pipe(Effect.provide(NodeServices.layer), Effect.orDie)

export const cases: ReadonlyArray<Case> = loops.flatMap((loop) =>
  (
    [
      ["verify", verified],
      ["read", all]
    ] as const
  ).flatMap(([name, find]) =>
    payloads.map((payload): Case => ({
      name: `${name} ${payload}${loop.kind}`,
      settings: { payload, batch, codec: loop.codec },
      peer: loop.name,
      ours: name === "verify" ? "verify" : "all ticks of the run",
      ...(name === "verify" && (loop.kind === "" || loop.kind === " zstd")
        ? {
            version: VersionTurns.verify(() => ticks(payload, many[payload]), { instances: 1, compression: loop.codec })
          }
        : {}),
      goal: { of: "speed", atLeast: 0.7 },
      turns: { in: "one process", both: inTurn(payload, loop, find) }
    }))
  )
)
