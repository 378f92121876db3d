/**
 * What the metadata of a run say about the ticks that it should have.
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

/** Key in the user metadata of a run: every how many ticks one is captured, as text. */
export const samplingIntervalKey = "samplingInterval"

/** `text` of the metadata as a number above 0; `undefined` when it isn't one. */
export const interval = (text = ""): bigint | undefined => (/^[1-9]\d{0,17}$/u.test(text) ? BigInt(text) : undefined)

/** Key in the user metadata of a run: the number of its first tick, as text. */
export const firstTickKey = "firstTick"

/** Key in the user metadata of a run: the tick at which it was to end, as text. Absent: no end, or an older version began it. */
export const maxTicksKey = "maxTicks"

/** Key in the user metadata of a run: the kind of its simulation, whose settings are in `resolved_config_json` then. */
export const simulationKindKey = "simulationKind"

/** What a run should have; `undefined` where the metadata don't say. */
export interface Promised {
  /** Every how many ticks one is captured. */
  readonly samplingInterval: bigint | undefined
  readonly firstTick: bigint | undefined
}

/** For a run without metadata. */
export const nothing: Promised = { samplingInterval: undefined, firstTick: undefined }

/**
 * What the metadata of the run say; `nothing` when the run has none. Fails with `ObjectDamaged` when they aren't valid
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
    catch: (cause) => damaged(`it is no SimulationMetadata (${String(cause)})`)
  })
  if (simulationRunId !== runId) return yield* damaged("it is of another run")
  return {
    samplingInterval: interval(userMetadata[samplingIntervalKey]),
    firstTick: interval(userMetadata[firstTickKey])
  }
})
