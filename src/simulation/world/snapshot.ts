/**
 * Tells all of a world as a `TickData` message.
 *
 * Messages are written as plain objects: they are what `create` of the protobuf library returns for them, at a
 * fraction of its time. Cells that don't change from tick to tick share one frozen message.
 */
import type { Vector } from "../../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import type {
  CellState,
  OrganismState,
  ProcFrame,
  RegisterValue,
  StrategyState,
  TickData
} from "../../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import * as Census from "./census.ts"
import { isDirection, Registers, type Frame, type Organism, type Value } from "./organism.ts"
import type { WorldState } from "./worldState.ts"

const vector = (components: Array<number>): Vector => ({
  $typeName: "org.evochora.datapipeline.api.contracts.Vector",
  components
})

const strategyState = (strategyType: string, stateBlob: Uint8Array): StrategyState => ({
  $typeName: "org.evochora.datapipeline.api.contracts.StrategyState",
  strategyType,
  stateBlob
})

const registerValue = (value: Value): RegisterValue => ({
  $typeName: "org.evochora.datapipeline.api.contracts.RegisterValue",
  value: isDirection(value) ? { case: "vector", value: vector(value.vector.slice()) } : { case: "scalar", value }
})

/** Takes snapshots of one world. */
export class Photographer {
  private readonly world: WorldState
  private readonly cellStates: Array<CellState | undefined>
  private kept = 0

  constructor(world: WorldState) {
    this.world = world
    this.cellStates = Array.from({ length: world.torus.size }, () => undefined)
  }

  snapshot(simulationRunId: string, captureTimeMs: bigint): TickData {
    const { organisms, rng, strategies, tickNumber } = this.world
    return {
      $typeName: "org.evochora.datapipeline.api.contracts.TickData",
      simulationRunId,
      tickNumber,
      captureTimeMs,
      organisms: organisms.map((organism) => this.organism(organism)),
      cells: this.cells(),
      rngState: rng.toBytes(),
      strategyStates: [
        strategyState(Census.censusType, Census.save(this.world)),
        ...strategies.map((strategy) => strategyState(strategy.type, strategy.save()))
      ]
    }
  }

  private cells(): Array<CellState> {
    const { occupied } = this.world.cells
    const found: Array<CellState> = []
    for (let word = 0; word < occupied.length; word++) {
      let bits = occupied[word] ?? 0
      while (bits !== 0) {
        found.push(this.cellState(word * 32 + 31 - Math.clz32(bits & -bits)))
        bits &= bits - 1
      }
    }
    this.forgetSome(found.length)
    return found
  }

  /** The message of `cell`: the one of the last snapshot if the cell is still the same. */
  private cellState(cell: number): CellState {
    const { type, value, owner } = this.world.cells
    const known = this.cellStates[cell]
    const isSame =
      known !== undefined &&
      known.ownerId === owner[cell] &&
      known.moleculeValue === value[cell] &&
      known.moleculeType === type[cell]
    if (isSame) return known
    const state = this.cell(cell, type[cell] ?? 0, value[cell] ?? 0, owner[cell] ?? 0)
    this.cellStates[cell] = state
    this.kept++
    return state
  }

  /** Messages of cells that are long empty would pile up: starts anew when there are many more than are needed. */
  private forgetSome(needed: number): void {
    if (this.kept < 4 * needed + 4096) return
    this.cellStates.fill(undefined)
    this.kept = 0
  }

  private cell(cell: number, moleculeType: number, moleculeValue: number, ownerId: number): CellState {
    const coordinate = this.vectorOf(cell)
    Object.freeze(coordinate.components)
    return Object.freeze({
      $typeName: "org.evochora.datapipeline.api.contracts.CellState",
      coordinate: Object.freeze(coordinate),
      moleculeType,
      moleculeValue,
      ownerId
    })
  }

  private organism(self: Organism): OrganismState {
    const { firstProcedure, firstFormal } = Registers
    const registers = self.registers.map(registerValue)
    return {
      $typeName: "org.evochora.datapipeline.api.contracts.OrganismState",
      organismId: self.id,
      parentId: self.parentId,
      birthTick: self.birthTick,
      programId: self.programId,
      energy: self.energy,
      ip: this.vectorAt(self, self.address),
      initialPosition: this.vectorOf(self.origin),
      dv: vector(self.dv.vector.slice()),
      dataPointers: self.dataPointers.map(this.vectorOf),
      activeDpIndex: self.activeDataPointer,
      dataRegisters: registers.slice(0, firstProcedure),
      procedureRegisters: registers.slice(firstProcedure, firstFormal),
      formalParamRegisters: registers.slice(firstFormal),
      locationRegisters: self.locations.map(this.vectorOf),
      dataStack: self.dataStack.map(registerValue),
      locationStack: self.locationStack.map(this.vectorOf),
      callStack: self.callStack.map((frame) => this.procFrame(self, frame)),
      isDead: self.isDead,
      instructionFailed: self.failure !== undefined,
      failureReason: self.failure,
      failureCallStack: self.failureCallStack.map((frame) => this.procFrame(self, frame))
    }
  }

  private procFrame(self: Organism, frame: Frame): ProcFrame {
    return {
      $typeName: "org.evochora.datapipeline.api.contracts.ProcFrame",
      procName: frame.procName,
      absoluteReturnIp: this.vectorAt(self, frame.returnAddress),
      savedPrs: frame.savedPrs.map(registerValue),
      savedFprs: frame.savedFprs.map(registerValue),
      fprBindings: { 0: frame.argument }
    }
  }

  private vectorAt(self: Organism, address: number): Vector {
    return this.vectorOf(self.body[address] ?? self.origin)
  }

  private readonly vectorOf = (cell: number): Vector => vector(this.world.torus.coordinates(cell))
}
