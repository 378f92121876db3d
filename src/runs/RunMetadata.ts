/**
 * What the metadata of a run say that matters for which ticks it should have.
 */
import { fromBinary } from "@bufbuild/protobuf"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import { SimulationMetadataSchema } from "../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import type { Storage } from "../storage/Storage.ts"
import { ObjectDamaged, StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"

/** Where the user metadata of a run say every how many ticks one is captured, as text. */
export const samplingIntervalKey = "samplingInterval"

/** The interval that `text` of the metadata is; `undefined` when it is none. */
export const interval = (text = ""): bigint | undefined => (/^[1-9]\d{0,17}$/u.test(text) ? BigInt(text) : undefined)

/**
 * Every how many ticks the run has one; `undefined` when it has no metadata, or they don't say. Fails with `ObjectDamaged`
 * when they can't be read as metadata of this run.
 */
export const samplingInterval = Effect.fnUntraced(function* (storage: Storage["Service"], runId: RunId.RunId) {
  const key = StorageKey.metadata(runId)
  const damaged = (problem: string) =>
    new StorageError({ operation: "read", key, reason: new ObjectDamaged({ problem }) })
  const chunks = yield* Stream.runCollect(storage.read(key)).pipe(
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.undefined)
  )
  if (chunks === undefined) return undefined
  const { simulationRunId, userMetadata } = yield* Effect.try({
    try: () => fromBinary(SimulationMetadataSchema, Bytes.concat(chunks)),
    catch: (cause) => damaged(`it is no SimulationMetadata (${String(cause)})`)
  })
  if (simulationRunId !== runId) return yield* damaged("it is of another run")
  return interval(userMetadata[samplingIntervalKey])
})
