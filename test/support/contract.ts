import { describe, it } from "@effect/vitest"
import type { Case } from "../../src/testing/Contract.ts"

/** Runs the cases of a contract as tests. */
export const contract = (name: string, cases: ReadonlyArray<Case>) => {
  describe(name, () => {
    for (const one of cases) it.effect(one.name, () => one.effect)
  })
}
