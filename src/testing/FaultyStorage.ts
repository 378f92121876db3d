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
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Storage from "../storage/Storage.ts"
import { type Reason, StorageError } from "../storage/StorageError.ts"

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

/** What one call meets instead of success. */
export type Fault =
  | { readonly _tag: "Pass" }
  | { readonly _tag: "Fail"; readonly reason: Reason }
  | { readonly _tag: "FailAfter"; readonly reason: Reason }
  | { readonly _tag: "Die"; readonly defect: unknown }
  | { readonly _tag: "Wait"; readonly until: Effect.Effect<void> }
  | { readonly _tag: "Late"; readonly until: Effect.Effect<void> }

/** The call succeeds: to let some pass before a fault. */
export const pass: Fault = { _tag: "Pass" }

/** The call fails and does nothing. On `commit`: the bytes were taken, and nothing is published. */
export const fail = (reason: Reason): Fault => ({ _tag: "Fail", reason })

/** The call does its work and then fails, an unknown outcome. On `commit`: the object is there, and nobody is told. */
export const failAfter = (reason: Reason): Fault => ({ _tag: "FailAfter", reason })

/** The call dies, as a fault in an implementation does. */
export const die = (defect: unknown): Fault => ({ _tag: "Die", defect })

/** The call goes on when `until` is done: a slow medium (`Effect.sleep`), or one that a test holds (a latch). */
export const wait = (until: Effect.Effect<void>): Fault => ({ _tag: "Wait", until })

/** The call never answers. It can be interrupted. */
export const hang: Fault = wait(Effect.never)

/** The call never answers and can't be interrupted, like one that hangs in the kernel. */
export const stuck: Fault = wait(Effect.uninterruptible(Effect.never))

/** The call does its work when `until` is done, and can't be interrupted before: one that hung in the kernel for a while. */
export const late = (until: Effect.Effect<void>): Fault => ({ _tag: "Late", until })

/** `fault`, `times` times. */
export const repeat = (fault: Fault, times: number): ReadonlyArray<Fault> => Array.from({ length: times }, () => fault)

/** One call, in the order of the calls. For `list`, `key` is the prefix. */
export interface Call {
  readonly operation: Operation
  readonly key: string
  /** When it came, by Effect's clock. */
  readonly atMs: number
}

export class FaultyStorage extends Context.Service<
  FaultyStorage,
  {
    /** The next calls of `operation` meet `faults`, one each, after those that wait already. */
    readonly next: (operation: Operation, faults: ReadonlyArray<Fault>) => Effect.Effect<void>

    /** Every call of `operation` meets `fault`, once those in line are used up, until `heal`. */
    readonly always: (operation: Operation, fault: Fault) => Effect.Effect<void>

    /** From now on nothing is at fault. Calls that wait go on waiting. */
    readonly heal: Effect.Effect<void>

    /** All calls so far, those that failed included. */
    readonly calls: Effect.Effect<ReadonlyArray<Call>>

    /** The storage underneath, without faults: to look into what is really there. */
    readonly underneath: Storage.Storage["Service"]
  }
>()("tickvault/testing/FaultyStorage") {}

/** Wraps `underneath`: gives the storage with faults and the handle to script them. */
export const make = (underneath: Storage.Storage["Service"]) => {
  const calls: Array<Call> = []
  const inLine = new Map<Operation, Array<Fault>>()
  const lasting = new Map<Operation, Fault>()

  const meet = <A, E, R>(operation: Operation, key: string, call: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      calls.push({ operation, key, atMs: yield* Clock.currentTimeMillis })
      const fault = inLine.get(operation)?.shift() ?? lasting.get(operation) ?? pass
      yield* Effect.yieldNow
      if (fault._tag === "Wait") yield* fault.until
      if (fault._tag === "Late") return yield* Effect.uninterruptible(Effect.andThen(fault.until, call))
      if (fault._tag === "Die") return yield* Effect.die(fault.defect)
      const failed = operation === "sync" ? "append" : operation
      if (fault._tag === "Fail") return yield* new StorageError({ operation: failed, key, reason: fault.reason })
      const result = yield* Effect.uninterruptible(Effect.tap(call, () => Effect.yieldNow))
      if (fault._tag === "FailAfter") return yield* new StorageError({ operation: failed, key, reason: fault.reason })
      return result
    })

  const storage = Storage.Storage.of({
    name: underneath.name,
    location: underneath.location,
    compression: underneath.compression,
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

  const faults = FaultyStorage.of({
    next: (operation, more) =>
      Effect.sync(() => void inLine.set(operation, [...(inLine.get(operation) ?? []), ...more])),
    always: (operation, fault) => Effect.sync(() => void lasting.set(operation, fault)),
    heal: Effect.sync(() => {
      inLine.clear()
      lasting.clear()
    }),
    calls: Effect.sync(() => calls.slice()),
    underneath
  })
  return { storage, faults }
}

/** A faulty storage in memory, with its handle. */
export const layer: Layer.Layer<Storage.Storage | FaultyStorage> = Layer.effectContext(
  Effect.map(Effect.orDie(Storage.makeMemory("memory")), (memory) => {
    const { faults, storage } = make(memory)
    return Context.make(Storage.Storage, storage).pipe(Context.add(FaultyStorage, faults))
  })
)
