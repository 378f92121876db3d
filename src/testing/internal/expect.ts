/**
 * The assertions of the contract suites, which depend on no test runner.
 */
import * as Equal from "effect/Equal"
import { ContractViolation } from "../Contract.ts"

/** Throws unless `actual` and `expected` are equal in structure, bytes included. */
export const same = <A>(actual: A, expected: NoInfer<A>, problem = "it is not what was expected"): void => {
  if (!Equal.equals(actual, expected)) throw new ContractViolation({ problem, actual, expected })
}

/** Throws unless `condition` holds. */
export const isTrue = (condition: boolean, problem?: string): void => same(condition, true, problem)

/** Throws if `condition` holds. */
export const isFalse = (condition: boolean, problem?: string): void => same(condition, false, problem)

/** Throws unless `text` contains `part`. */
export const includes = (text: string, part: string): void => {
  if (!text.includes(part)) throw new ContractViolation({ problem: "a part is missing", actual: text, expected: part })
}
