/**
 * The assertions of the contract suites, which depend on no test runner.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { ContractViolation } from "../Contract.ts"

/** Throws unless `actual` and `expected` are equal in structure, bytes included. */
export const same = <A>(actual: A, expected: NoInfer<A>, problem = "it is not what was expected"): void => {
  if (!Equal.equals(actual, expected)) throw new ContractViolation({ problem, actual, expected })
}

/** Throws unless `condition` is true. `expected` says in words what that means. */
export const isTrue = (condition: boolean, expected: string): void => {
  if (!condition)
    throw new ContractViolation({ problem: "it is not what was expected", actual: "it is not so", expected })
}

/** Throws if `condition` is true. `expected` says in words what its opposite means. */
export const isFalse = (condition: boolean, expected: string): void => isTrue(!condition, expected)

/** Throws unless `text` contains `part`. */
export const includes = (text: string, part: string): void => {
  if (!text.includes(part)) throw new ContractViolation({ problem: "a part is missing", actual: text, expected: part })
}

/** The error of `effect`. Dies when that succeeds. */
export const failure = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, never, R> =>
  Effect.matchEffect(effect, {
    onFailure: Effect.succeed,
    onSuccess: (actual) =>
      Effect.die(new ContractViolation({ problem: "it succeeds where it must fail", actual, expected: "a failure" }))
  })

/** The error of `effect`. Dies when that succeeds, or fails for another reason than `expected`. */
export const failureFor = <A, E extends { readonly reason: { readonly _tag: string } }, R>(
  effect: Effect.Effect<A, E, R>,
  expected: E["reason"]["_tag"]
): Effect.Effect<E, never, R> =>
  Effect.tap(failure(effect), (error) =>
    Effect.sync(() => same(error.reason._tag, expected, "it fails for another reason"))
  )
