/** Remembers ticks one by one, by their keys. */
import * as HashSet from "effect/HashSet"
import * as MutableList from "effect/MutableList"
import type { RunBatch } from "../../domain/RunBatch.ts"
import type * as Tick from "../../domain/Tick.ts"

/** The key of a tick: `run:tick`. */
export const key = (runId: string, tick: Tick.Tick): string => `${runId}:${tick.tickNumber}`

/** The keys of a commit. */
export interface Remembered {
  readonly atMs: number
  readonly keys: ReadonlyArray<string>
}

/** The keys of stored ticks and of ticks that are being stored. */
export interface State {
  readonly stored: HashSet.HashSet<string>
  readonly claimed: HashSet.HashSet<string>
}

export const empty: State = { stored: HashSet.empty(), claimed: HashSet.empty() }

/** Claims the ticks that are not known yet. */
export const claim = (state: State, { runId, ticks }: RunBatch) => {
  const fresh: Array<Tick.Tick> = []
  const stored: Array<Tick.Tick> = []
  const claimed: Array<Tick.Tick> = []
  let claims = state.claimed
  for (const tick of ticks) {
    const id = key(runId, tick)
    if (HashSet.has(state.stored, id)) stored.push(tick)
    else if (HashSet.has(claims, id)) claimed.push(tick)
    else {
      claims = HashSet.add(claims, id)
      fresh.push(tick)
    }
  }
  const next: State = { ...state, claimed: claims }
  return [{ fresh, stored, claimed }, next] as const
}

const without = (set: HashSet.HashSet<string>, keys: ReadonlyArray<string>): HashSet.HashSet<string> =>
  keys.reduce((rest, id) => HashSet.remove(rest, id), set)

/** The claimed `keys` are stored. */
export const commit = ({ claimed, stored }: State, keys: ReadonlyArray<string>): State => ({
  stored: keys.reduce((set, id) => HashSet.add(set, id), stored),
  claimed: without(claimed, keys)
})

/** The claimed `keys` are not stored. */
export const release = (state: State, keys: ReadonlyArray<string>): State => ({
  ...state,
  claimed: without(state.claimed, keys)
})

/** Takes the commits to forget, oldest first: those before `beforeMs`, and the number of commits beyond `maxKeys` keys. */
const takeOld = (history: MutableList.MutableList<Remembered>, held: number, beforeMs: number, maxKeys: number) => {
  const forgotten: Array<string> = []
  const counts = { ttl: 0, capacity: 0 }
  for (
    let [oldest] = MutableList.toArrayN(history, 1);
    oldest !== undefined;
    [oldest] = MutableList.toArrayN(history, 1)
  ) {
    const expired = oldest.atMs <= beforeMs
    if (!expired && held - forgotten.length <= maxKeys) break
    MutableList.take(history)
    for (const forgottenKey of oldest.keys) forgotten.push(forgottenKey)
    counts[expired ? "ttl" : "capacity"] += oldest.keys.length
  }
  return { forgotten, counts }
}

/** Forgets the oldest commits of `history`: those before `beforeMs`, and as many as needed to keep at most `maxKeys` keys. */
export const forget = (
  state: State,
  history: MutableList.MutableList<Remembered>,
  beforeMs: number,
  maxKeys: number
) => {
  const { counts, forgotten } = takeOld(history, HashSet.size(state.stored), beforeMs, maxKeys)
  const stored = without(state.stored, forgotten)
  return [
    { counts, held: HashSet.size(stored) },
    { ...state, stored }
  ] as const
}
