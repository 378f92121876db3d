/**
 * What `verify` finds in a run: what is wrong, which ticks it is about, how grave it is, and what to do about it.
 *
 * ```ts
 * import * as Finding from "tickvault/verify/Finding"
 * import type { Verdict } from "tickvault/verify/Verdict"
 *
 * export const lines = ({ findings }: Verdict) =>
 *   findings.map((finding) => `${Finding.kinds[finding._tag].title[0]}: ${Finding.describe(finding)}`)
 * ```
 */
import * as Schema from "effect/Schema"
import * as TickSet from "../domain/TickSet.ts"

const TickNumber = Schema.BigIntFromString

/** `count` ticks from `first` to `last`, both included; these are absent when the ticks are not known. */
const Ticks = {
  first: Schema.optionalKey(TickNumber),
  last: Schema.optionalKey(TickNumber),
  count: Schema.Finite
}

const Twice = { ...Ticks, keys: Schema.Tuple([Schema.String, Schema.String]) }

/** Bytes of a log. */
const LogBytes = { key: Schema.String, offset: Schema.Int, bytes: Schema.Int, problem: Schema.String }

/** Ticks that are missing: neither stored and readable, nor in a letter, nor dropped on purpose. */
export const Hole = Schema.TaggedStruct("Hole", Ticks)

/** Ticks that two files have with different bytes. */
export const Conflict = Schema.TaggedStruct("Conflict", Twice)

/**
 * Ticks that two files have, or one file has twice, with the same bytes. They count once and are read once, but the run is
 * not whole: a tick should be stored once.
 */
export const Duplicate = Schema.TaggedStruct("Duplicate", Twice)

/** A file that is not what was written, or can't be read. Its ticks are those that the ledger or its name says. */
export const DamagedFile = Schema.TaggedStruct("DamagedFile", {
  key: Schema.String,
  problem: Schema.String,
  ...Ticks,
  /** Ticks in it that can still be read. */
  intact: Schema.Finite
})

/** A file that the ledger has no entry for: nothing proves that it is what was written. */
export const UnknownFile = Schema.TaggedStruct("UnknownFile", { key: Schema.String, ...Ticks })

/** A file that has an entry in the ledger is gone, and was not set aside. */
export const MissingFile = Schema.TaggedStruct("MissingFile", {
  key: Schema.String,
  ...Ticks,
  /** Ticks of it that are nowhere else; with 0 the run may be whole. */
  missing: Schema.Finite
})

/** Bytes in a log of the ledger that are not what was written. */
export const DamagedLedger = Schema.TaggedStruct("DamagedLedger", LogBytes)

/** A log ends in the middle of a line: after a crash, or while it is being written. */
export const TornLedger = Schema.TaggedStruct("TornLedger", LogBytes)

/** Ticks of the run wait in a dead letter. */
export const WaitingLetter = Schema.TaggedStruct("WaitingLetter", {
  letter: Schema.String,
  reason: Schema.String,
  ...Ticks
})

/** A dead letter that can't be read. `known`: the ledger of the run knows it; otherwise it may hold ticks of any run. */
export const DamagedLetter = Schema.TaggedStruct("DamagedLetter", {
  letter: Schema.String,
  problem: Schema.String,
  known: Schema.Boolean,
  ...Ticks
})

/** A dead letter that the ledger doesn't know. */
export const UnknownLetter = Schema.TaggedStruct("UnknownLetter", { letter: Schema.String, ...Ticks })

/** A dead letter that the ledger knows is gone, and no entry says that it was replayed or dropped. */
export const VanishedLetter = Schema.TaggedStruct("VanishedLetter", {
  letter: Schema.String,
  ...Ticks,
  /** Ticks of it that are nowhere else. */
  missing: Schema.Finite
})

/** A dead letter that an operator has thrown away with its ticks. */
export const DroppedLetter = Schema.TaggedStruct("DroppedLetter", {
  letter: Schema.String,
  reason: Schema.String,
  ...Ticks,
  /** Ticks of it that are not stored. */
  missing: Schema.Finite
})

/** The run has no tick at all. */
export const NothingStored = Schema.TaggedStruct("NothingStored", {})

export const Finding = Schema.Union([
  Hole,
  Conflict,
  DamagedFile,
  MissingFile,
  UnknownFile,
  VanishedLetter,
  DamagedLetter,
  DroppedLetter,
  DamagedLedger,
  NothingStored,
  Duplicate,
  WaitingLetter,
  UnknownLetter,
  TornLedger
])

export type Finding = typeof Finding.Type
export type Kind = Finding["_tag"]

/** What a finding means for the run: it is broken; only dead letters keep it from being whole; nothing. */
export type Gravity = "broken" | "letters" | "note"

/** How a kind of finding is named, and what to do about it. */
export interface About {
  /** What one is called, and what several are. */
  readonly title: readonly [one: string, several: string]
  readonly advice: string
}

