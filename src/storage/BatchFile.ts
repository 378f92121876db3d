/**
 * Batches of ticks as stored objects: what they are named, how they are written, read, checked and salvaged.
 *
 * An object is plain delimited messages, for any program to read. What proves it whole, a running checksum that is noted
 * after each message, lies elsewhere (the run's ledger): the last of them is the checksum of the object, and each tells
 * whether its message is what was written.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Checksum from "../domain/Checksum.ts"
import * as Delimited from "../domain/Delimited.ts"
import * as Salvage from "../domain/Salvage.ts"
import type * as Tick from "../domain/Tick.ts"
import { TickHeader } from "../domain/TickHeader.ts"
import * as TickSet from "../domain/TickSet.ts"
import { type Loan, PieceMemory } from "./PieceMemory.ts"
import * as Storage from "./Storage.ts"
import { ObjectDamaged, StorageError } from "./StorageError.ts"
import * as StorageKey from "./StorageKey.ts"

/** What a written batch has come to. */
export interface Written extends Storage.Committed {
  /** The running checksum after each of its ticks. */
  readonly checks: ReadonlyArray<number>
}

/** The checksum of an object whose ticks have these checks. */
export const checksum = (checks: ReadonlyArray<number>): number => checks.at(-1) ?? Checksum.empty

/** `ticks` in the delimited format, piece by piece; notes in `checks` the running checksum after each tick. */
function* encode(ticks: Tick.Batch, checks: Array<number>, memory: Loan): Generator<Uint8Array, void> {
  let check = Checksum.empty
  let next = 0
  for (const piece of Delimited.encode(ticks, memory.piece)) {
    for (let position = 0; position < piece.length;) {
      const { payload } = ticks[next++] ?? ticks[0]
      const start = position + Delimited.prefixBytes(payload.length)
      for (; position < start; position++) check = Checksum.ofByte(piece[position] ?? 0, check)
      check = Checksum.of(payload, check)
      checks.push(check)
      position += payload.length
    }
    yield piece
  }
}

/**
 * Stores `ticks` in their order as one object of the delimited format. Interrupted before the commit, it leaves nothing.
 * Whoever writes many gives them the same `memory`.
 */
export const write = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey,
  ticks: Tick.Batch,
  memory: PieceMemory = new PieceMemory(0)
): Effect.Effect<Written, StorageError> =>
  Effect.suspend(() => {
    const checks: Array<number> = []
    const loan = memory.lend()
    return Effect.map(Storage.write(storage, key, encode(ticks, checks, loan)), (committed) => {
      loan.giveBack()
      return { ...committed, checks }
    })
  })

const damaged = (key: StorageKey.StorageKey, problem: string, cause?: unknown) =>
  new StorageError({ operation: "read", key, reason: new ObjectDamaged({ problem }), cause })

/** The bytes that a batch was framed into. Every reader of batches reads them here. */
const content = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey,
  chunks: Storage.Chunks
): Stream.Stream<Uint8Array, StorageError> => storage.read(key, chunks)

/** The ticks of a batch in their order. Emits all ticks before a damage, then fails with `ObjectDamaged`. */
export const read = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey
): Stream.Stream<Tick.Tick, StorageError> =>
  Delimited.ticks(content(storage, key, "kept")).pipe(
    Stream.catchTag("DelimitedError", (error) => Stream.fail(damaged(key, error.message, error)))
  )

/** All ticks of a batch in their order, and its checksum; `undefined` when it is not in the format. Memory: all of it. */
export const readWhole = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey
): Effect.Effect<{ readonly ticks: ReadonlyArray<Tick.Tick>; readonly checksum: number } | undefined, StorageError> =>
  Effect.suspend(() => {
    const decoder = new Delimited.Decoder()
    const ticks: Array<Tick.Tick> = []
    const header = new TickHeader()
    let sum = Checksum.empty
    let isGood = true
    const onMessage: Delimited.OnMessage = (bytes, _, start, end) => {
      isGood = header.read(bytes, start, end) === undefined
      const { simulationRunId, tickNumber } = header
      if (isGood) ticks.push({ simulationRunId, tickNumber, payload: bytes.subarray(start, end) })
      return isGood
    }
    return content(storage, key, "kept").pipe(
      Stream.runForEachWhile((chunk) =>
        Effect.sync(() => {
          sum = Checksum.of(chunk, sum)
          isGood = decoder.visit(chunk, onMessage) === undefined && isGood
          return isGood
        })
      ),
      Effect.map(() => (isGood && decoder.end() === undefined ? { ticks, checksum: sum } : undefined))
    )
  })

/** What was found in an object that was read from its first byte to its last, or to its first damage. */
export interface Contents {
  /** Bytes read. */
  readonly bytes: number
  readonly count: number
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  /** Ticks that are in it more than once. */
  readonly repeated: number
  /** What is wrong with it, taken alone: not in the format, cut, ticks that its name doesn't promise. */
  readonly problem: string | undefined
}

