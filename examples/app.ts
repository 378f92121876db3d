import { create } from "@bufbuild/protobuf"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TickDataSchema } from "tickvault/domain/Contracts"
import * as Tick from "tickvault/domain/Tick"
import * as Pipeline from "tickvault/Pipeline"
import { TickQueue } from "tickvault/queue/TickQueue"

/** Offers 5,000 ticks; an offer waits while the queue is full. */
const simulate = Effect.gen(function* () {
  const queue = yield* TickQueue
  for (let tickNumber = 1n; tickNumber <= 5000n; tickNumber++) {
    const tick = create(TickDataSchema, { simulationRunId: "my-run", tickNumber, rngState: new Uint8Array(64) })
    yield* queue.offer(Tick.fromMessage(tick))
  }
})

/** Stores them in `directory` and says what has become of each. */
export const app = (directory: string) =>
  simulate.pipe(
    Effect.andThen(Pipeline.Pipeline.use((pipeline) => pipeline.drain)),
    Effect.provide(
      Pipeline.layer({ directory, instances: 2, persistence: { maxBatchSize: 500 } }).pipe(
        Layer.provide(NodeServices.layer)
      )
    )
  )
