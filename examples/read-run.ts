import { fromBinary } from "@bufbuild/protobuf"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as DeadLetterQueues from "tickvault/deadletter/DeadLetterQueues"
import { TickDataSchema } from "tickvault/domain/Contracts"
import * as RunId from "tickvault/domain/RunId"
import * as RunTicks from "tickvault/runs/RunTicks"
import * as StoredFiles from "tickvault/storage/StoredFiles"
import * as Verify from "tickvault/verify/Verify"

/** Proves that a run is whole, then reads every tick from number `from` on, decoded. */
export const readRun = (directory: string, run: string, from: bigint) =>
  Effect.gen(function* () {
    const runId = RunId.make(run)
    const { state, ticks } = yield* Verify.verify(runId)
    const messages = yield* RunTicks.ticks(runId, { from }).pipe(
      Stream.map(({ payload }) => fromBinary(TickDataSchema, payload)),
      Stream.runCollect
    )
    return { state, ticks, messages }
  }).pipe(
    Effect.provide(
      Layer.merge(StoredFiles.layer("runs", directory), DeadLetterQueues.layerNone).pipe(
        Layer.provide(NodeServices.layer)
      )
    )
  )
