/**
 * The services for replaying, previewing and dropping letters, taken once from the context.
 */
import * as Effect from "effect/Effect"
import { DeadLetterQueue } from "../../deadletter/DeadLetterQueue.ts"
import { RunLedger } from "../../ledger/RunLedger.ts"
import * as BatchWriter from "../../persistence/BatchWriter.ts"
import * as Settler from "../../persistence/Settler.ts"
import type * as WriteOptions from "../../persistence/WriteOptions.ts"
import { Storage } from "../../storage/Storage.ts"
import * as ReplayMetrics from "../ReplayMetrics.ts"

/** Makes the parts of replays with the name `name` in ledgers. */
export const make = Effect.fnUntraced(function* (name: string, options: typeof WriteOptions.Options.Type) {
  const deadLetters = yield* DeadLetterQueue
  return {
    deadLetters,
    storage: yield* Storage,
    ledger: yield* RunLedger,
    settler: yield* Settler.make(name),
    writers: yield* BatchWriter.make(options, 1),
    metrics: yield* ReplayMetrics.make(deadLetters.name)
  }
})

export type Parts = Effect.Success<ReturnType<typeof make>>
