/**
 * What is known of a run without reading its batches: from their names and sizes, and from the run's ledger.
 *
 * That is quick, and tells what is missing; whether the batches hold what they should, only `verify` knows, which reads
 * them.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import * as TickSet from "../domain/TickSet.ts"
import * as Ledger from "../ledger/Ledger.ts"
import * as LedgerEntry from "../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../ledger/LedgerFacts.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as Letters from "./LedgerLetters.ts"
import * as RunFiles from "../runs/RunFiles.ts"

/** A batch that is stored, that the ledger says was stored, or both. */
export interface Batch {
  readonly key: string
  readonly first: bigint
  readonly last: bigint
  /** Its size in the storage; `undefined` when it is there no more. */
  readonly bytes: number | undefined
  /** What the ledger says of it, the newest entry; `undefined` when it doesn't know it. */
  readonly commit: LedgerEntry.Commit | undefined
}

/** A run. */
export interface RunSummary {
  readonly runId: RunId.RunId
  /** By their first tick. */
  readonly batches: ReadonlyArray<Batch>
  readonly letters: ReadonlyArray<Letters.Fate>
  readonly setAside: ReadonlyArray<LedgerEntry.SetAside>
  /** Lines of the ledger that can't be read. */
  readonly damagedLines: number
  /** Distinct ticks of the batches that are stored and that the ledger knows. */
  readonly ticks: bigint
  /** Bytes of the batches that are stored, as they lie in the storage. */
  readonly bytes: number
  readonly first: bigint | undefined
  readonly last: bigint | undefined
  /** The sampling step; `undefined` while fewer than two ticks are known. */
  readonly step: bigint | undefined
  /** Ticks between others that are neither stored nor in a letter nor dropped. */
  readonly missing: bigint
  readonly firstCommitMs: number | undefined
  readonly lastCommitMs: number | undefined
}

/** Of several entries the newest counts, and one that tells how it was written more than one made afterwards. */
const best = (one: LedgerEntry.Commit, other: LedgerEntry.Commit): LedgerEntry.Commit => {
  if (one.checksum === other.checksum) return one.write === undefined ? other : one
  return one.committedAtMs <= other.committedAtMs ? other : one
}

/** What a ledger says, gathered. */
class Facts {
  readonly setAside: Array<LedgerEntry.SetAside> = []
  readonly letters = new Letters.Fates()
  damagedLines = 0
  private readonly batches = new LedgerFacts.LedgerFacts()

  add(item: Ledger.Item): void {
    if (item._tag === "Damage") {
      this.damagedLines++
      return
    }
    const { entry } = item
    this.batches.add(entry)
    if (entry._tag === "SetAside") this.setAside.push(entry)
    else this.letters.add(entry)
  }

  /** By key, one each. */
  get commits(): ReadonlyMap<string, LedgerEntry.Commit> {
    return new Map([...this.batches.batches].map(([key, commits]) => [key, commits.reduce(best)]))
  }
}

type Commits = Facts["commits"]

/** Sizes that are asked for side by side. */
const concurrency = 16

const compare = (left: Batch, right: Batch): number => (left.key < right.key ? -1 : 1)

const storedBatches = (storage: Storage["Service"], runId: RunId.RunId, commits: Commits) =>
  Effect.flatMap(RunFiles.batches(storage, runId), (batches) =>
    Effect.forEach(
      batches,
      ({ first, key, last }) =>
        Effect.map(storage.stat(key), (stat): Batch => ({
          key,
          first,
          last,
          bytes: stat?.bytes,
          commit: commits.get(key)
        })),
      { concurrency }
    )
  )

/** Batches that the ledger knows and the storage has no more. */
const goneBatches = (stored: ReadonlyArray<Batch>, commits: Commits): ReadonlyArray<Batch> => {
  const there = new Set(stored.map(({ key }) => key))
  return [...commits.values()].flatMap((commit) => {
    const name = StorageKey.batchName(commit.key)
    if (there.has(commit.key) || name === undefined) return []
    return [{ key: commit.key, first: name.first, last: name.last, bytes: undefined, commit }]
  })
}

/** The ticks of a batch: by the ledger, or else evenly spaced between those that its name has. */
const stretchesOf = ({ commit, first, last }: Batch, step: bigint): ReadonlyArray<TickSet.Stretch> =>
  commit === undefined ? [{ first, last, step }] : LedgerEntry.toStretches(commit.stretches)

const ends = ({ first, last }: Batch): ReadonlyArray<TickSet.Stretch> =>
  [first, last].map((number) => ({ first: number, last: number, step: 0n }))

