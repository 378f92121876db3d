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

/** The number above 0 that `text` of the metadata is; `undefined` when it is none. */
export const interval = (text = ""): bigint | undefined => (/^[1-9]\d{0,17}$/u.test(text) ? BigInt(text) : undefined)

/** Where they say which of its ticks is the first one, as text. */
export const firstTickKey = "firstTick"

/** Where they say at which tick the run was to end, as text. Absent: it had no end, or an older version began it. */
export const maxTicksKey = "maxTicks"

/** Where they name the kind of the simulation, whose settings are `resolved_config_json` then. */
export const simulationKindKey = "simulationKind"

/** What a run has promised of its ticks; each is `undefined` when it hasn't. */
export interface Promised {
  /** Every how many ticks it has one. */
  readonly samplingInterval: bigint | undefined
  readonly firstTick: bigint | undefined
}

/** Of a run without metadata. */
export const nothing: Promised = { samplingInterval: undefined, firstTick: undefined }

/**
 * What the metadata of the run promise of its ticks; nothing when there are none. Fails with `ObjectDamaged` when they
 * can't be read as metadata of this run.
 */
export const promised = Effect.fnUntraced(function* (storage: Storage["Service"], runId: RunId.RunId) {
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
  const found: Promised = {
    samplingInterval: interval(userMetadata[samplingIntervalKey]),
    firstTick: interval(userMetadata[firstTickKey])
  }
  return found
})
