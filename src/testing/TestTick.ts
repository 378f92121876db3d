/**
 * Small, valid, encoded ticks.
 *
 * ```ts
 * import * as TestTick from "tickvault/testing/TestTick"
 *
 * // Ticks 1 to 10 of a run, each about a kilobyte larger than the smallest one.
 * export const ticks = TestTick.range("run-1", 1, 10, 1000)
 * ```
 */
import * as Arr from "effect/Array"
import * as Tick from "../domain/Tick.ts"

/**
 * Tick `tickNumber` of `runId`, its payload `stuffing` bytes larger than the smallest one. Equal arguments give equal
 * bytes.
 */
export const make = (runId: string, tickNumber: number | bigint, stuffing = 0): Tick.Tick =>
  Tick.fromMessage({
    $typeName: "org.evochora.datapipeline.api.contracts.TickData",
    simulationRunId: runId,
    tickNumber: BigInt(tickNumber),
    captureTimeMs: 0n,
    organisms: [],
    cells: [],
    rngState: new Uint8Array(stuffing).fill(7),
    strategyStates: []
  })

/** The ticks `first` to `last` of `runId`, both included. */
export const range = (runId: string, first: number, last: number, stuffing = 0): Array<Tick.Tick> =>
  first > last ? [] : Arr.range(first, last).map((tickNumber) => make(runId, tickNumber, stuffing))
