/**
 * What `verify` finds in a run: the problem, its ticks, its gravity, and what to do about it.
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

/** `count` ticks from `first` to `last`, both included. Absent when the ticks are not known. */
const Ticks = {
  first: Schema.optionalKey(TickNumber),
  last: Schema.optionalKey(TickNumber),
  count: Schema.Finite
}

const Twice = { ...Ticks, keys: Schema.Tuple([Schema.String, Schema.String]) }

/** Bytes of a log. */
const LogBytes = { key: Schema.String, offset: Schema.Int, bytes: Schema.Int, problem: Schema.String }

/** Missing ticks: not stored and readable, not in a letter, and not dropped on purpose. */
export const Hole = Schema.TaggedStruct("Hole", Ticks)

/** Ticks that are in two files with different bytes. */
export const Conflict = Schema.TaggedStruct("Conflict", Twice)

/**
 * Ticks that are in two files, or twice in one file, with the same bytes. They count once and are read once, but the run is
 * not whole: a tick should be stored once.
 */
export const Duplicate = Schema.TaggedStruct("Duplicate", Twice)

/** A file whose bytes differ from what was written, or that can't be read. Its ticks come from the ledger or its name. */
export const DamagedFile = Schema.TaggedStruct("DamagedFile", {
  key: Schema.String,
  problem: Schema.String,
  ...Ticks,
  /** The number of ticks in it that can still be read. */
  intact: Schema.Finite
})

/** A file without an entry in the ledger: nothing proves that its bytes are what was written. */
export const UnknownFile = Schema.TaggedStruct("UnknownFile", { key: Schema.String, ...Ticks })

/** A file with an entry in the ledger is gone and was not set aside. */
export const MissingFile = Schema.TaggedStruct("MissingFile", {
  key: Schema.String,
  ...Ticks,
  /** Its ticks that are nowhere else. 0: the run may be whole. */
  missing: Schema.Finite
})

/** Damaged bytes in a log of the ledger. */
export const DamagedLedger = Schema.TaggedStruct("DamagedLedger", LogBytes)

/** A log ends in the middle of a line: after a crash, or while it is being written. */
export const TornLedger = Schema.TaggedStruct("TornLedger", LogBytes)

/** Ticks of the run wait in a dead letter. */
export const WaitingLetter = Schema.TaggedStruct("WaitingLetter", {
  letter: Schema.String,
  reason: Schema.String,
  ...Ticks
})

/** A dead letter that can't be read. `known`: it is in the ledger of the run. Otherwise it may have ticks of any run. */
export const DamagedLetter = Schema.TaggedStruct("DamagedLetter", {
  letter: Schema.String,
  problem: Schema.String,
  known: Schema.Boolean,
  ...Ticks
})

/** A dead letter that the ledger doesn't know. */
export const UnknownLetter = Schema.TaggedStruct("UnknownLetter", { letter: Schema.String, ...Ticks })

/** A dead letter with an entry in the ledger is gone, and no entry says that it was replayed or dropped. */
export const VanishedLetter = Schema.TaggedStruct("VanishedLetter", {
  letter: Schema.String,
  ...Ticks,
  /** Its ticks that are nowhere else. */
  missing: Schema.Finite
})

/** A dead letter that an operator has dropped with its ticks. */
export const DroppedLetter = Schema.TaggedStruct("DroppedLetter", {
  letter: Schema.String,
  reason: Schema.String,
  ...Ticks,
  /** Its ticks that are not stored. */
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

/** `broken`: the run is not whole. `letters`: it would be whole without dead letters. `note`: it may be whole. */
export type Gravity = "broken" | "letters" | "note"

/** The name of a kind of finding, and what to do about it. */
export interface About {
  /** The name of one, and of several. */
  readonly title: readonly [one: string, several: string]
  readonly advice: string
}

/** Every kind, the worst first. */
export const kinds: Readonly<Record<Kind, About>> = {
  Hole: {
    title: ["hole", "holes"],
    advice:
      "bring these ticks in again, with the batch size of before: `tickvault run --resume` for a run of the built-in " +
      "simulation, the program with the simulation for a run of another one, `tickvault ingest` for a recording"
  },
  Conflict: {
    title: ["conflict", "conflicts"],
    advice: "two files disagree about these ticks: compare them, and move the wrong one out of the run's folder"
  },
  DamagedFile: {
    title: ["damaged file", "damaged files"],
    advice:
      "restore the file, or move it out of the run's folder and bring its ticks in again; read its intact ticks " +
      "with `tickvault cat --salvage`"
  },
  MissingFile: {
    title: ["file that is gone", "files that are gone"],
    advice: "restore it, or bring its ticks in again, unless other files have them all"
  },
  UnknownFile: {
    title: ["file that the ledger doesn't know", "files that the ledger doesn't know"],
    advice: "nothing proves its content; `tickvault verify --rebuild` accepts the file as it is now"
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
    advice: "its ticks are dropped; bring them in again to make the run whole"
  },
  DamagedLedger: {
    title: ["damage of the ledger", "damages of the ledger"],
    advice: "`tickvault verify --rebuild` copies the intact entries to a new log and sets this log aside"
  },
  NothingStored: { title: ["run without a tick", "runs without a tick"], advice: "no tick of it was stored" },
  Duplicate: {
    title: ["duplicate", "duplicates"],
    advice:
      "the same bytes twice: nothing is missing, each tick is read once; move out a file whose ticks are all in other files"
  },
  WaitingLetter: {
    title: ["dead letter that waits", "dead letters that wait"],
    advice:
      "`tickvault dlq replay` stores its ticks once the reason has passed; the reasons key_conflict and validation do " +
      "not pass by themselves: look at it with `tickvault dlq show`, and `tickvault dlq drop` gives its ticks up"
  },
  UnknownLetter: {
    title: ["dead letter that the ledger doesn't know", "dead letters that the ledger doesn't know"],
    advice: "normal after a crash; `tickvault verify --rebuild` adds its entry"
  },
  TornLedger: {
    title: ["torn end of a ledger", "torn ends of ledgers"],
    advice: "normal after a crash or during a write: harmless, nothing is lost"
  }
}

/** The gravity of `finding`. */
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

/** The ticks of `stretches` in the form of findings. */
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
  if (first === undefined || last === undefined) return "its ticks are not known"
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
      return `${finding.letter}: ${finding.problem}${finding.known ? `; ${range(finding)}` : "; it may have ticks of any run"}`
    case "UnknownLetter":
      return `${finding.letter}: ${range(finding)}`
    case "VanishedLetter":
      return `${finding.letter}: ${range(finding)}, ${numbers.format(finding.missing)} of them nowhere else`
    case "NothingStored":
      return "no batch of it is stored"
  }
}
