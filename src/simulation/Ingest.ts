/**
 * Offers recorded ticks to the queue: delimited `TickData`, plain or compressed with zstd, from any stream of bytes.
 *
 * It doesn't decode payloads. It reads the source at the pace of the queue, so memory stays within the queue's bounds.
 * From a damaged source it takes all good ticks first. Then it fails with the number of the damaged message and its offset.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FileSystem from "effect/FileSystem"
 * import * as Ingest from "tickvault/simulation/Ingest"
 *
 * export const ticksOf = Effect.fnUntraced(function* (file: string) {
 *   const fs = yield* FileSystem.FileSystem
 *   return yield* Ingest.ingest(file, fs.stream(file))
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
import { TickQueue } from "../queue/TickQueue.ts"
import * as Compression from "../batch/Compression.ts"

/** A source can't be read to its end. The ticks before the damage are in the queue. */
export class IngestError extends Schema.TaggedError<IngestError>()("IngestError", {
  source: Schema.String,
  /** Ticks of the source that entered the queue. */
  ticks: Schema.Int,
  problem: Schema.String,
  /** Whether these ticks may be damaged too: the checksum that covers them is wrong or missing. */
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
        ? `${count} before it are taken and may be damaged too. verify can't detect that: compare them with another copy`
        : `the ticks before it are taken: ${count}`
    return `${this.source}: ${this.problem} (${taken})`
  }
}

/** The largest number of violations of one source that are logged one by one. */
const loggedViolations = 10

/** After this many unstorable ticks in a row, a source is not a stream of ticks: zeros, or other data. */
const maxViolationsInARow = 1000

/**
 * Makes a check that logs ticks which no storage will take. They are dead-lettered later, and only here their place in the
 * source is known. The check succeeds with `false` when the source seems to hold no ticks at all.
 */
const makeInspector = (source: string, onRun: (runId: RunId.RunId) => void) => {
  let goodRunId: string | undefined
  let found = 0
  let inARow = 0
  const violation = (tick: Tick.Tick): string | undefined => {
    if (tick.tickNumber < 0n) return "its number is negative"
    if (tick.simulationRunId === goodRunId) return undefined
    if (!RunId.is(tick.simulationRunId)) {
      return `its run id ${RunId.quote(tick.simulationRunId)} ${RunId.violation(tick.simulationRunId)}`
    }
    goodRunId = tick.simulationRunId
    onRun(tick.simulationRunId)
    return undefined
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

/** The ticks in `frames` up to the first damage, and that damage. */
const ticksIn = Effect.fnUntraced(function* (
  frames: ReadonlyArray<Delimited.Frame>,
  inspect: ReturnType<typeof makeInspector>
) {
  const ticks: Array<Tick.Tick> = []
  for (const frame of frames) {
    const tick = Delimited.tick(frame)
    if (Result.isFailure(tick)) return { ticks, damage: tick.failure }
    ticks.push(tick.success)
    if (!(yield* inspect(frame, tick.success))) {
      const problem = `it is the ${maxViolationsInARow}th message in a row that can't be stored as a tick`
      const { offset, ordinal } = frame
      return { ticks, damage: new Delimited.DelimitedError({ offset, ordinal, problem }) }
    }
  }
  return { ticks, damage: undefined }
})

/**
 * Offers every tick of `bytes` to the queue, and waits while it is full. Succeeds with the number of ticks. When the queue
 * ends it stops reading and succeeds. `onRun` is called with the run id whenever that changes. Fails with `IngestError` on
 * a damaged, cut or empty source, and on a source whose messages can't be stored as ticks.
 */
export const ingest = Effect.fn("Ingest.ingest")(function* <E extends { readonly message: string }>(
  source: string,
  bytes: Stream.Stream<Uint8Array, E>,
  onRun: (runId: RunId.RunId) => void = () => undefined
): Effect.fn.Return<number, IngestError, TickQueue> {
  const queue = yield* TickQueue
  const inspect = makeInspector(source, onRun)
  let taken = 0
  let hasEnded = false
  const offer = Effect.fnUntraced(function* (frames: ReadonlyArray<Delimited.Frame>) {
    const { damage, ticks } = yield* ticksIn(frames, inspect)
    const accepted = yield* queue.offerAll(ticks, (count) => (taken += count))
    if (damage !== undefined) return yield* damage
    hasEnded = accepted < ticks.length
    return !hasEnded
  })
  yield* Delimited.frames(Compression.upToDamage(bytes)).pipe(
    Stream.mapArrayEffect((frames) => Effect.map(offer(frames), (isOpen) => [isOpen] as const)),
    Stream.takeWhile((isOpen) => isOpen),
    Stream.runDrain,
    Effect.mapError((cause) => {
      const unproved = Compression.isDamage(cause)
      return new IngestError({ source, ticks: taken, problem: cause.message, unproved, cause })
    })
  )
  if (taken === 0 && !hasEnded) {
    return yield* new IngestError({ source, ticks: 0, problem: "it is empty: it has no ticks" })
  }
  return taken
})
