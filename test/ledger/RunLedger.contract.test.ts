// @module-tag unit
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as RunLedgerContract from "../../src/testing/RunLedgerContract.ts"
import * as FaultyRunLedger from "../../src/testing/FaultyRunLedger.ts"
import { contract } from "../support/contract.ts"

// What it says in its log is a matter of other tests.
const silent = Logger.layer([])

contract("RunLedger", RunLedgerContract.cases(Layer.provideMerge(RunLedger.layer, silent)))
contract(
  "RunLedger (faulty, without faults)",
  RunLedgerContract.cases(Layer.provideMerge(FaultyRunLedger.layer, silent))
)
