/**
 * Comes to a verdict on a run: draws up the account of its ticks from what is known of it, and says what is wrong.
 */
import * as Effect from "effect/Effect"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as Finding from "../Finding.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import type { Verdict } from "../Verdict.ts"
import * as Account from "./account.ts"
import { gather, type Gathered, type Look, type Stretches } from "./gather.ts"
import * as Scanned from "./scannedFiles.ts"
import { findTwice } from "./twice.ts"

/** The ticks that a damaged file should have: the ledger knows all of them, its name the first and the last. */
const expected = ({ differs, first, last }: Scanned.ScannedFile): Stretches =>
  differs === undefined
    ? [first, last].map((number) => ({ first: number, last: number, step: 0n }))
    : LedgerEntry.toStretches(differs.entry.stretches)

const knownOf = (gathered: Gathered): Account.Known => {
  const { absent, damaged, damagedLetters, intact, promised, told, vanished, waiting } = gathered
  return {
    promised,
    stored: [
      ...intact.flatMap(({ stretches }) => stretches),
      ...damaged.flatMap(({ salvaged }) => salvaged),
      ...absent.since
    ],
    waiting: waiting.flatMap(({ stretches }) => stretches),
    dropped: [...told.dropped.values()].flatMap(({ stretches }) => LedgerEntry.toStretches(stretches)),
    spokenOf: [
      ...damaged.flatMap(({ file }) => expected(file)),
      ...absent.gone.flatMap(([, stretches]) => stretches),
      ...vanished.flatMap(([, stretches]) => stretches),
      ...damagedLetters.flatMap(({ stretches }) => stretches ?? [])
    ]
  }
}

/** The ticks of batches that have come since the run was listed, as far as they are where ticks are missing. */
const storedSince = Effect.fnUntraced(function* (look: Look, listed: ReadonlySet<string>, account: Account.Account) {
  const come = (yield* RunFiles.batches(look.storage, look.runId)).filter(
    ({ first, key, last }) => !listed.has(key) && account.holes.some((hole) => hole.first <= last && hole.last >= first)
  )
  const files = yield* Effect.forEach(come, (key) => Scanned.scan(look.storage, key, () => undefined))
  return files.flatMap((file) => (file?.problem === undefined ? (file?.stretches ?? []) : []))
})

const accountOf = Effect.fnUntraced(function* (look: Look, gathered: Gathered) {
  const known = knownOf(gathered)
  const account = Account.of(known)
  if (account.holes.length === 0) return account
  const since = yield* storedSince(look, gathered.listed, account)
  return since.length === 0 ? account : Account.of({ ...known, stored: [...known.stored, ...since] })
})

const damagedTicks = (file: Scanned.ScannedFile, { step }: Account.Account) =>
  file.differs === undefined
    ? Finding.ticks([{ first: file.first, last: file.last, step: file.first === file.last ? 0n : step }])
    : Finding.ticks(LedgerEntry.toStretches(file.differs.entry.stretches))

const reportFiles = ({ found }: Look, gathered: Gathered, account: Account.Account): void => {
  for (const hole of account.holes) found.add({ _tag: "Hole", ...hole, count: Number(hole.count) })
  for (const { file, salvaged } of gathered.damaged) {
    found.add({
      _tag: "DamagedFile",
      key: file.key,
      problem: file.problem ?? "it is not what was written: its checksum is not that in the ledger",
      ...damagedTicks(file, account),
      intact: Finding.ticks(salvaged).count
    })
  }
  for (const [key, stretches] of gathered.absent.gone) {
    if (gathered.told.setAside.has(key)) continue
    const missing = Number(Account.beyond(account.accounted, stretches))
    found.add({ _tag: "MissingFile", key, ...Finding.ticks(stretches), missing })
  }
  for (const { key, matchedAtMs, stretches } of gathered.intact) {
    if (matchedAtMs === undefined) found.add({ _tag: "UnknownFile", key, ...Finding.ticks(stretches) })
  }
}

const reportLetters = ({ found }: Look, gathered: Gathered, account: Account.Account): void => {
  const { damagedLetters, told, vanished, waiting } = gathered
  const missing = (stretches: Stretches) => Number(Account.beyond(account.accounted, stretches))
  for (const { id, reason, stretches } of waiting) {
    found.add({ _tag: "WaitingLetter", letter: id, reason, ...Finding.ticks(stretches) })
    if (!told.letters.has(id)) found.add({ _tag: "UnknownLetter", letter: id, ...Finding.ticks(stretches) })
  }
  for (const { id, problem, stretches } of damagedLetters) {
    found.add({
      _tag: "DamagedLetter",
      letter: id,
      problem,
      known: stretches !== undefined,
      ...Finding.ticks(stretches ?? [])
    })
  }
  for (const [id, stretches] of vanished) {
    found.add({ _tag: "VanishedLetter", letter: id, ...Finding.ticks(stretches), missing: missing(stretches) })
  }
  for (const { letter, reason, stretches } of told.dropped.values()) {
    const dropped = LedgerEntry.toStretches(stretches)
    const lacking = Number(Account.beyond(account.stored, dropped))
    found.add({ _tag: "DroppedLetter", letter, reason, ...Finding.ticks(dropped), missing: lacking })
  }
}

const verdictOf = ({ found, runId }: Look, { damaged, intact }: Gathered, account: Account.Account): Verdict => {
  const files = [...intact, ...damaged.map(({ file }) => file)]
  const { dropped, first, holes, last, step, stored, waiting } = account
  return {
    run: runId,
    state: found.state,
    ticks: Number(stored.size),
    ...(first === undefined || last === undefined ? {} : { first, last }),
    step,
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    missing: holes.reduce((sum, { count }) => sum + Number(count), 0),
    waiting: Number(waiting),
    dropped: Number(dropped),
    counts: found.counts,
    findings: found.findings
  }
}

/** Looks at a run from all sides. */
export const inspect = Effect.fnUntraced(function* (look: Look) {
  const gathered = yield* gather(look)
  const account = yield* accountOf(look, gathered)
  reportFiles(look, gathered, account)
  reportLetters(look, gathered, account)
  yield* findTwice(look.storage, gathered.intact, account.step, (finding) => look.found.add(finding))
  if (account.first === undefined) look.found.add({ _tag: "NothingStored" })
  return verdictOf(look, gathered, account)
})
