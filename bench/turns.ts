// @effect-diagnostics nodeBuiltinImport:off
/**
 * The turns of the cases: code written by hand, and the pipeline in an app.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs"
import { join } from "node:path"
import type { Batch, Tick } from "../src/domain/Tick.ts"
import * as DeadLetterQueues from "../src/deadletter/DeadLetterQueues.ts"
import * as Delimited from "../src/domain/Delimited.ts"
import * as Ledger from "../src/ledger/Ledger.ts"
import * as Pipeline from "../src/Pipeline.ts"
import { TickQueue } from "../src/queue/TickQueue.ts"
import * as Rebuild from "../src/verify/Rebuild.ts"
import * as RunFiles from "../src/runs/RunFiles.ts"
import * as Verify from "../src/verify/Verify.ts"
import { Storage } from "../src/storage/Storage.ts"
import type { Turn } from "./Case.ts"
import type { Measured } from "./Measured.ts"

/** The duration of `work` in seconds. */
export const timed = (work: () => void): number => {
  const start = performance.now()
  work()
  return (performance.now() - start) / 1000
}

/** Writes each of `contents` into its own file, fsyncs and renames it, one after the other. Returns the time of each. */
export const writeFiles = (folder: string, contents: ReadonlyArray<Uint8Array>): Array<number> => {
  mkdirSync(folder, { recursive: true })
  return contents.map((bytes, index) =>
    timed(() => {
      const temporary = join(folder, "temporary")
      const file = openSync(temporary, "w")
      for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written)
      fsyncSync(file)
      closeSync(file)
      renameSync(temporary, join(folder, `${index}.pb`))
    })
  )
}

/** The plain loop over `contents`, which have `ticks` ticks. */
export const loop = (ticks: number, contents: () => ReadonlyArray<Uint8Array>): Turn => {
  return (folder) =>
    Effect.sync(() => {
      const all = contents()
      writeFiles(join(folder, "warm-up"), all.slice(0, 5))
      let commits: Array<number> = []
      const seconds = timed(() => (commits = writeFiles(join(folder, "files"), all)))
      const bytes = all.reduce((total, { length }) => total + length, 0)
      return { seconds, ticks, bytes, storedBytes: bytes, commitMs: commits.map((each) => each * 1000) }
    })
}

/** The result of `verify` and of the ledger for the only run in the folder. */
const proof = Effect.gen(function* () {
  const storage = yield* Storage
  const [runId] = yield* Stream.runCollect(RunFiles.runIds)
  if (runId === undefined) throw new Error("nothing was stored")
  const verdict = yield* Effect.provide(Verify.verify(runId), DeadLetterQueues.layerNone)
  if (verdict.state !== "whole") throw new Error(`verify: the run is ${verdict.state}`)
  const commitMs: Array<number> = []
  yield* Stream.runForEach(Ledger.read(runId), (item) =>
    Effect.sync(() => {
      if (item._tag === "Line" && item.entry._tag === "Commit" && item.entry.write !== undefined)
        commitMs.push(item.entry.write.tookMs)
    })
  )
  let storedBytes = 0
  for (const { key } of yield* RunFiles.batches(runId)) storedBytes += (yield* storage.stat(key))?.bytes ?? 0
  return { ticks: verdict.ticks, commitMs, storedBytes }
})

export type PipelineOptions = Omit<NonNullable<Parameters<typeof Pipeline.layer>[0]>, "directory">

/** The services of Node, or a replacement. */
export type Platform = typeof NodeServices.layer

const inFolder = (folder: string, options: PipelineOptions = {}, platform: Platform = NodeServices.layer) =>
  Pipeline.layer({ ...options, directory: folder }).pipe(
    Layer.provideMerge(platform),
    Layer.provideMerge(Logger.layer([]))
  )

/** Writes the ledger of the only run in `folder` from its files. */
export const rebuildLedger = (folder: string) =>
  Effect.gen(function* () {
    const [runId] = yield* Stream.runCollect(RunFiles.runIds)
    if (runId !== undefined) yield* Rebuild.rebuild(runId)
  }).pipe(Effect.provide(Layer.merge(DeadLetterQueues.layerNone, inFolder(folder))), Effect.orDie)

/** The proof that nothing is lost: `verify`, or only the balance when `verify` would read too much. */
type Proof = "verify" | "account"

