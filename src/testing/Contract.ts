/**
 * The form of the contract suites in this folder: cases that any test runner can run.
 *
 * A suite makes cases for an implementation, which it gets as a layer. Each case builds the layer anew, so that it begins
 * with an empty one, and has a metric registry of its own. A case that the implementation doesn't keep to dies with a
 * `ContractViolation`, which says what was expected and what was found.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import type * as Contract from "tickvault/testing/Contract"
 * import { test } from "node:test"
 *
 * // With node:test. With vitest, jest and others it is the same.
 * export const hold = (cases: ReadonlyArray<Contract.Case>) => {
 *   for (const { effect, name } of cases) test(name, () => Effect.runPromise(effect))
 * }
 * ```
 */
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import type * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

/** One thing that each implementation must do. */
export interface Case {
  /** A sentence without its subject: "objects > holds empty objects". */
  readonly name: string
  /** Dies with a `ContractViolation` when the implementation breaks the contract. Fails when it can't be built. */
  readonly effect: Effect.Effect<void, unknown>
}

/** The implementation does something else than its contract says. */
export class ContractViolation extends Schema.TaggedError<ContractViolation>()("ContractViolation", {
  problem: Schema.String,
  /** What the implementation did. */
  actual: Schema.Unknown,
  /** What the contract says. */
  expected: Schema.Unknown
}) {
  override get message() {
    return `${this.problem}\nexpected: ${shown(this.expected)}\nactual:   ${shown(this.actual)}`
  }
}

/** The most characters of a value that a message shows. */
const maxShown = 1000

const shown = (value: unknown) => {
  const text = Formatter.format(value)
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text
}

/** A case before it has an implementation: a test that finds it in its context. */
export interface Test<R> {
  readonly name: string
  readonly body: Effect.Effect<void, unknown, R | Scope.Scope>
}

/** A test of a generator, as `Effect.gen` takes it. */
export const test = <R>(
  name: string,
  body: () => Generator<Effect.Effect<unknown, unknown, R | Scope.Scope>, void, never>
): Test<R> => ({ name, body: Effect.gen(body) })

/** Puts what several tests are about before the names of them. */
export const group = <R>(subject: string, tests: ReadonlyArray<Test<R>>): ReadonlyArray<Test<R>> =>
  tests.map(({ body, name }) => ({ name: `${subject} > ${name}`, body }))

/** Where a test expects no failure, a failure breaks the contract. */
const failsNot = <A, R>(body: Effect.Effect<A, unknown, R>): Effect.Effect<A, never, R> =>
  Effect.catch(body, (actual) =>
    Effect.die(new ContractViolation({ problem: "it fails where it must succeed", actual, expected: "a success" }))
  )

/** The case of `test` for what `layer` builds. */
export const caseOf = <R, E>({ body, name }: Test<R>, layer: Layer.Layer<R, E>): Case => ({
  name,
  effect: Effect.suspend(() =>
    failsNot(body).pipe(Effect.scoped, Effect.provide(layer), Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

/** The same with a clock of its own, which moves only when the test says so. */
export const caseOfTime = <R, E>(test: Test<R>, layer: Layer.Layer<R, E>): Case => {
  const { effect, name } = caseOf(test, layer)
  return { name, effect: Effect.provide(effect, TestClock.layer()) }
}
