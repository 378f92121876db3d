// @effect-diagnostics globalConsole:off
/**
 * Takes one turn of a case in this process and prints what it has come to, as JSON.
 */
import * as Effect from "effect/Effect"
import { cases } from "./cases.ts"

const [name, side, folder = ""] = process.argv.slice(2)
const found = cases.find((each) => each.name === name)
if (found === undefined) throw new Error(`there is no case ${name}`)
const { turns } = found
const measured = await Effect.runPromise<unknown, never>(
  turns.in === "one process"
    ? turns.both(folder, side === "peer" ? "peer" : "ours")
    : (side === "peer" ? turns.peer : turns.ours)(folder)
)
console.log(JSON.stringify({ measured, peakKilobytes: process.resourceUsage().maxRSS }))
