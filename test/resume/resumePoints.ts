/** A run in a storage in memory, stored file by file, with ways to damage it, and what `ResumePoint.find` says of it. */
import { create, toBinary } from "@bufbuild/protobuf"
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as Checksum from "../../src/domain/Checksum.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as TickSet from "../../src/domain/TickSet.ts"
import { SimulationMetadataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as ResumePoint from "../../src/resume/ResumePoint.ts"
import * as RunSettings from "../../src/simulation/RunSettings.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { letterOf } from "../replay/replays.ts"
import * as InStorage from "../support/InStorage.ts"

export const run = RunId.make("run")

export const metadata = (samplingInterval: number) => ({
  simulationRunId: "run",
  initialSeed: 3n,
  environment: { dimensions: 1, shape: [30] },
  userMetadata: { samplingInterval: String(samplingInterval) },
  resolvedConfigJson: '{"shape":[30],"organisms":2,"seed":3}'
})

const batchOf = (numbers: ReadonlyArray<number>): Tick.Batch => {
  const ticks = numbers.map((number) => TestTick.make(run, number, 20))
  if (!Tick.isBatch(ticks)) throw new Error("a batch has ticks")
  return ticks
}

export const keyOf = (numbers: ReadonlyArray<number>) => StorageKey.batch(run, batchOf(numbers))

/** `modifiedAtMs` is when the storage says that everything in it was written. */
export const makeRun = Effect.fnUntraced(function* (samplingInterval = 1, modifiedAtMs?: number) {
  const memory = yield* Storage.makeMemory("memory")
  const storage: Storage.Storage["Service"] = {
    ...memory,
    stat: (key) => Effect.map(memory.stat(key), (stat) => stat && { ...stat, modifiedAtMs })
  }
  const deadLetters = yield* DeadLetterQueue.makeMemory("letters", { capacity: 10_000 })
  const bytes = toBinary(SimulationMetadataSchema, create(SimulationMetadataSchema, metadata(samplingInterval)))
  yield* Storage.write(storage, StorageKey.metadata(run), [bytes])

  const withLedger = <A, E, R>(effect: (ledger: RunLedger.RunLedger["Service"]) => Effect.Effect<A, E, R>) =>
    RunLedger.make.pipe(Effect.flatMap(effect), Effect.provideService(Storage.Storage, storage), Effect.scoped)

  const bytesOf = (key: StorageKey.StorageKey) =>
    Effect.map(Stream.runCollect(storage.read(key)), (chunks) => Bytes.concat([...chunks]))

  const finding = <A, E>(
    find: Effect.Effect<A, E, Storage.Storage | RunLedger.RunLedger | DeadLetterQueue.DeadLetterQueue>
  ) =>
    Effect.andThen(
      TestClock.adjust(10),
      withLedger((ledger) =>
        find.pipe(
          Effect.provideService(Storage.Storage, storage),
          Effect.provideService(RunLedger.RunLedger, ledger),
          Effect.provideService(DeadLetterQueue.DeadLetterQueue, deadLetters)
        )
      )
    )

  return {
    storage,
    deadLetters,
    withLedger,

    /** Stores the ticks as one file, which no ledger knows. */
    storeUnknown: (numbers: ReadonlyArray<number>) => BatchFile.write(storage, keyOf(numbers), batchOf(numbers)),

    /** Stores the ticks as one file, which the ledger knows. */
    store: Effect.fnUntraced(function* (numbers: ReadonlyArray<number>) {
      const key = keyOf(numbers)
      const written = yield* BatchFile.write(storage, key, batchOf(numbers))
      yield* TestClock.adjust(10)
      const entry: LedgerEntry.Commit = {
        _tag: "Commit",
        key,
        stretches: LedgerEntry.fromStretches(TickSet.stretches(numbers.map(BigInt))),
        count: numbers.length,
        bytes: written.bytes,
        checksum: Checksum.toHex(BatchFile.checksum(written.checks)),
        committedAtMs: Math.floor(yield* Clock.currentTimeMillis)
      }
      yield* withLedger((ledger) => ledger.record(run, entry, written.checks))
    }),

    /** Puts a letter about the ticks into the queue. */
    refuse: (numbers: ReadonlyArray<number>, of: string = run) =>
      Effect.flatMap(letterOf(numbers.map((number) => TestTick.make(of, number, 20))), deadLetters.offer),

    /** Puts what `change` makes of its bytes in the place of a file. */
    damage: Effect.fnUntraced(function* (
      numbers: ReadonlyArray<number>,
      change: (bytes: Uint8Array) => Uint8Array = flip
    ) {
      const key = keyOf(numbers)
      const changed = change((yield* bytesOf(key)).slice())
      yield* storage.remove(key)
      yield* Storage.write(storage, key, [changed])
    }),

    /** Where the run goes on, whatever its simulation is. */
    findAny: finding(ResumePoint.find(run)),

    /** Where the run goes on, and the settings of the built-in world that it was made with. */
    find: finding(
      Effect.gen(function* () {
        const settings = yield* RunSettings.fromMetadata(yield* ResumePoint.metadata(run))
        return { ...(yield* ResumePoint.find(run)), settings }
      })
    ),

    /** How many ticks the ledger says that the batch of these ticks has, entry by entry. */
    notedCounts: (numbers: ReadonlyArray<number>) =>
      Effect.map(Stream.runCollect(InStorage.ledger(storage, run)), (items) =>
        items.flatMap((item) =>
          item._tag === "Line" && item.entry._tag === "Commit" && item.entry.key === keyOf(numbers)
            ? [item.entry.count]
            : []
        )
      ),

    /** The keys of what the ledger says was set aside. */
    notedAside: InStorage.ledger(storage, run).pipe(
      Stream.runCollect,
      Effect.map((items) =>
        items.flatMap((item) => (item._tag === "Line" && item.entry._tag === "SetAside" ? [item.entry.key] : []))
      )
    ),

    /** Numbers of the files that are there. */
    keys: Stream.runCollect(storage.list(StorageKey.batchPrefix(run)))
  }
})

export type Run = Effect.Success<ReturnType<typeof makeRun>>

/** Changes one byte in the middle of the payload of a tick. */
export function flip(bytes: Uint8Array): Uint8Array {
  const at = bytes.length - 5
  bytes[at] = (bytes[at] ?? 0) ^ 0x10
  return bytes
}

/** Takes the last bytes away. */
export const cut = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - 7)

/** What was found, in numbers. */
export const summary = ({ firstMissing, inLetters, resume, stored }: ResumePoint.ResumePoint) => ({
  from: resume.from === undefined ? undefined : Number(resume.from.tickNumber),
  firstMissing: Number(firstMissing),
  stored: Number(stored),
  inLetters: Number(inLetters)
})

/** Those of the ticks up to `last` that are not settled. */
export const missing = ({ resume }: ResumePoint.ResumePoint, last: number, step = 1) =>
  Array.from({ length: Math.floor(last / step) }, (_, index) => (index + 1) * step).filter(
    (tick) => !resume.settled.has(BigInt(tick))
  )

/** Runs a test watched, with a metric registry of its own. */
export const watched = <A, E, R>(test: Effect.Effect<A, E, R>, allow: ReadonlyArray<LogWatch.Allowed> = []) =>
  test.pipe(
    Effect.scoped,
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provide(
      LogWatch.layer({ allow: [{ level: "Info", message: "Ledger entries made from stored batches" }, ...allow] })
    )
  )
