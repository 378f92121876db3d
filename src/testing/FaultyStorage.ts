/**
 * A storage whose faults are scripted: which call of which operation fails, how, and when.
 *
 * Wraps any storage. Every operation suspends at least once, so that an interruption can fall before and after it as it
 * can with a disk; a commit, once begun, isn't interrupted, as the contract has it. Faults wait in line for each
 * operation, and each is used by one call; when none is left, calls pass.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { NoSpace } from "tickvault/storage/StorageError"
 * import * as FaultyStorage from "tickvault/testing/FaultyStorage"
 *
 * // The second commit finds a full disk.
 * export const program = Effect.gen(function* () {
 *   const faults = yield* FaultyStorage.FaultyStorage
 *   yield* faults.next("commit", [FaultyStorage.pass, FaultyStorage.fail(new NoSpace({ code: "ENOSPC" }))])
 * }).pipe(Effect.provide(FaultyStorage.layer))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Storage from "../storage/Storage.ts"
import { type Reason, StorageError } from "../storage/StorageError.ts"
import type * as Faults from "./Fault.ts"
import * as Script from "./internal/script.ts"

export type Operation =
  | "create"
  | "write"
  | "commit"
  | "append"
  | "sync"
  | "read"
  | "list"
  | "stat"
  | "remove"
  | "secure"
  | "set-aside"

/** What one call meets instead of success. On `commit`, `fail` has taken the bytes and publishes nothing. */
export type Fault = Faults.Fault<Reason>

export { die, fail, failAfter, hang, late, pass, repeat, stuck, wait } from "./Fault.ts"

/** One call, in the order of the calls. `key` is the prefix for `list`. */
export type Call = Faults.Call<Operation>

export class FaultyStorage extends Context.Service<
  FaultyStorage,
  Faults.Script<Readonly<Record<Operation, Reason>>> & {
    /** The storage underneath, without faults: to look into what is really there. */
    readonly underneath: Storage.Storage["Service"]
  }
>()("tickvault/testing/FaultyStorage") {}

/** Wraps `underneath`: gives the storage with faults and the handle to script them. */
export const make = (underneath: Storage.Storage["Service"]) => {
  const { meet: meetFault, script } = Script.make<Readonly<Record<Operation, Reason>>>()

  const meet = <A, E, R>(operation: Operation, key: string, call: Effect.Effect<A, E, R>) =>
    meetFault(
      operation,
      key,
      call,
      (reason) => new StorageError({ operation: operation === "sync" ? "append" : operation, key, reason })
    )

  const storage = Storage.Storage.of({
    name: underneath.name,
    location: underneath.location,
    create: (key) =>
      Effect.map(meet("create", key, underneath.create(key)), (writer): Storage.Writer => ({
        write: (bytes) => meet("write", key, writer.write(bytes)),
        commit: meet("commit", key, writer.commit)
      })),
    read: (key, chunks) => Stream.unwrap(meet("read", key, Effect.succeed(underneath.read(key, chunks)))),
    list: (prefix) => Stream.unwrap(meet("list", prefix, Effect.succeed(underneath.list(prefix)))),
    stat: (key) => meet("stat", key, underneath.stat(key)),
    append: (key) =>
      Effect.map(underneath.append(key), (log): Storage.Appender => ({
        append: (bytes) => meet("append", key, log.append(bytes)),
        sync: meet("sync", key, log.sync)
      })),
    secure: (key) => meet("secure", key, underneath.secure(key)),
    remove: (key) => meet("remove", key, underneath.remove(key)),
    setAside: (key) => meet("set-aside", key, underneath.setAside(key))
  })

  const faults = FaultyStorage.of({ ...script, underneath })
  return { storage, faults }
}

/** A faulty storage in memory, with its handle. */
export const layer: Layer.Layer<Storage.Storage | FaultyStorage> = Layer.effectContext(
  Effect.map(Storage.makeMemory("memory"), (memory) => {
    const { faults, storage } = make(memory)
    return Context.make(Storage.Storage, storage).pipe(Context.add(FaultyStorage, faults))
  })
)
