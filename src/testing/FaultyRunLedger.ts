/**
 * A ledger whose faults are scripted: which call of which operation waits, dies or fails, and when.
 *
 * Wraps any ledger. Only `flush` can fail; `record` and `attend` can be slow, hang or die. To see what a ledger does when
 * its storage fails, put it on a `FaultyStorage` instead.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Storage from "tickvault/storage/Storage"
 * import { IoFailure } from "tickvault/storage/StorageError"
 * import * as Fault from "tickvault/testing/Fault"
 * import * as FaultyRunLedger from "tickvault/testing/FaultyRunLedger"
 *
 * // The next flush fails.
 * export const program = Effect.gen(function* () {
 *   const faults = yield* FaultyRunLedger.FaultyRunLedger
 *   yield* faults.next("flush", [Fault.fail(new IoFailure({ code: "EIO" }))])
 * }).pipe(Effect.provide(FaultyRunLedger.layer.pipe(Layer.provide(Storage.layerMemory))))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RunLedger from "../ledger/RunLedger.ts"
import type { Storage } from "../storage/Storage.ts"
import { type Reason, StorageError } from "../storage/StorageError.ts"
import type { Script } from "./Fault.ts"
import * as ScriptMaking from "./internal/script.ts"

/** What each operation can fail with. */
export type Reasons = Readonly<Record<"record" | "attend", never> & Record<"flush", Reason>>

export class FaultyRunLedger extends Context.Service<
  FaultyRunLedger,
  Script<Reasons> & {
    /** The ledger underneath, without faults. */
    readonly underneath: RunLedger.RunLedger["Service"]
  }
>()("tickvault/testing/FaultyRunLedger") {}

const errorOf = (reason: Reason) => new StorageError({ operation: "append", key: "ledger", reason })

/** Wraps `underneath`: gives the ledger with faults and the handle to script them. */
export const make = (underneath: RunLedger.RunLedger["Service"]) => {
  const { meet, script } = ScriptMaking.make<Reasons>()
  const ledger = RunLedger.RunLedger.of({
    record: (runId, entry, checks) =>
      Effect.orDie(meet("record", runId, underneath.record(runId, entry, checks), errorOf)),
    attend: (runId) => Effect.orDie(meet("attend", runId, underneath.attend(runId), errorOf)),
    flush: meet("flush", "", underneath.flush, errorOf)
  })
  return { ledger, faults: FaultyRunLedger.of({ ...script, underneath }) }
}

/** Puts faults between a ledger and those that use it. */
export const layerOver = <E, R>(
  underneath: Layer.Layer<RunLedger.RunLedger, E, R>
): Layer.Layer<RunLedger.RunLedger | FaultyRunLedger, E, R> =>
  Layer.effectContext(
    RunLedger.RunLedger.useSync((real) => {
      const { faults, ledger } = make(real)
      return Context.make(RunLedger.RunLedger, ledger).pipe(Context.add(FaultyRunLedger, faults))
    })
  ).pipe(Layer.provide(underneath))

/** The ledgers of a storage with faults, and their handle. */
export const layer: Layer.Layer<RunLedger.RunLedger | FaultyRunLedger, never, Storage> = layerOver(RunLedger.layer)