/** Stores `ticks` with the pipeline of the context. Measures from the first offer until everything is settled. */
export const storeIn = Effect.fnUntraced(function* (ticks: Batch, by: Proof) {
  const queue = yield* TickQueue
  const pipeline = yield* Pipeline.Pipeline
  const before = yield* pipeline.balance
  const start = performance.now()
  yield* queue.offerAll(ticks)
  const written = (yield* pipeline.drain).written - before.written
  const seconds = (performance.now() - start) / 1000
  const peakKilobytes = process.resourceUsage().maxRSS
  const work: Measured = { seconds, ticks: ticks.length, bytes: Delimited.encodedBytes(ticks), peakKilobytes }
  if (by === "account") return { ...work, lost: ticks.length - written }
  const { ticks: stored, ...facts } = yield* proof
  const measured: Measured = { ...work, ...facts, lost: ticks.length - Math.min(stored, written) }
  return measured
})

/** Stores `ticks` with a pipeline of this process. */
export const storeOnce = (
  folder: string,
  ticks: Batch,
  options: PipelineOptions,
  { by = "verify", platform }: { readonly by?: Proof; readonly platform?: Platform } = {}
): Effect.Effect<Measured> => storeIn(ticks, by).pipe(Effect.provide(inFolder(folder, options, platform)), Effect.orDie)

/** Like `storeOnce`, but measures from the start of the pipeline. */
export const storeFirst = (folder: string, ticks: Batch, options: PipelineOptions): Effect.Effect<Measured> =>
  Effect.suspend(() => {
    const start = performance.now()
    const measured = Effect.map(storeIn(ticks, "account"), (work): Measured => ({
      ...work,
      seconds: (performance.now() - start) / 1000
    }))
    return measured.pipe(Effect.provide(inFolder(folder, options)), Effect.orDie)
  })

/**
 * Stores `first` and then `ticks` with one pipeline. So the work that it does once for a run is done before the
 * measurement.
 */
export const storeWarm = (
  folder: string,
  first: Batch,
  ticks: Batch,
  options: PipelineOptions
): Effect.Effect<Measured> =>
  Effect.gen(function* () {
    const queue = yield* TickQueue
    const pipeline = yield* Pipeline.Pipeline
    yield* queue.offerAll(first)
    while ((yield* pipeline.balance).inFlight > 0) yield* Effect.sleep("10 millis")
    yield* Effect.sleep("5 seconds")
    return yield* storeIn(ticks, "account")
  }).pipe(Effect.provide(inFolder(folder, options)), Effect.orDie)

/** Stores the ticks in batches of 1000, after a warm-up with some of them. */
export const store = (ticks: () => Batch, options: PipelineOptions, platform?: Platform): Turn => {
  const given = platform === undefined ? {} : { platform }
  return (folder) =>
    Effect.suspend(() => {
      const all = ticks()
      const some = all.slice(0, 20_000) as unknown as Batch
      return Effect.andThen(
        storeOnce(join(folder, "warm-up"), some, options, given),
        storeOnce(join(folder, "run"), all, options, given)
      )
    })
}

/** Offers the ticks of `source` to the queue, a thousand at a time. Returns the bytes. */
const offer = Effect.fnUntraced(function* (source: Iterable<Tick>) {
  const queue = yield* TickQueue
  let bytes = 0
  let some: Array<Tick> = []
  const flush = Effect.suspend(() => {
    bytes += Delimited.encodedBytes(some)
    const offered = queue.offerAll(some)
    some = []
    return offered
  })
  for (const tick of source) {
    some.push(tick)
    if (some.length === 1000) yield* flush
  }
  yield* flush
  return bytes
})

/** Stores `count` ticks and measures the peak memory. Making the ticks is part of the work. */
export const storeStreamed = (
  source: (count: number) => Iterable<Tick>,
  count: number,
  options: PipelineOptions
): Turn => {
  const once = (folder: string, most: number) =>
    Effect.gen(function* () {
      const pipeline = yield* Pipeline.Pipeline
      const start = performance.now()
      const bytes = yield* offer(source(most))
      const { written } = yield* pipeline.drain
      const seconds = (performance.now() - start) / 1000
      const peakKilobytes = process.resourceUsage().maxRSS
      const { ticks: stored, ...facts } = yield* proof
      return { seconds, ticks: most, bytes, peakKilobytes, ...facts, lost: most - Math.min(stored, written) }
    }).pipe(Effect.provide(inFolder(folder, options)), Effect.orDie)
  return (folder) => Effect.andThen(once(join(folder, "warm-up"), 5000), once(join(folder, "run"), count))
}
