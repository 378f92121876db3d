/**
 * One captured simulation step on its way through the pipeline: whose it is, which it is, and its encoded bytes.
 *
 * A tick is encoded once, where it is made, or never decoded at all: for ticks that arrive as bytes only fields 1 and 2
 * of `TickData` are read, by scanning the wire format. Unknown fields survive because the bytes are passed on as they
 * are.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Tick from "tickvault/domain/Tick"
 *
 * // Any message with a text in field 1 and a 64-bit integer in field 2 is a tick.
 * export const numberOf = (bytes: Uint8Array) =>
 *   Effect.map(Effect.fromResult(Tick.fromBytes(bytes)), ({ tickNumber }) => tickNumber)
 * ```
 */
import * as Result from "effect/Result"
import * as RunId from "./RunId.ts"
import * as Encoder from "../protobuf/Encoder.ts"
import { type TickDecodeError, TickHeader } from "./TickHeader.ts"
import { TickDataSchema, type TickData } from "../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"

export { TickDecodeError } from "./TickHeader.ts"

/** An encoded tick. Nothing is promised of the run id and the number but that they are what the payload says. */
export interface Tick {
  /** Field 1 of the payload. May be unfit as a folder name: `PersistenceService` checks that. */
  readonly simulationRunId: string
  /** Field 2 of the payload, a signed 64-bit integer. Valid ticks have 0 or more. */
  readonly tickNumber: bigint
  /** The encoded `TickData`. Owned by the tick: don't change the bytes after handing it on. */
  readonly payload: Uint8Array
}

/** A sequence of ticks that has at least one. */
export type Batch = readonly [Tick, ...Array<Tick>]

/** Whether there is anything in `ticks`. */
export const isBatch = (ticks: ReadonlyArray<Tick>): ticks is Batch => ticks.length > 0

/** `ticks` by their run, each in its order; those of what is no run id are left out. */
export const byRun = (
  ticks: ReadonlyArray<Tick>
): ReadonlyArray<readonly [runId: RunId.RunId, ticks: ReadonlyArray<Tick>]> =>
  [...Map.groupBy(ticks, ({ simulationRunId }) => simulationRunId)].flatMap(([runId, of]) =>
    RunId.is(runId) ? [[runId, of] as const] : []
  )

const encode = Encoder.make(TickDataSchema)

/** Encodes `message` once. The result shares nothing with it; `Encoder.make` says what its payload may share. */
export const fromMessage = (message: TickData): Tick => ({
  simulationRunId: message.simulationRunId,
  tickNumber: message.tickNumber,
  payload: encode(message)
})

/**
 * Reads the run id and the tick number from an encoded `TickData`, wherever in the message they stand; of several the
 * last one counts, as protobuf has it. The rest of the message is skipped, not decoded. `payload` is kept, not copied.
 */
export const fromBytes = (payload: Uint8Array): Result.Result<Tick, TickDecodeError> => {
  const error = header.read(payload)
  return error === undefined
    ? Result.succeed({ simulationRunId: header.simulationRunId, tickNumber: header.tickNumber, payload })
    : Result.fail(error)
}

/** Between two calls nothing of it is of any use but the run id that it remembers. */
const header = new TickHeader()
