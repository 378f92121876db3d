/**
 * Rebuilds a world from a snapshot, or names the problem with it.
 *
 * Every part of the snapshot is checked. A restored world can be stepped, and gives the same snapshot again.
 */
import * as Result from "effect/Result"
import type {
  CellState,
  StrategyState,
  TickData
} from "../../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import * as Census from "./census.ts"
import { Molecule, moleculeTypes, nobody } from "./cells.ts"
import { LivingWorld } from "./livingWorld.ts"
import { damaged, type Restored, restoreCell } from "./restoreCell.ts"
import { restoreOrganism } from "./restoreOrganism.ts"
import { Rng } from "./rng.ts"
import type { Kind, WorldState } from "./worldState.ts"

/** The world of `kind` in the state of `tick`. */
export const restore = (kind: Kind, tick: TickData): Restored<LivingWorld> =>
  Result.gen(function* () {
    if (tick.tickNumber < 0n) return yield* damaged("its number is below 0")
    const rng = Rng.fromBytes(tick.rngState)
    if (rng === undefined) return yield* damaged("rng_state is not the state of an xoshiro128** generator")
    const world = new LivingWorld(kind, rng)
    const census = yield* restoreStrategies(world, tick)
    world.tickNumber = tick.tickNumber
    world.nextId = census.nextId
    world.spent = census.spent
    let lastId = nobody
    for (const [index, state] of tick.organisms.entries()) {
      const organism = yield* restoreOrganism(world, state, census.genomeLengths[index] ?? 0)
      if (organism.id <= lastId) return yield* damaged(`organism ${organism.id} is out of order`)
      lastId = organism.id
      world.add(organism)
      if (organism.isDead) world.forget(organism)
    }
    if (lastId >= world.nextId) return yield* damaged(`organism ${lastId} has an id that is not assigned yet`)
    for (const cell of tick.cells) yield* restoreMolecule(world, cell)
    yield* checkBodies(world)
    return world
  })

const restoreStrategies = (world: LivingWorld, tick: TickData): Restored<Census.Census> =>
  Result.gen(function* () {
    const states = new Map<string, StrategyState>()
    const known = new Set([Census.censusType, ...world.strategies.map((strategy) => strategy.type)])
    for (const state of tick.strategyStates) {
      const { strategyType } = state
      if (!known.has(strategyType)) return yield* damaged(`the strategy "${strategyType}" is not known here`)
      if (states.has(strategyType)) return yield* damaged(`the strategy "${strategyType}" has two states`)
      states.set(strategyType, state)
    }
    for (const type of known) {
      if (!states.has(type)) return yield* damaged(`the state of the strategy "${type}" is missing`)
    }
    const blob = (type: string) => states.get(type)?.stateBlob ?? new Uint8Array()
    const census = Census.load(blob(Census.censusType), world.kind, tick.organisms.length)
    if (typeof census === "string") return yield* damaged(census)
    for (const strategy of world.strategies) {
      if (!strategy.load(blob(strategy.type), world)) {
        return yield* damaged(`the state of the strategy "${strategy.type}" is damaged`)
      }
    }
    return census
  })

const restoreMolecule = (world: WorldState, state: CellState): Restored<void> =>
  Result.flatMap(restoreCell(world.torus, state.coordinate, "the place of a cell"), (cell) => {
    const { moleculeType, moleculeValue, ownerId } = state
    const problem = moleculeProblem(world, state, cell)
    if (problem !== undefined) {
      return damaged(`the cell at (${world.torus.coordinates(cell).join(", ")}) ${problem}`)
    }
    world.cells.set(cell, moleculeType, moleculeValue, ownerId)
    return Result.void
  })

const moleculeProblem = ({ cells, organismById }: WorldState, state: CellState, cell: number): string | undefined => {
  const { moleculeType, moleculeValue, ownerId } = state
  if (!cells.isFree(cell)) return "is listed twice"
  if (moleculeType === Molecule.code && moleculeValue === 0 && ownerId === nobody) return "is listed but empty"
  if (moleculeType < 0 || moleculeType >= moleculeTypes) return `has the unknown molecule type ${moleculeType}`
  if (ownerId !== nobody && !organismById.has(ownerId)) return `belongs to organism ${ownerId}, which doesn't live`
  if (moleculeType === Molecule.energy && (ownerId !== nobody || moleculeValue < 1)) return "can't hold such energy"
  return undefined
}

const checkBodies = ({ cells, organismById, torus }: WorldState): Restored<void> => {
  for (const { id, body } of organismById.values()) {
    const lost = body.find((cell) => cells.owner[cell] !== id)
    if (lost === undefined) continue
    const where = torus.coordinates(lost).join(", ")
    return damaged(`the cell at (${where}) is in the body of organism ${id} but doesn't belong to it`)
  }
  return Result.void
}
