/**
 * What became of the dead letters of a run, by its ledger: entries in any order, each of which may be told twice.
 */
import type * as LedgerEntry from "../ledger/LedgerEntry.ts"

/** A dead letter that ticks of the run were in. */
export interface Fate {
  readonly id: string
  /** The ticks of the run that came into it; none when the ledger has lost the entry that said so. */
  readonly stretches: LedgerEntry.Letter["stretches"]
  readonly count: number
  readonly reason: string | undefined
  readonly service: string | undefined
  readonly atMs: number | undefined
  /** Times that it was replayed. */
  readonly replays: number
  /** Ticks that replays stored, and that were stored already. */
  readonly stored: number
  readonly duplicate: number
  /** Ticks that are in it by the last that was noted; of a dropped one, those that were thrown away. */
  readonly remaining: number
  readonly fate: "waiting" | "replayed" | "dropped"
  /** Why it was dropped. */
  readonly dropReason: string | undefined
}

/** The entries of one letter. */
class Story {
  letter: LedgerEntry.Letter | undefined
  drop: LedgerEntry.Drop | undefined
  /** By their content, so that one that is told twice counts once. */
  readonly replays = new Map<string, LedgerEntry.Replay>()

  tell(id: string): Fate {
    const { drop, letter } = this
    const replays = [...this.replays.values()].sort((a, b) => a.atMs - b.atMs)
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

/** Gathers the entries of letters. */
export class Fates {
  private readonly stories = new Map<string, Story>()

  /** Notes what `entry` says of a letter, if it says anything. */
  add(entry: LedgerEntry.Entry): void {
    if (entry._tag === "Letter") this.story(entry.id).letter = entry
    else if (entry._tag === "Drop") this.story(entry.letter).drop = entry
    else if (entry._tag === "Replay") {
      const { atMs, duplicate, letter, remaining, stored } = entry
      this.story(letter).replays.set(`${atMs} ${stored} ${duplicate} ${remaining}`, entry)
    }
  }

  /** The letters, oldest first: their ids begin with the time of the first failure. */
  get all(): ReadonlyArray<Fate> {
    return [...this.stories].map(([id, story]) => story.tell(id)).sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  private story(id: string): Story {
    const story = this.stories.get(id) ?? new Story()
    this.stories.set(id, story)
    return story
  }
}
