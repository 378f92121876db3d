/**
 * Shared parts of restoring a world: failures and cells.
 */
import * as Result from "effect/Result"
import type { Vector } from "../../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import type { Torus } from "./torus.ts"

/** A part of a snapshot, or the problem with it. */
export type Restored<A> = Result.Result<A, string>

export const damaged = (problem: string): Restored<never> => Result.fail(problem)

/** The cell at `place`. `what` names it in a failure. */
export const restoreCell = (torus: Torus, place: Vector | undefined, what: string): Restored<number> => {
  if (place === undefined) return damaged(`${what} is missing`)
  const cell = torus.cellOf(place.components)
  return cell === undefined
    ? damaged(`${what} (${place.components.join(", ")}) is not in the world of ${torus.shape.join("x")} cells`)
    : Result.succeed(cell)
}
