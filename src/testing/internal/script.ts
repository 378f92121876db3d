/**
 * The faults that wait for the calls of a scripted service, and the record of its calls.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Call, type Fault, pass, type Reasons, type Script } from "../Fault.ts"

/**
 * Makes a script, and `meet`, which each call of the service goes through. Every call suspends at least once, so that an
 * interruption can fall before and after it as it can with a disk.
 */
export const make = <R extends Reasons>() => {
  const calls: Array<Call<keyof R>> = []
  const inLine = new Map<keyof R, Array<Fault<R[keyof R]>>>()
  const lasting = new Map<keyof R, Fault<R[keyof R]>>()

  const meet = <A, E, R1, O extends keyof R, E2>(
    operation: O,
    key: string,
    call: Effect.Effect<A, E, R1>,
    errorOf: (reason: R[keyof R]) => E2
  ): Effect.Effect<A, E | E2, R1> =>
    Effect.gen(function* () {
      calls.push({ operation, key, atMs: yield* Clock.currentTimeMillis })
      const fault = inLine.get(operation)?.shift() ?? lasting.get(operation) ?? pass
      yield* Effect.yieldNow
      if (fault._tag === "Wait") yield* fault.until
      if (fault._tag === "Late") return yield* Effect.uninterruptible(Effect.andThen(fault.until, call))
      if (fault._tag === "Die") return yield* Effect.die(fault.defect)
      if (fault._tag === "Fail") return yield* Effect.fail(errorOf(fault.reason))
      const result = yield* Effect.uninterruptible(Effect.tap(call, () => Effect.yieldNow))
      if (fault._tag === "FailAfter") return yield* Effect.fail(errorOf(fault.reason))
      return result
    })

  const script: Script<R> = {
    next: (operation, more) =>
      Effect.sync(() => void inLine.set(operation, [...(inLine.get(operation) ?? []), ...more])),
    always: (operation, fault) => Effect.sync(() => void lasting.set(operation, fault)),
    heal: Effect.sync(() => {
      inLine.clear()
      lasting.clear()
    }),
    calls: Effect.sync(() => calls.slice())
  }
  return { meet, script }
}
