/**
 * What is known about a run without reading its batches: from their names and sizes, and from the run's ledger.
 *
 * That is fast and shows what is missing. Only `verify` reads the batches and can say whether their content is right.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as RunSummary from "tickvault/summary/RunSummary"
 *
 * export const looksWhole = Effect.map(RunSummary.read(RunId.make("run-1")), (run) => RunSummary.troubles(run).length === 0)
 * ```
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import type * as RunId from "../domain/RunId.ts"
import * as TickSet from "../domain/TickSet.ts"
import * as LedgerEntry from "../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../ledger/LedgerFacts.ts"
import * as LedgerFold from "../ledger/LedgerFold.ts"
import * as RunFiles from "../runs/RunFiles.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as Letters from "./LedgerLetters.ts"

/** A batch that is in the storage, in the ledger, or in both. */
export interface Batch {
  readonly key: string
  readonly first: bigint
  readonly last: bigint
  /** Its size in the storage. `undefined` when it is not stored. */
  readonly bytes: number | undefined
  /** Its entry in the ledger. `undefined` when there is none. */
  readonly commit: LedgerEntry.Commit | undefined
}

export interface RunSummary {
  readonly runId: RunId.RunId
  /** Ordered by their first tick. */
  readonly batches: ReadonlyArray<Batch>
  readonly letters: ReadonlyArray<Letters.Fate>
  readonly setAside: ReadonlyArray<LedgerEntry.SetAside>
  /** Lines of the ledger that can't be read. */
  readonly damagedLines: number
  /** Distinct ticks of the batches that are both stored and in the ledger. */
  readonly ticks: bigint
  /** Sizes of the stored batches in the storage. */
  readonly bytes: number
  readonly first: bigint | undefined
  readonly last: bigint | undefined
  /** The sampling step. `undefined` while fewer than two ticks are known. */
  readonly step: bigint | undefined
  /** Ticks between others that are not stored, not in a letter and not dropped. */
  readonly missing: bigint
  readonly firstCommitMs: number | undefined
  readonly lastCommitMs: number | undefined
}

/** The better of two entries of a batch: the newer one. Of equal ones, the one with `write`. */
const better = (one: LedgerEntry.Commit, other: LedgerEntry.Commit): LedgerEntry.Commit => {
  if (one.checksum === other.checksum) return one.write === undefined ? other : one
  return one.committedAtMs <= other.committedAtMs ? other : one
}

/** The facts in a ledger. */
class Facts {
  readonly setAside: Array<LedgerEntry.SetAside> = []
  readonly letters = new Letters.Fates()
  readonly batches = new LedgerFacts.LedgerFacts()
  damagedLines = 0

  /** The entry of each batch, by key. */
  get commits(): ReadonlyMap<string, LedgerEntry.Commit> {
    return new Map([...this.batches.batches].map(([key, commits]) => [key, commits.reduce(better)]))
  }
}

const handlers: LedgerFold.Handlers<Facts> = {
  Header: LedgerFold.skip,
  Commit: LedgerFold.mutate((facts, entry) => facts.batches.addCommit(entry)),
  Letter: LedgerFold.mutate((facts, entry) => facts.letters.addLetter(entry)),
  Replay: LedgerFold.mutate((facts, entry) => facts.letters.addReplay(entry)),
  Drop: LedgerFold.mutate((facts, entry) => facts.letters.addDrop(entry)),
  SetAside: LedgerFold.mutate((facts, entry) => {
    facts.batches.addSetAside(entry)
    facts.setAside.push(entry)
  }),
  Damage: LedgerFold.mutate((facts) => {
    facts.damagedLines++
  })
}

type Commits = Facts["commits"]

/** The number of batches whose sizes are read at the same time. */
const concurrency = 16

const byKey = Order.mapInput(Order.String, ({ key }: Batch) => key)

const storedBatches = Effect.fnUntraced(function* (runId: RunId.RunId, commits: Commits) {
  const storage = yield* Storage
  return yield* Effect.forEach(
    yield* RunFiles.batches(runId),
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
})

/** Batches that are in the ledger but no longer stored. */
const goneBatches = (stored: ReadonlyArray<Batch>, commits: Commits): ReadonlyArray<Batch> => {
  const keys = new Set(stored.map(({ key }) => key))
  return [...commits.values()].flatMap((commit) => {
    const name = StorageKey.batchName(commit.key)
    if (keys.has(commit.key) || name === undefined) return []
    return [{ key: commit.key, first: name.first, last: name.last, bytes: undefined, commit }]
  })
}

/** The ticks of a batch in the ledger. Without an entry, evenly spaced between the two in its name. */
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
  // Only the first and the last tick of a batch without an entry are known: one such batch doesn't give the step.
  const isStepKnown = new TickSet.TickSet(all, step).size > 1n && (noted.length > 0 || unknown.length > 1)
  return {
    ticks: set.size,
    step: isStepKnown ? step : undefined,
    missing: isStepKnown ? accounted.gaps.reduce((total, { count }) => total + count, 0n) : 0n
  }
}

const least = <A>(values: ReadonlyArray<A>, order: Order.Order<A>): A | undefined =>
  Arr.isReadonlyArrayNonEmpty(values) ? Arr.min(values, order) : undefined

const greatest = <A>(values: ReadonlyArray<A>, order: Order.Order<A>): A | undefined =>
  Arr.isReadonlyArrayNonEmpty(values) ? Arr.max(values, order) : undefined

/** Summarizes a run. Memory: an entry for each batch. */
export const read = Effect.fnUntraced(function* (
  runId: RunId.RunId
): Effect.fn.Return<RunSummary, StorageError, Storage> {
  // The ledger is read before the batches are listed: a batch that is stored meanwhile is unknown, not gone.
  const facts = yield* LedgerFold.run(runId, () => new Facts(), handlers)
  const { commits } = facts
  const stored = yield* storedBatches(runId, commits)
  const batches = [...stored, ...goneBatches(stored, commits)].sort(byKey)
  const letters = facts.letters.all
  const commitTimes = batches.flatMap(({ commit }) => (commit === undefined ? [] : [commit.committedAtMs]))
  return {
    runId,
    batches,
    letters,
    setAside: facts.setAside,
    damagedLines: facts.damagedLines,
    bytes: stored.reduce((total, { bytes }) => total + (bytes ?? 0), 0),
    first: least(
      stored.map(({ first }) => first),
      Order.BigInt
    ),
    last: greatest(
      stored.map(({ last }) => last),
      Order.BigInt
    ),
    ...ticksOf(batches, letters),
    firstCommitMs: least(commitTimes, Order.Number),
    lastCommitMs: greatest(commitTimes, Order.Number)
  }
})

/** A reason why a run isn't whole. */
export type Trouble =
  | { readonly _tag: "gone" | "size" | "unknown"; readonly files: number }
  | { readonly _tag: "missing" | "letters" | "dropped"; readonly ticks: bigint }
  | { readonly _tag: "ledger"; readonly lines: number }

/** Whether the size of a stored batch differs from the one in the ledger. */
export const hasOtherSize = ({ bytes, commit }: Batch): boolean =>
  bytes !== undefined && commit !== undefined && LedgerEntry.sizeOf(commit) !== bytes

/** The problems of a run, the worst first. Empty when it looks whole. */
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
