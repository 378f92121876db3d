/**
 * What the metadata of a run say about its ticks.
 */
import { fromBinary } from "@bufbuild/protobuf"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import { SimulationMetadataSchema } from "../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import { Storage } from "../storage/Storage.ts"
import { ObjectDamaged, StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"

/** Key in the user metadata of a run: the sampling interval as text. */
export const samplingIntervalKey = "samplingInterval"

/** `text` of the metadata as a number above 0. `undefined` when it isn't one. */
export const interval = (text = ""): bigint | undefined => (/^[1-9]\d{0,17}$/u.test(text) ? BigInt(text) : undefined)

/** Key in the user metadata of a run: the number of its first tick, as text. */
export const firstTickKey = "firstTick"

/** Key in the user metadata of a run: its last tick as text. Absent: no end, or an older version began the run. */
export const maxTicksKey = "maxTicks"

/** Key in the user metadata of a run: the kind of its simulation. Then `resolved_config_json` has its settings. */
export const simulationKindKey = "simulationKind"

/** What the metadata promise. `undefined` when they don't say it. */
export interface Promised {
  /** Every tick of the run is a multiple of this. */
  readonly samplingInterval: bigint | undefined
  readonly firstTick: bigint | undefined
}

/** For a run without metadata. */
export const nothing: Promised = { samplingInterval: undefined, firstTick: undefined }

/**
 * What the metadata of the run promise. `nothing` when the run has none. Fails with `ObjectDamaged` when they aren't valid
 * metadata of this run.
 */
export const promised = Effect.fnUntraced(function* (
  runId: RunId.RunId
): Effect.fn.Return<Promised, StorageError, Storage> {
  const storage = yield* Storage
  const key = StorageKey.metadata(runId)
  const damaged = (problem: string) =>
    new StorageError({ operation: "read", key, reason: new ObjectDamaged({ problem }) })
  const chunks = yield* Stream.runCollect(storage.read(key)).pipe(
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.undefined)
  )
  if (chunks === undefined) return nothing
  const { simulationRunId, userMetadata } = yield* Effect.try({
    try: () => fromBinary(SimulationMetadataSchema, Bytes.concat(chunks)),
    catch: (cause) => damaged(`it is not a SimulationMetadata message (${String(cause)})`)
  })
  if (simulationRunId !== runId) return yield* damaged("it belongs to another run")
  return {
    samplingInterval: interval(userMetadata[samplingIntervalKey]),
    firstTick: interval(userMetadata[firstTickKey])
  }
})
