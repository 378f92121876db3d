/**
 * One captured simulation step in the pipeline: its run id, its number and its encoded bytes.
 *
 * A tick is encoded once, by its maker. The pipeline never decodes it: it only scans the wire format for fields 1 and 2 of
 * `TickData`. Unknown fields survive because the bytes are never changed.
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

/** An encoded tick. The run id and the number are those of the payload, and may be invalid. */
export interface Tick {
  /** Field 1 of the payload. May be unfit as a folder name: `PersistenceService` checks that. */
  readonly simulationRunId: string
  /** Field 2 of the payload, a signed 64-bit integer. Valid ticks have 0 or more. */
  readonly tickNumber: bigint
  /** The encoded `TickData`. The tick owns the bytes: don't change them. */
  readonly payload: Uint8Array
}

/** At least one tick. */
export type Batch = readonly [Tick, ...Array<Tick>]

/** Whether `ticks` has at least one tick. */
export const isBatch = (ticks: ReadonlyArray<Tick>): ticks is Batch => ticks.length > 0

/** `ticks` by run, in their order. Leaves out ticks with an invalid run id. */
export const byRun = (
  ticks: ReadonlyArray<Tick>
): ReadonlyArray<readonly [runId: RunId.RunId, ticks: ReadonlyArray<Tick>]> =>
  [...Map.groupBy(ticks, ({ simulationRunId }) => simulationRunId)].flatMap(([runId, of]) =>
    RunId.is(runId) ? [[runId, of] as const] : []
  )

const encode = Encoder.make(TickDataSchema)

/** Encodes `message` once. The result shares nothing with it. See `Encoder.make` for what its payload may share. */
export const fromMessage = (message: TickData): Tick => ({
  simulationRunId: message.simulationRunId,
  tickNumber: message.tickNumber,
  payload: encode(message)
})

/**
 * Reads the run id and the tick number from an encoded `TickData`, at any place in the message. If a field appears several
 * times, the last one counts, as in protobuf. The rest is skipped, not decoded. `payload` is kept, not copied.
 */
export const fromBytes = (payload: Uint8Array): Result.Result<Tick, TickDecodeError> => {
  const error = header.read(payload)
  return error === undefined
    ? Result.succeed({ simulationRunId: header.simulationRunId, tickNumber: header.tickNumber, payload })
    : Result.fail(error)
}

/** Shared by all calls: between two calls it keeps only its last run id. */
const header = new TickHeader()
