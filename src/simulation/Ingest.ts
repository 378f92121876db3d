/**
 * Brings recorded ticks into the queue: delimited `TickData`, plain or compressed with zstd, from any stream of bytes.
 *
 * Payloads are not decoded. The source is read at the pace of the queue, so memory stays within the queue's bounds. A
 * damaged source gives all its good ticks first and then fails, naming the message and its place.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FileSystem from "effect/FileSystem"
 * import { TickQueue } from "tickvault/queue/TickQueue"
 * import * as Ingest from "tickvault/simulation/Ingest"
 *
 * export const ticksOf = Effect.fnUntraced(function* (file: string) {
 *   const fs = yield* FileSystem.FileSystem
 *   return yield* Ingest.ingest(yield* TickQueue, file, fs.stream(file))
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Delimited from "../domain/Delimited.ts"
import * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import type { TickQueue } from "../queue/TickQueue.ts"
import * as Compression from "../storage/Compression.ts"

/** A source can't be read to its end. The ticks before the damage are in the queue. */
export class IngestError extends Schema.TaggedError<IngestError>()("IngestError", {
  source: Schema.String,
  /** Ticks of the source that entered the queue. */
  ticks: Schema.Int,
  problem: Schema.String,
  /** Whether the checksum is wrong or gone that would have proved these ticks. */
  unproved: Schema.optionalKey(Schema.Boolean),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    if (this.cause === undefined) return `${this.source}: ${this.problem}`
    if (this.ticks === 0)
      return `${this.source}: ${this.problem} (no tick comes before it: is this delimited TickData?)`
    const count = `${this.ticks} ${this.ticks === 1 ? "tick" : "ticks"}`
    const taken =
      this.unproved === true
        ? `${count} of it are taken in and may be damaged too, which verify can't tell: hold them against another copy`
        : `what comes before it is taken in, ${count}`
    return `${this.source}: ${this.problem} (${taken})`
  }
}

/** Most ticks of a source whose violation is logged each for itself. */
const loggedViolations = 10

/** So many ticks in a row that can't be stored are no ticks: the zeros of a damaged file, a stream of something else. */
const maxViolationsInARow = 1000

/**
 * Names ticks that no storage will take: they are dead-lettered later, and only here it is known where they stand.
 * Succeeds with whether the source may still be one of ticks.
 */
const makeInspector = (source: string, onRun: (runId: RunId.RunId) => void) => {
  let goodRunId: string | undefined
  let found = 0
  let inARow = 0
  const violation = (tick: Tick.Tick): string | undefined => {
    if (tick.tickNumber < 0n) return "its number is negative"
    if (tick.simulationRunId === goodRunId) return undefined
    const reason = RunId.violation(tick.simulationRunId)
    if (RunId.is(tick.simulationRunId)) {
      goodRunId = tick.simulationRunId
      onRun(tick.simulationRunId)
    }
    return reason === undefined ? undefined : `its run id ${RunId.quote(tick.simulationRunId)} ${reason}`
  }
  return Effect.fnUntraced(function* (frame: Delimited.Frame, tick: Tick.Tick) {
    const reason = violation(tick)
    inARow = reason === undefined ? 0 : inARow + 1
    if (reason === undefined || ++found > loggedViolations) return inARow < maxViolationsInARow
    yield* Effect.logWarning("Tick can't be stored and will be dead-lettered").pipe(
      Effect.annotateLogs({
        source,
        message: frame.ordinal,
        byte: frame.offset,
        tick: tick.tickNumber.toString(),
        violation: reason
      })
    )
    return inARow < maxViolationsInARow
  })
}

/**
 * Offers every tick of `bytes` to `queue`, waiting while it is full. Succeeds with the number of ticks; ends early, and
 * without a failure, when the queue ends. `onRun` is told the run id whenever it changes. Fails with `IngestError` on a
 * damaged, cut or empty source, and on one whose messages are no ticks that can be stored.
 */
export const ingest = <E extends { readonly message: string }>(
  queue: TickQueue["Service"],
  source: string,
  bytes: Stream.Stream<Uint8Array, E>,
  onRun: (runId: RunId.RunId) => void = () => undefined
): Effect.Effect<number, IngestError> =>
  Effect.gen(function* () {
    const inspect = makeInspector(source, onRun)
    let taken = 0
    let ended = false
    const offer = Effect.fnUntraced(function* (frames: ReadonlyArray<Delimited.Frame>) {
      const ticks: Array<Tick.Tick> = []
      let damage: Delimited.DelimitedError | undefined
      for (const frame of frames) {
        const tick = Delimited.tick(frame)
        if (Result.isFailure(tick)) {
          damage = tick.failure
          break
        }
        ticks.push(tick.success)
        if (!(yield* inspect(frame, tick.success))) {
          const problem = `it is the ${maxViolationsInARow}th in a row that is no tick that can be stored`
          damage = new Delimited.DelimitedError({ offset: frame.offset, ordinal: frame.ordinal, problem })
          break
        }
      }
      const accepted = yield* queue.offerAll(ticks, (count) => (taken += count))
      if (damage !== undefined) return yield* damage
      ended = accepted < ticks.length
      return !ended
    })
    yield* Delimited.frames(Compression.upToDamage(bytes)).pipe(
      Stream.mapArrayEffect((frames) => Effect.map(offer(frames), (open) => [open] as const)),
      Stream.takeWhile((open) => open),
      Stream.runDrain,
      Effect.mapError((cause) => {
        const unproved = Compression.isDamage(cause)
        return new IngestError({ source, ticks: taken, problem: cause.message, unproved, cause })
      })
    )
    if (taken === 0 && !ended) {
      return yield* new IngestError({ source, ticks: 0, problem: "it is empty, there are no ticks in it" })
    }
    return taken
  })
