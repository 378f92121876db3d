// @effect-diagnostics globalConsole:off
/**
 * Takes one turn of a case in this process and prints the result as JSON.
 */
import * as Effect from "effect/Effect"
import { against } from "./Case.ts"
import { cases } from "./cases.ts"

const [name, side, folder = "", checkout] = process.argv.slice(2)
const named = cases.find((each) => each.name === name)
const found = checkout === undefined || named === undefined ? named : against(named, checkout)
if (found === undefined) throw new Error(`there is no case ${name}`)
const { turns } = found
const measured = await Effect.runPromise<unknown, never>(
  turns.in === "one process"
    ? turns.both(folder, side === "peer" ? "peer" : "ours")
    : (side === "peer" ? turns.peer : turns.ours)(folder)
)
console.log(JSON.stringify({ measured, peakKilobytes: process.resourceUsage().maxRSS }))
