/**
 * The entries of a run's ledger: stored batches, dead letters, and what happened to the letters.
 *
 * Entries are facts that stay true. Their order means nothing, because several processes write them, and the same fact may
 * be recorded twice.
 *
 * ```ts
 * import * as LedgerEntry from "tickvault/ledger/LedgerEntry"
 *
 * // Stretches of a stored batch, as first, last and step.
 * export const stretchesOf = ({ stretches }: LedgerEntry.Commit) => LedgerEntry.toStretches(stretches)
 * ```
 */
import * as Schema from "effect/Schema"
import type * as TickSet from "../domain/TickSet.ts"
import { flushReasons } from "../queue/BatchPolicy.ts"

const TickNumber = Schema.BigIntFromString

/** First, last and step of evenly spaced ticks. */
const Stretch = Schema.Tuple([TickNumber, TickNumber, TickNumber])

/** A batch is stored. */
export const Commit = Schema.TaggedStruct("Commit", {
  key: Schema.String,
  /** The ticks in it. Evenly spaced ticks are one stretch. */
  stretches: Schema.Array(Stretch),
  /** The number of messages in it. */
  count: Schema.Int,
  /** Bytes of its messages, including the lengths before them. */
  bytes: Schema.Int,
  /** Size of the object when it is compressed. Absent when it equals `bytes`. */
  storedBytes: Schema.optionalKey(Schema.Int),
  /** CRC-32 of the `bytes`, as eight hexadecimal digits. */
  checksum: Schema.String,
  committedAtMs: Schema.Int,
  /** How it was written. Absent in an entry that was made later from the object. */
  write: Schema.optionalKey(
    Schema.Struct({
      service: Schema.String,
      flushReason: Schema.Literals(flushReasons),
      attempts: Schema.Int,
      /** The time when its oldest tick entered the queue. */
      enqueuedAtMs: Schema.Int,
      /** Duration of the successful attempt. */
      tookMs: Schema.Finite
    })
  )
})

/** Ticks of the run wait in a dead letter. */
export const Letter = Schema.TaggedStruct("Letter", {
  id: Schema.String,
  stretches: Schema.Array(Stretch),
  count: Schema.Int,
  reason: Schema.String,
  service: Schema.String,
  atMs: Schema.Int
})

/** A dead letter was replayed. */
export const Replay = Schema.TaggedStruct("Replay", {
  letter: Schema.String,
  /** Ticks of the run that the replay stored. */
  stored: Schema.Int,
  /** Ticks of the run that were stored already. */
  duplicate: Schema.Int,
  /** Ticks of any run that are still in the letter. 0: the letter is gone. */
  remaining: Schema.Int,
  atMs: Schema.Int
})

/** An operator dropped a dead letter and gave `reason`. */
export const Drop = Schema.TaggedStruct("Drop", {
  letter: Schema.String,
  stretches: Schema.Array(Stretch),
  count: Schema.Int,
  reason: Schema.String,
  atMs: Schema.Int
})

/** A damaged object was moved away from its key. */
export const SetAside = Schema.TaggedStruct("SetAside", {
  key: Schema.String,
  place: Schema.String,
  reason: Schema.String,
  atMs: Schema.Int
})

/** The first entry of a log. */
export const Header = Schema.TaggedStruct("Header", {
  version: Schema.Literal(1),
  run: Schema.String,
  writer: Schema.String
})

export const Entry = Schema.Union([Header, Commit, Letter, Replay, Drop, SetAside])

export type Entry = typeof Entry.Type
export type Commit = typeof Commit.Type
export type Letter = typeof Letter.Type
export type Replay = typeof Replay.Type
export type Drop = typeof Drop.Type
export type SetAside = typeof SetAside.Type

/** Size of the object of `commit` in the storage, in bytes. */
export const sizeOf = ({ bytes, storedBytes }: Commit): number => storedBytes ?? bytes

/** Stretches in the form that entries have. */
export const fromStretches = (stretches: ReadonlyArray<TickSet.Stretch>): Commit["stretches"] =>
  stretches.map(({ first, last, step }) => [first, last, step])

/** The stretches of an entry. */
export const toStretches = (stretches: Commit["stretches"]): ReadonlyArray<TickSet.Stretch> =>
  stretches.map(([first, last, step]) => ({ first, last, step }))
