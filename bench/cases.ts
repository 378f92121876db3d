/**
 * All cases, in the order of the table.
 */
import type { Case } from "./Case.ts"
import * as Files from "./cases/files.ts"
import * as Idempotency from "./cases/idempotency.ts"
import * as Memory from "./cases/memory.ts"
import * as Start from "./cases/start.ts"
import * as Store from "./cases/store.ts"

export const cases: ReadonlyArray<Case> = [
  ...Store.cases,
  ...Files.cases,
  ...Idempotency.cases,
  ...Memory.cases,
  ...Start.cases
]
