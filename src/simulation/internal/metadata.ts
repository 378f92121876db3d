/**
 * The metadata that an engine stores when a run begins: those of its simulation, and what it needs to resume the run.
 */
import { toBinary } from "@bufbuild/protobuf"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as RunId from "../../domain/RunId.ts"
import { SimulationMetadataSchema } from "../../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import * as RunMetadata from "../../runs/RunMetadata.ts"
import * as Storage from "../../storage/Storage.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import { Simulation } from "../Simulation.ts"

/** What the engine knows about a new run. */
export interface Beginning {
  readonly runId: RunId.RunId
  readonly samplingInterval: bigint
  readonly maxTicks: bigint | undefined
}

/** The clock in whole milliseconds: a test clock has fractions. */
const nowMs = Effect.map(Clock.currentTimeMillis, (now) => BigInt(Math.floor(now)))

const retry = Schedule.upTo(Schedule.exponential("1 second"), { times: 3 })

const toJson = Schema.encodeSync(Schema.fromJsonString(Schema.Json))

/** The keys that only the engine sets: what a simulation says under them would be taken for a setting of the run. */
const engineKeys: ReadonlySet<string> = new Set([
  RunMetadata.samplingIntervalKey,
  RunMetadata.firstTickKey,
  RunMetadata.maxTicksKey,
  RunMetadata.simulationKindKey
])

const encode = Effect.fnUntraced(function* (
  simulation: Simulation["Service"],
  { maxTicks, runId, samplingInterval }: Beginning,
  firstTick: bigint
) {
  const message = yield* simulation.metadata(runId, yield* nowMs)
  const { settings } = simulation
  return toBinary(SimulationMetadataSchema, {
    ...message,
    userMetadata: {
      ...Object.fromEntries(Object.entries(message.userMetadata).filter(([key]) => !engineKeys.has(key))),
      [RunMetadata.samplingIntervalKey]: String(samplingInterval),
      [RunMetadata.firstTickKey]: String(firstTick),
      ...(maxTicks === undefined ? {} : { [RunMetadata.maxTicksKey]: String(maxTicks) }),
      ...(settings === undefined ? {} : { [RunMetadata.simulationKindKey]: settings.kind })
    },
    resolvedConfigJson: settings === undefined ? message.resolvedConfigJson : toJson(settings.values)
  })
})

/**
 * Makes the effect that stores the metadata of a run that begins at the present tick of the simulation. It retries
 * transient failures. When it runs again after a failure, it stores the same bytes. So it also succeeds when an earlier
 * attempt with an unknown outcome has stored them.
 */
export const makeStore = Effect.fnUntraced(function* (
  beginning: Beginning
): Effect.fn.Return<Effect.Effect<void, StorageError>, never, Simulation | Storage.Storage> {
  const simulation = yield* Simulation
  const storage = yield* Storage.Storage
  const { samplingInterval } = beginning
  const firstTick = ((yield* simulation.tickNumber) / samplingInterval + 1n) * samplingInterval
  let bytes: Uint8Array | undefined
  return Effect.gen(function* () {
    bytes ??= yield* encode(simulation, beginning, firstTick)
    yield* Effect.retry(Storage.write(storage, StorageKey.metadata(beginning.runId), [bytes]), {
      schedule: retry,
      while: (error) => error.isRetryable
    })
  })
})
