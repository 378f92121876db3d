/**
 * Verifies one run: accounts for its ticks with all that is known about it, and reports the problems.
 */
import * as Effect from "effect/Effect"
import type * as RunId from "../../domain/RunId.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import * as Finding from "../Finding.ts"
import type { Verdict } from "../Verdict.ts"
import * as Account from "./account.ts"
import * as Evidence from "./evidence.ts"
import * as ScannedFile from "./scannedFile.ts"
import { findStoredTwice } from "./storedTwice.ts"

type Stretches = Evidence.Stretches

/** The ticks that a damaged file should have: all from the ledger, or the first and the last from its name. */
const expected = ({ differs, first, last }: ScannedFile.ScannedFile): Stretches =>
  differs === undefined
    ? [first, last].map((number) => ({ first: number, last: number, step: 0n }))
    : LedgerEntry.toStretches(differs.entry.stretches)

const knownOf = (evidence: Evidence.Evidence): Account.Known => {
  const { absent, damaged, damagedLetters, intact, promised, ledger, vanished, waiting } = evidence
  return {
    promised,
    stored: [
      ...intact.flatMap(({ stretches }) => stretches),
      ...damaged.flatMap(({ salvaged }) => salvaged),
      ...absent.since
    ],
    waiting: waiting.flatMap(({ stretches }) => stretches),
    dropped: [...ledger.closed.dropped.values()].flatMap(({ stretches }) => LedgerEntry.toStretches(stretches)),
    knownOtherwise: [
      ...damaged.flatMap(({ file }) => expected(file)),
      ...absent.gone.flatMap(([, stretches]) => stretches),
      ...vanished.flatMap(([, stretches]) => stretches),
      ...damagedLetters.flatMap(({ stretches }) => stretches ?? [])
    ]
  }
}

/** The missing ticks that are in batches stored since the run was listed. */
const storedSince = Effect.fnUntraced(function* (
  runId: RunId.RunId,
  listed: ReadonlySet<string>,
  { holes }: Account.Account
) {
  const since = (yield* RunFiles.batches(runId)).filter(
    ({ first, key, last }) => !listed.has(key) && holes.some((hole) => hole.first <= last && hole.last >= first)
  )
  const files = yield* Effect.forEach(since, (key) => ScannedFile.scan(key, () => undefined))
  return files.flatMap((file) => (file?.problem === undefined ? (file?.stretches ?? []) : []))
})

const accountOf = Effect.fnUntraced(function* (runId: RunId.RunId, evidence: Evidence.Evidence) {
  const known = knownOf(evidence)
  const account = Account.of(known)
  if (account.holes.length === 0) return account
  const since = yield* storedSince(runId, evidence.listed, account)
  return since.length === 0 ? account : Account.of({ ...known, stored: [...known.stored, ...since] })
})

const damagedTicks = (file: ScannedFile.ScannedFile, { step }: Account.Account) =>
  file.differs === undefined
    ? Finding.ticks([{ first: file.first, last: file.last, step: file.first === file.last ? 0n : step }])
    : Finding.ticks(LedgerEntry.toStretches(file.differs.entry.stretches))

const reportFiles = ({ found }: Evidence.Verification, evidence: Evidence.Evidence, account: Account.Account): void => {
  for (const hole of account.holes) found.add({ _tag: "Hole", ...hole, count: Number(hole.count) })
  for (const { file, salvaged } of evidence.damaged) {
    found.add({
      _tag: "DamagedFile",
      key: file.key,
      problem: file.problem ?? "its bytes are not what was written: its checksum differs from the one in the ledger",
      ...damagedTicks(file, account),
      intact: Finding.ticks(salvaged).count
    })
  }
  for (const [key, stretches] of evidence.absent.gone) {
    if (evidence.ledger.isSetAside(key)) continue
    const missing = Number(Account.beyond(account.accounted, stretches))
    found.add({ _tag: "MissingFile", key, ...Finding.ticks(stretches), missing })
  }
  for (const { key, matchedAtMs, stretches } of evidence.intact) {
    if (matchedAtMs === undefined) found.add({ _tag: "UnknownFile", key, ...Finding.ticks(stretches) })
  }
}

const reportLetters = (
  { found }: Evidence.Verification,
  evidence: Evidence.Evidence,
  account: Account.Account
): void => {
  const { damagedLetters, ledger, vanished, waiting } = evidence
  const missing = (stretches: Stretches) => Number(Account.beyond(account.accounted, stretches))
  for (const { id, reason, stretches } of waiting) {
    found.add({ _tag: "WaitingLetter", letter: id, reason, ...Finding.ticks(stretches) })
    if (!ledger.letters.has(id)) found.add({ _tag: "UnknownLetter", letter: id, ...Finding.ticks(stretches) })
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
  for (const { letter, reason, stretches } of ledger.closed.dropped.values()) {
    const dropped = LedgerEntry.toStretches(stretches)
    const lacking = Number(Account.beyond(account.stored, dropped))
    found.add({ _tag: "DroppedLetter", letter, reason, ...Finding.ticks(dropped), missing: lacking })
  }
}

const verdictOf = (
  { found, runId }: Evidence.Verification,
  { damaged, intact }: Evidence.Evidence,
  account: Account.Account
): Verdict => {
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

/** The verdict on a run. */
export const verifyRun = Effect.fnUntraced(function* (verification: Evidence.Verification) {
  const { found, runId } = verification
  const evidence = yield* Evidence.collect(verification)
  const account = yield* accountOf(runId, evidence)
  reportFiles(verification, evidence, account)
  reportLetters(verification, evidence, account)
  yield* findStoredTwice(evidence.intact, account.step, (finding) => found.add(finding))
  if (account.first === undefined) found.add({ _tag: "NothingStored" })
  return verdictOf(verification, evidence, account)
})
