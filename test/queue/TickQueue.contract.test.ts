// @module-tag unit
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as TickQueueContract from "../../src/testing/TickQueueContract.ts"
import { contract } from "../support/contract.ts"

contract(
  "TickQueue",
  TickQueueContract.cases((bounds) => TickQueue.layer("ticks", bounds))
)