/** Every kind, the gravest first. */
export const kinds: Readonly<Record<Kind, About>> = {
  Hole: {
    title: ["hole", "holes"],
    advice:
      "bring these ticks in again: `tickvault run --resume` for a run of the built-in simulation, otherwise `tickvault " +
      "ingest` of the recording, with the --max-batch-size of before"
  },
  Conflict: {
    title: ["conflict", "conflicts"],
    advice: "two files disagree about these ticks: compare them, and move the wrong one out of the run's folder"
  },
  DamagedFile: {
    title: ["damaged file", "damaged files"],
    advice:
      "restore the file, or move it out of the run's folder and bring its ticks in again; what is intact in it is read " +
      "with `tickvault cat --salvage`"
  },
  MissingFile: {
    title: ["file that is gone", "files that are gone"],
    advice: "restore it, or bring its ticks in again, unless other files have them all"
  },
  UnknownFile: {
    title: ["file that the ledger doesn't know", "files that the ledger doesn't know"],
    advice: "nothing proves what was written; `tickvault verify --rebuild` takes it as it is now"
  },
  VanishedLetter: {
    title: ["dead letter that is gone without a replay", "dead letters that are gone without a replay"],
    advice: "restore the letter, or bring its ticks in again"
  },
  DamagedLetter: {
    title: ["damaged dead letter", "damaged dead letters"],
    advice: "restore the letter, or drop it and bring its ticks in again"
  },
  DroppedLetter: {
    title: ["dead letter dropped on purpose", "dead letters dropped on purpose"],
    advice: "its ticks are given up; bring them in again to have a whole run"
  },
  DamagedLedger: {
    title: ["damage of the ledger", "damages of the ledger"],
    advice: "`tickvault verify --rebuild` writes what can be told anew and sets the log aside"
  },
  NothingStored: { title: ["run without a tick", "runs without a tick"], advice: "nothing of it was stored" },
  Duplicate: {
    title: ["duplicate", "duplicates"],
    advice:
      "the same bytes twice: nothing is missing and each is read once; a file whose ticks others have may be moved out"
  },
  WaitingLetter: {
    title: ["dead letter that waits", "dead letters that wait"],
    advice: "`tickvault dlq replay` stores its ticks once the reason has passed"
  },
  UnknownLetter: {
    title: ["dead letter that the ledger doesn't know", "dead letters that the ledger doesn't know"],
    advice: "as after a crash; `tickvault verify --rebuild` notes it"
  },
  TornLedger: {
    title: ["torn end of a ledger", "torn ends of ledgers"],
    advice: "as after a crash or while it is written: harmless, what was meant is found all the same"
  }
}

/** How grave `finding` is. */
export const gravity = (finding: Finding): Gravity => {
  switch (finding._tag) {
    case "TornLedger":
    case "UnknownLetter":
      return "note"
    case "WaitingLetter":
      return "letters"
    case "DamagedLetter":
      return finding.known ? "broken" : "letters"
    case "MissingFile":
    case "VanishedLetter":
    case "DroppedLetter":
      return finding.missing > 0 ? "broken" : "note"
    default:
      return "broken"
  }
}

/** The ticks of `stretches`, as findings name them. */
export const ticks = (stretches: ReadonlyArray<TickSet.Stretch>) => {
  let count = 0n
  let first: bigint | undefined
  let last: bigint | undefined
  for (const stretch of stretches) {
    count += TickSet.count(stretch)
    if (first === undefined || stretch.first < first) first = stretch.first
    if (last === undefined || stretch.last > last) last = stretch.last
  }
  return first === undefined || last === undefined ? { count: 0 } : { first, last, count: Number(count) }
}

const numbers = new Intl.NumberFormat("en-US")

const range = ({ count, first, last }: { readonly [K in keyof typeof Ticks]?: (typeof Ticks)[K]["Type"] }): string => {
  if (first === undefined || last === undefined) return "no ticks that are known"
  return count === 1 ? `tick ${first}` : `ticks ${first} to ${last} (${numbers.format(count ?? 0)})`
}

/** `finding` on one line, without its kind. */
export const describe = (finding: Finding): string => {
  switch (finding._tag) {
    case "Hole":
      return range(finding)
    case "Conflict":
    case "Duplicate":
      return `${range(finding)} in ${finding.keys[0]} and ${finding.keys[1]}`
    case "DamagedFile":
      return `${finding.key}: ${finding.problem}; ${range(finding)}, ${numbers.format(finding.intact)} of them intact`
    case "UnknownFile":
    case "MissingFile":
      return `${finding.key}: ${range(finding)}`
    case "DamagedLedger":
    case "TornLedger":
      return `${finding.key}: ${finding.bytes} bytes at ${finding.offset}: ${finding.problem}`
    case "WaitingLetter":
    case "DroppedLetter":
      return `${finding.letter}: ${range(finding)}, ${finding.reason}`
    case "DamagedLetter":
      return `${finding.letter}: ${finding.problem}${finding.known ? `; ${range(finding)}` : "; it may be of any run"}`
    case "UnknownLetter":
      return `${finding.letter}: ${range(finding)}`
    case "VanishedLetter":
      return `${finding.letter}: ${range(finding)}, ${numbers.format(finding.missing)} of them nowhere else`
    case "NothingStored":
      return "no batch of it is stored"
  }
}
