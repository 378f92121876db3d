/** The metadata of a run: its space, its energy, and the first organisms. */
import { create } from "@bufbuild/protobuf"
import * as Schema from "effect/Schema"
import {
  ProgramArtifactSchema,
  SimulationMetadataSchema,
  type ProgramArtifact,
  type SimulationMetadata
} from "../../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import { Molecule } from "./cells.ts"
import { instructions } from "./instructions.ts"
import { ancestors, procName, registerNames, type Program } from "./programs.ts"
import type { Torus } from "./torus.ts"
import type { LivingWorld } from "./livingWorld.ts"

const toJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** The parts of the metadata that don't come from the world. */
export interface Run {
  readonly simulationRunId: string
  readonly startTimeMs: bigint
  readonly seed: number
  readonly options: Record<string, unknown>
}

/** The metadata of a run that begins with `world` at tick 0. */
export const describe = (world: LivingWorld, run: Run): SimulationMetadata => {
  const { shape } = world.kind
  return create(SimulationMetadataSchema, {
    simulationRunId: run.simulationRunId,
    startTimeMs: run.startTimeMs,
    initialSeed: BigInt(run.seed),
    environment: { dimensions: shape.length, shape: [...shape], toroidal: shape.map(() => true) },
    energyStrategies: world.strategies.map((strategy) => ({
      strategyType: strategy.type,
      configJson: toJson(strategy.config)
    })),
    programs: ancestors.map((program) => artifact(world.torus, program)),
    initialOrganisms: world.organisms.map(({ id, programId, origin, energy }) => ({
      organismId: id,
      programId,
      position: { components: world.torus.coordinates(origin) },
      initialEnergy: energy
    })),
    userMetadata: {},
    resolvedConfigJson: toJson(run.options)
  })
}

/** The program, placed from the first cell of the world along the first axis. */
const artifact = (torus: Torus, program: Program): ProgramArtifact => {
  const fileName = `${program.name}.asm`
  const layout = program.genome.slice(0, torus.maxBody).map((gene, address) => ({
    ...gene,
    address,
    coordinates: torus.coordinates(torus.bodyCell(0, torus.forward, address))
  }))
  const code = layout.filter(({ type }) => type === Molecule.code)
  return create(ProgramArtifactSchema, {
    programId: program.programId,
    sources: { [fileName]: { lines: [...program.source] } },
    machineCodeLayout: code.map(({ coordinates, value }) => ({
      position: { components: coordinates },
      instruction: value
    })),
    initialWorldObjects: layout
      .filter(({ type }) => type !== Molecule.code)
      .map(({ coordinates, type, value }) => ({ position: { components: coordinates }, molecule: { type, value } })),
    sourceMap: program.lines.map(({ address, line }) => ({
      linearAddress: address,
      sourceInfo: { fileName, lineNumber: line + 1, columnNumber: 1 }
    })),
    callSiteBindings: callSites(program).map(({ address, target }) => ({
      linearAddress: address,
      targetCoord: { components: torus.coordinates(torus.bodyCell(0, torus.forward, target % torus.maxBody)) }
    })),
    relativeCoordToLinearAddress: Object.fromEntries(
      layout.map(({ coordinates, address }) => [coordinates.join("|"), address])
    ),
    linearAddressToCoord: layout.map(({ coordinates, address }) => ({
      linearAddress: address,
      coord: { components: coordinates }
    })),
    labelAddressToName: [...program.labels].map(([labelName, linearAddress]) => ({ linearAddress, labelName })),
    registerAliasMap: Object.fromEntries(registerNames),
    procNameToParamNames: Object.fromEntries(
      callSites(program).map(({ target }) => [procName(target), { names: ["F0"] }])
    )
  })
}

const callSites = ({ genome, lines }: Program) =>
  lines.flatMap(({ address }) => {
    const isCall = instructions[genome[address]?.value ?? 0]?.name === "CALL"
    return isCall ? [{ address, target: address + (genome[address + 2]?.value ?? 0) }] : []
  })
