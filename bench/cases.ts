/**
 * All cases, in the order of the table.
 */
import type { Case } from "./Case.ts"
import * as Codec from "./cases/codec.ts"
import * as Cost from "./cases/cost.ts"
import * as Files from "./cases/files.ts"
import * as Idempotency from "./cases/idempotency.ts"
import * as Memory from "./cases/memory.ts"
import * as Messages from "./cases/messages.ts"
import * as Read from "./cases/read.ts"
import * as Simulate from "./cases/simulate.ts"
import * as Slow from "./cases/slow.ts"
import * as Start from "./cases/start.ts"
import * as Store from "./cases/store.ts"

export const cases: ReadonlyArray<Case> = [
  ...Store.cases,
  ...Slow.cases,
  ...Messages.cases,
  ...Codec.cases,
  ...Cost.cases,
  ...Idempotency.cases,
  ...Read.cases,
  ...Files.cases,
  ...Simulate.cases,
  ...Memory.cases,
  ...Start.cases
]