/** Looks at the messages of a batch one by one. Not shared: it has state. */
class Scanner {
  private readonly decoder = new Delimited.Decoder()
  private readonly header = new TickHeader()
  private readonly name: StorageKey.BatchName | undefined
  private readonly onFramed: ((framed: Uint8Array) => void) | undefined
  private readonly numbers: Array<bigint> = []
  private bytes = 0
  private problem: string | undefined

  /** Of the batch `key`. `onFramed` is told of the bytes of each message that is a tick. */
  constructor(key: StorageKey.StorageKey, onFramed?: (framed: Uint8Array) => void) {
    this.name = StorageKey.batchName(key)
    this.onFramed = onFramed
  }

  /** Whether it is worth reading on. Nothing of `chunk` is kept. */
  push(chunk: Uint8Array): boolean {
    this.bytes += chunk.length
    const error = this.decoder.visit(chunk, this.onMessage)
    this.problem ??= error?.message
    return this.problem === undefined
  }

  private readonly onMessage: Delimited.OnMessage = (bytes, begin, start, end) => {
    const { decoder, header, name } = this
    const error = header.read(bytes, start, end)
    if (error !== undefined) {
      this.problem = decoder.failure(error.message).message
      return false
    }
    this.onFramed?.(bytes.subarray(begin, end))
    this.numbers.push(header.tickNumber)
    if (name === undefined || header.simulationRunId === name.runId) return true
    this.problem = decoder.failure(`tick ${header.tickNumber} is of another run`).message
    return false
  }

  /** What it has come to, once there are no more chunks. */
  end(): Contents {
    const stretches = TickSet.stretches(this.numbers)
    const distinct = stretches.reduce((total, stretch) => total + Number(TickSet.count(stretch)), 0)
    const problem = this.problem ?? this.decoder.end()?.message ?? rangeProblem(this.name, stretches)
    const { bytes, numbers } = this
    return { bytes, count: numbers.length, stretches, repeated: numbers.length - distinct, problem }
  }
}

const rangeProblem = (name: StorageKey.BatchName | undefined, stretches: ReadonlyArray<TickSet.Stretch>) => {
  const [first, last] = [stretches[0]?.first, stretches.at(-1)?.last]
  if (first === undefined) return "it is empty"
  return name === undefined || (first === name.first && last === name.last)
    ? undefined
    : `it holds ticks ${first} to ${last}, which is not what its name says`
}

/** Lets `scanner` look at all of a batch, or what comes before its first damage. */
const run = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey,
  scanner: Scanner,
  onChunk: (chunk: Uint8Array) => void
): Effect.Effect<Contents, StorageError> =>
  content(storage, key, "lent").pipe(
    Stream.runForEachWhile((chunk) =>
      Effect.sync(() => {
        onChunk(chunk)
        return scanner.push(chunk)
      })
    ),
    Effect.map(() => scanner.end())
  )

/**
 * Reads a batch from end to end and says what is in it, with the running checksum after each message. A damage is no
 * failure: what comes before it is told, with the problem. Memory: one message, and the numbers of a batch. `onBytes` is
 * told of every chunk.
 */
export const scan = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey,
  onBytes: (bytes: number) => void = () => undefined
): Effect.Effect<Contents & Pick<Written, "checks">, StorageError> =>
  Effect.suspend(() => {
    const checks: Array<number> = []
    const scanner = new Scanner(key, (framed) => checks.push(Checksum.of(framed, checksum(checks))))
    return Effect.map(
      run(storage, key, scanner, (chunk) => onBytes(chunk.length)),
      (contents) => ({ ...contents, checks })
    )
  })

/**
 * The same without a checksum for each message, which is quicker: with the one of the whole object. Of one that has a
 * problem that is the checksum of no more than what was read.
 */
export const prove = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey,
  onBytes: (bytes: number) => void = () => undefined
): Effect.Effect<Contents & { readonly checksum: number }, StorageError> =>
  Effect.suspend(() => {
    let sum = Checksum.empty
    const onChunk = (chunk: Uint8Array) => {
      onBytes(chunk.length)
      sum = Checksum.of(chunk, sum)
    }
    return Effect.map(run(storage, key, new Scanner(key), onChunk), (contents) => ({ ...contents, checksum: sum }))
  })

/**
 * All of a batch that can be read, whatever is damaged: with `checks` (of the run's ledger) only what is exactly as it was
 * written, without them what has the form of a tick of the run. What is gone is told by its place in the object.
 */
export const salvage = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey,
  checks?: ReadonlyArray<number>
): Stream.Stream<Salvage.Found, StorageError> =>
  Stream.suspend(() => {
    const name = StorageKey.batchName(key)
    if (name === undefined) return Stream.fail(damaged(key, "it is not named as a batch"))
    const salvager = new Salvage.Salvager({ ...name, checks })
    return content(storage, key, "kept").pipe(
      Stream.flatMap((chunk) => Stream.fromArray(salvager.push(chunk))),
      Stream.concat(Stream.suspend(() => Stream.fromArray(salvager.end())))
    )
  })
