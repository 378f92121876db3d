/**
 * Batches of ticks as stored objects: what they are named, how they are written, read, checked and salvaged.
 *
 * An object is plain delimited messages, for any program to read. What proves it whole, a running checksum that is noted
 * after each message, lies elsewhere (the run's ledger): the last of them is the checksum of the object, and each tells
 * whether its message is what was written.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Checksum from "../domain/Checksum.ts"
import * as Delimited from "../domain/Delimited.ts"
import * as Salvage from "../domain/Salvage.ts"
import type * as Tick from "../domain/Tick.ts"
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

/** The ticks of a batch in their order. Emits all ticks before a damage, then fails with `ObjectDamaged`. */
export const read = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey
): Stream.Stream<Tick.Tick, StorageError> =>
  Delimited.ticks(storage.read(key)).pipe(
    Stream.catchTag("DelimitedError", (error) => Stream.fail(damaged(key, error.message, error)))
  )

/** What was found in an object that was read from its first byte to its last, or to its first damage. */
export interface Contents {
  /** Bytes read. */
  readonly bytes: number
  readonly count: number
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  /** Ticks that are in it more than once. */
  readonly repeated: number
  /** The running checksum after each message. */
  readonly checks: ReadonlyArray<number>
  /** What is wrong with it, taken alone: not in the format, cut, ticks that its name doesn't promise. */
  readonly problem: string | undefined
}

/** What of `frames` breaks the promise of the name; puts the numbers and checks of those before into `numbers` and `checks`. */
const inspect = (
  name: StorageKey.BatchName | undefined,
  frames: ReadonlyArray<Delimited.Frame>,
  numbers: Array<bigint>,
  checks: Array<number>
): string | undefined => {
  for (const frame of frames) {
    const tick = Delimited.tick(frame)
    if (Result.isFailure(tick)) return tick.failure.message
    const { simulationRunId, tickNumber } = tick.success
    checks.push(Checksum.of(Delimited.framed(frame), checksum(checks)))
    numbers.push(tickNumber)
    if (name !== undefined && simulationRunId !== name.runId) {
      return `message ${frame.ordinal} at byte ${frame.offset}: tick ${tickNumber} is of another run`
    }
  }
  return undefined
}

const rangeProblem = (name: StorageKey.BatchName | undefined, stretches: ReadonlyArray<TickSet.Stretch>) => {
  const [first, last] = [stretches[0]?.first, stretches.at(-1)?.last]
  if (first === undefined) return "it is empty"
  return name === undefined || (first === name.first && last === name.last)
    ? undefined
    : `it holds ticks ${first} to ${last}, which is not what its name says`
}

/**
 * Reads a batch from end to end and says what is in it. A damage is no failure: what comes before it is told, with the
 * problem. Memory: one message, and the numbers of a batch. `onBytes` is told of every chunk.
 */
export const scan = (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey,
  onBytes: (bytes: number) => void = () => undefined
): Effect.Effect<Contents, StorageError> =>
  Effect.gen(function* () {
    const name = StorageKey.batchName(key)
    const decoder = new Delimited.Decoder()
    const numbers: Array<bigint> = []
    const checks: Array<number> = []
    let bytes = 0
    let problem: string | undefined
    yield* storage.read(key).pipe(
      Stream.takeWhile((chunk) => {
        bytes += chunk.length
        onBytes(chunk.length)
        const { error, frames } = decoder.push(chunk)
        problem = inspect(name, frames, numbers, checks) ?? error?.message
        return problem === undefined
      }),
      Stream.runDrain
    )
    problem ??= decoder.end()?.message
    const stretches = TickSet.stretches(numbers)
    const distinct = stretches.reduce((total, stretch) => total + Number(TickSet.count(stretch)), 0)
    problem ??= rangeProblem(name, stretches)
    const contents: Contents = {
      bytes,
      count: numbers.length,
      stretches,
      repeated: numbers.length - distinct,
      checks,
      problem
    }
    return contents
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
    return storage.read(key).pipe(
      Stream.flatMap((chunk) => Stream.fromArray(salvager.push(chunk))),
      Stream.concat(Stream.suspend(() => Stream.fromArray(salvager.end())))
    )
  })
