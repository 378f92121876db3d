// @module-tag unit
import * as World from "../../src/simulation/World.ts"
import * as SimulationContract from "../../src/testing/SimulationContract.ts"
import { contract } from "../support/contract.ts"

contract("Simulation (World)", SimulationContract.cases(World.layer({ shape: [8, 8], organisms: 2 })))
