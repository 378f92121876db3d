/** Rebuilds one organism of a snapshot, or names the problem with it. */
import * as Result from "effect/Result"
import type { Vector } from "../../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import type {
  OrganismState,
  ProcFrame,
  RegisterValue
} from "../../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import {
  dataPointerCount,
  energyCapacity,
  Locations,
  Registers,
  Stacks,
  type Frame,
  type Organism,
  type Value
} from "./organism.ts"
import { damaged, restoreCell, type Restored } from "./restoreCell.ts"
import type { Torus } from "./torus.ts"
import type { WorldState } from "./worldState.ts"

type Body = Pick<Organism, "origin" | "dv" | "body">

const { data, procedure, formal } = Registers

export const restoreOrganism = (world: WorldState, state: OrganismState, length: number): Restored<Organism> =>
  Result.mapError(organism(world, state, length), (problem) => `organism ${state.organismId}: ${problem}`)

const organism = (world: WorldState, state: OrganismState, length: number): Restored<Organism> =>
  Result.gen(function* () {
    const { torus } = world
    yield* checkNumbers(world, state)
    const where = yield* restoreBody(torus, state, length)
    const frames = (stack: ReadonlyArray<ProcFrame>) =>
      all(stack, Stacks.calls, (frame) => procFrame(torus, where, frame))
    return {
      ...where,
      id: state.organismId,
      parentId: state.parentId,
      birthTick: state.birthTick,
      programId: state.programId,
      energy: state.energy,
      address: yield* restoreAddress(torus, where, state.ip, "ip"),
      dataPointers: yield* exactly(dataPointerCount, state.dataPointers, cellIn(torus, "a data pointer")),
      activeDataPointer: state.activeDpIndex,
      registers: [
        ...(yield* registers(torus, data, state.dataRegisters)),
        ...(yield* registers(torus, procedure, state.procedureRegisters)),
        ...(yield* registers(torus, formal, state.formalParamRegisters))
      ],
      locations: yield* exactly(Locations.count, state.locationRegisters, cellIn(torus, "a location register")),
      dataStack: yield* all(state.dataStack, Stacks.data, (value) => registerValue(torus, value)),
      locationStack: yield* all(state.locationStack, Stacks.location, cellIn(torus, "the location stack")),
      callStack: yield* frames(state.callStack),
      isDead: state.isDead,
      failure: state.failureReason,
      failureCallStack: yield* frames(state.failureCallStack)
    }
  })

const checkNumbers = ({ tickNumber }: WorldState, state: OrganismState): Restored<void> => {
  if (state.organismId < 1) return damaged("its id is below 1")
  if (state.birthTick < 0n || state.birthTick > tickNumber)
    return damaged(`its birth_tick ${state.birthTick} is in the future`)
  if (state.energy > energyCapacity || state.energy < 0 || (state.energy === 0) !== state.isDead) {
    return damaged(`its energy ${state.energy} is impossible`)
  }
  if (state.activeDpIndex < 0 || state.activeDpIndex >= dataPointerCount)
    return damaged("there is no such data pointer")
  if (state.instructionFailed !== (state.failureReason !== undefined)) return damaged("it failed without a reason")
  return Result.void
}

const restoreBody = (torus: Torus, state: OrganismState, length: number): Restored<Body> =>
  Result.gen(function* () {
    const origin = yield* restoreCell(torus, state.initialPosition, "initial_position")
    const dv = torus.directionOf(state.dv?.components ?? [])
    if (dv === undefined) return yield* damaged("dv is not one step along an axis")
    if (length < 1 || length > torus.maxBody) return yield* damaged(`its genome can't have ${length} molecules`)
    return { origin, dv, body: torus.bodyCells(origin, dv, length) }
  })

const cellIn = (torus: Torus, what: string) => (place: Vector) => restoreCell(torus, place, what)

const restoreAddress = (
  torus: Torus,
  { origin, dv, body }: Body,
  place: Vector | undefined,
  what: string
): Restored<number> =>
  Result.flatMap(restoreCell(torus, place, what), (cell) => {
    const address = torus.bodyAddress(origin, dv, cell)
    return address >= 0 && address < body.length ? Result.succeed(address) : damaged(`${what} is not in its body`)
  })

const all = <A, B>(items: ReadonlyArray<A>, limit: number, decode: (item: A) => Restored<B>): Restored<Array<B>> =>
  Result.gen(function* () {
    if (items.length > limit) return yield* damaged(`there are ${items.length} where at most ${limit} are possible`)
    const decoded: Array<B> = []
    for (const item of items) decoded.push(yield* decode(item))
    return decoded
  })

const exactly = <A, B>(count: number, items: ReadonlyArray<A>, decode: (item: A) => Restored<B>) =>
  items.length < count ? damaged(`there are ${items.length} where there must be ${count}`) : all(items, count, decode)

const registers = (torus: Torus, count: number, values: ReadonlyArray<RegisterValue>) =>
  exactly(count, values, (value) => registerValue(torus, value))

const registerValue = (torus: Torus, { value }: RegisterValue): Restored<Value> => {
  if (value.case === "scalar") return Result.succeed(value.value)
  const direction = value.case === "vector" ? torus.directionOf(value.value.components) : undefined
  return direction === undefined
    ? damaged("a register value is neither a number nor a direction")
    : Result.succeed(direction)
}

const procFrame = (torus: Torus, where: Body, frame: ProcFrame): Restored<Frame> =>
  Result.gen(function* () {
    const argument = frame.fprBindings[0]
    if (argument === undefined || Object.keys(frame.fprBindings).length !== 1) {
      return yield* damaged("a call doesn't bind exactly one parameter")
    }
    if (argument < 0 || argument >= Registers.all)
      return yield* damaged("a call binds something that is not a register")
    return {
      procName: frame.procName,
      returnAddress: yield* restoreAddress(torus, where, frame.absoluteReturnIp, "a return address"),
      savedPrs: yield* registers(torus, procedure, frame.savedPrs),
      savedFprs: yield* registers(torus, formal, frame.savedFprs),
      argument
    }
  })