const ticksOf = (batches: ReadonlyArray<Batch>, letters: ReadonlyArray<Letters.Fate>) => {
  const stored = batches.filter(({ bytes }) => bytes !== undefined)
  const noted = stored.flatMap(({ commit }) => LedgerEntry.toStretches(commit?.stretches ?? []))
  const unknown = stored.filter(({ commit }) => commit === undefined)
  const elsewhere = letters
    .filter(({ fate }) => fate !== "replayed")
    .flatMap(({ stretches }) => LedgerEntry.toStretches(stretches))
  const all = [...noted, ...unknown.flatMap(ends), ...elsewhere]
  const step = TickSet.commonStep(all)
  const accounted = new TickSet.TickSet([...stored.flatMap((batch) => stretchesOf(batch, step)), ...elsewhere], step)
  const set = new TickSet.TickSet(noted, step)
  // Of a batch that no ledger knows only the ends are known, which say little of the step.
  const isStepKnown = new TickSet.TickSet(all, step).size > 1n && (noted.length > 0 || unknown.length > 1)
  return {
    ticks: set.size,
    step: isStepKnown ? step : undefined,
    missing: isStepKnown ? accounted.gaps.reduce((total, { count }) => total + count, 0n) : 0n
  }
}

const least = <A extends bigint | number>(values: Iterable<A>): A | undefined => {
  let found: A | undefined
  for (const value of values) if (found === undefined || value < found) found = value
  return found
}

const greatest = <A extends bigint | number>(values: Iterable<A>): A | undefined => {
  let found: A | undefined
  for (const value of values) if (found === undefined || value > found) found = value
  return found
}

/** Looks at a run. Memory: an entry a batch. */
export const read = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  runId: RunId.RunId
): Effect.fn.Return<RunSummary, StorageError> {
  const facts = new Facts()
  // Before the batches are listed: one that is stored meanwhile is unknown to the ledger, not gone.
  yield* Stream.runForEach(Ledger.read(storage, runId), (item) => Effect.sync(() => facts.add(item)))
  const { commits } = facts
  const stored = yield* storedBatches(storage, runId, commits)
  const batches = [...stored, ...goneBatches(stored, commits)].sort(compare)
  const letters = facts.letters.all
  const commitTimes = batches.flatMap(({ commit }) => (commit === undefined ? [] : [commit.committedAtMs]))
  return {
    runId,
    batches,
    letters,
    setAside: facts.setAside,
    damagedLines: facts.damagedLines,
    bytes: stored.reduce((total, { bytes }) => total + (bytes ?? 0), 0),
    first: least(stored.map(({ first }) => first)),
    last: greatest(stored.map(({ last }) => last)),
    ...ticksOf(batches, letters),
    firstCommitMs: least(commitTimes),
    lastCommitMs: greatest(commitTimes)
  }
})

/** What stands between a run and wholeness, as far as it shows. */
export type Trouble =
  | { readonly _tag: "gone" | "size" | "unknown"; readonly files: number }
  | { readonly _tag: "missing" | "letters" | "dropped"; readonly ticks: bigint }
  | { readonly _tag: "ledger"; readonly lines: number }

/** Whether a batch that is stored has not the size that the ledger says. */
export const hasOtherSize = ({ bytes, commit }: Batch): boolean =>
  bytes !== undefined && commit !== undefined && LedgerEntry.sizeOf(commit) !== bytes

/** What shows of a run, the gravest first; nothing when it looks whole. */
export const troubles = ({ batches, damagedLines, letters, missing }: RunSummary): ReadonlyArray<Trouble> => {
  const gone = batches.filter(({ bytes }) => bytes === undefined).length
  const size = batches.filter(hasOtherSize).length
  const unknown = batches.filter(({ commit }) => commit === undefined).length
  const ticksIn = (fate: Letters.Fate["fate"]) =>
    letters.reduce((total, letter) => (letter.fate === fate ? total + BigInt(letter.remaining) : total), 0n)
  const all: ReadonlyArray<Trouble> = [
    { _tag: "gone", files: gone },
    { _tag: "size", files: size },
    { _tag: "missing", ticks: missing },
    { _tag: "letters", ticks: ticksIn("waiting") },
    { _tag: "dropped", ticks: ticksIn("dropped") },
    { _tag: "unknown", files: unknown },
    { _tag: "ledger", lines: damagedLines }
  ]
  return all.filter((trouble) => {
    if ("files" in trouble) return trouble.files > 0
    return "lines" in trouble ? trouble.lines > 0 : trouble.ticks > 0n
  })
}
