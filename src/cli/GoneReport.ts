/**
 * Reports on standard error what a salvaged run has lost, file by file.
 */
import * as Effect from "effect/Effect"
import * as TickSet from "../domain/TickSet.ts"
import type * as RunTicks from "../runs/RunTicks.ts"
import * as Format from "./Format.ts"

const shown = 8

const stretchText = ({ first, last, step }: TickSet.Stretch): string => {
  if (first === last) return `${first}`
  return step > 1n ? `${first} to ${last} by ${step}` : `${first} to ${last}`
}

const some = (all: ReadonlyArray<string>): string =>
  all.length > shown ? `${all.slice(0, shown).join(", ")} and ${all.length - shown} more` : all.join(", ")

const ticksText = (ticks: ReadonlyArray<TickSet.Stretch> | undefined): string => {
  if (ticks === undefined) return "its ticks are not known"
  const count = ticks.reduce((total, stretch) => total + TickSet.count(stretch), 0n)
  return `gone: ${count === 1n ? "tick" : "ticks"} ${some(ticks.map(stretchText))}`
}

/** One line that says what a file has lost. */
export const line = (location: string, { key, places, problem, ticks }: RunTicks.Gone): string => {
  const where = places.map(({ bytes, offset }) => `${Format.plural(bytes, "byte")} from byte ${offset}`)
  const lost = places.length === 0 ? "" : ` (${some(where)})`
  return `${location}/${key}: ${problem}${lost}; ${ticksText(ticks)}`
}

/** Writes the lines and counts them. */
export class GoneReport {
  private readonly location: string
  /** Lines so far. */
  told = 0

  constructor(location: string) {
    this.location = location
  }

  readonly tell = (gone: RunTicks.Gone): Effect.Effect<void> => this.say(line(this.location, gone))

  /** Reports a tick whose payload can't be decoded. */
  readonly tellUndecodable = (error: { readonly message: string }): Effect.Effect<void> =>
    this.say(`left out: ${error.message}`)

  private say(text: string): Effect.Effect<void> {
    return Effect.sync(() => {
      this.told++
      process.stderr.write(`tickvault: ${text}\n`)
    })
  }
}
