/**
 * All cases, in the order of the table.
 */
import type { Case } from "./Case.ts"
import * as Store from "./cases/store.ts"

export const cases: ReadonlyArray<Case> = [...Store.cases]
