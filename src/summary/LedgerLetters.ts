/**
 * What happened to the dead letters of a run, according to its ledger.
 */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"
import type * as LedgerEntry from "../ledger/LedgerEntry.ts"

/** A dead letter that held ticks of the run. */
export interface Fate {
  readonly id: string
  /** The ticks of the run in it. Empty when the ledger has lost that entry. */
  readonly stretches: LedgerEntry.Letter["stretches"]
  readonly count: number
  readonly reason: string | undefined
  readonly service: string | undefined
  readonly atMs: number | undefined
  /** The number of replays. */
  readonly replays: number
  /** Ticks of the run that replays stored. */
  readonly stored: number
  /** Ticks of the run that replays found stored already. */
  readonly duplicate: number
  /** Ticks still in it after the last replay. In a dropped letter, the dropped ticks. */
  readonly remaining: number
  readonly fate: "waiting" | "replayed" | "dropped"
  /** Why it was dropped. */
  readonly dropReason: string | undefined
}

const byTime = Order.mapInput(Order.Number, ({ atMs }: LedgerEntry.Replay) => atMs)

/** The entries of one letter. They come in any order and may repeat. */
class LetterEntries {
  letter: LedgerEntry.Letter | undefined
  drop: LedgerEntry.Drop | undefined
  /** By content, so that a repeated entry counts once. */
  readonly replays = new Map<string, LedgerEntry.Replay>()

  fate(id: string): Fate {
    const { drop, letter } = this
    const replays = Arr.sort(this.replays.values(), byTime)
    const count = letter?.count ?? 0
    const remaining = drop?.count ?? replays.at(-1)?.remaining ?? count
    return {
      id,
      stretches: letter?.stretches ?? drop?.stretches ?? [],
      count,
      reason: letter?.reason,
      service: letter?.service,
      atMs: letter?.atMs,
      replays: replays.length,
      stored: replays.reduce((total, { stored }) => total + stored, 0),
      duplicate: replays.reduce((total, { duplicate }) => total + duplicate, 0),
      remaining,
      fate: drop === undefined ? (replays.at(-1)?.remaining === 0 ? "replayed" : "waiting") : "dropped",
      dropReason: drop?.reason
    }
  }
}

const byId = Order.mapInput(Order.String, ({ id }: Fate) => id)

/** Collects the entries of letters. */
export class Fates {
  private readonly letters = new Map<string, LetterEntries>()

  addLetter(entry: LedgerEntry.Letter): void {
    this.entriesOf(entry.id).letter = entry
  }

  addReplay(entry: LedgerEntry.Replay): void {
    const { atMs, duplicate, letter, remaining, stored } = entry
    this.entriesOf(letter).replays.set(`${atMs} ${stored} ${duplicate} ${remaining}`, entry)
  }

  addDrop(entry: LedgerEntry.Drop): void {
    this.entriesOf(entry.letter).drop = entry
  }

  /** The letters, oldest first: an id begins with the time of the first failure. */
  get all(): ReadonlyArray<Fate> {
    return Arr.sort(
      Arr.map([...this.letters], ([id, entries]) => entries.fate(id)),
      byId
    )
  }

  private entriesOf(id: string): LetterEntries {
    const entries = this.letters.get(id) ?? new LetterEntries()
    this.letters.set(id, entries)
    return entries
  }
}
