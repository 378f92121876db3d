/**
 * The id of a simulation run, proven to be safe as the name of a folder.
 *
 * A run id becomes a segment of storage keys, so whatever could leave the storage folder, hide in it or be refused by
 * a file system is not a run id: it never gets as far as a path.
 */
import * as Brand from "effect/Brand"

/** A run id that `violation` has nothing against. */
export type RunId = string & Brand.Brand<"RunId">

const brand = Brand.nominal<RunId>()

/** Longest segment that common file systems accept, in bytes of UTF-8. */
export const maxSegmentBytes = 255

/** A segment of no more UTF-16 units is not too long, whatever is in it: each makes three bytes of UTF-8 at most. */
const surelyFits = Math.floor(maxSegmentBytes / 3)

const encoder = new TextEncoder()

const bytesOf = (segment: string): number => encoder.encode(segment).length

// Control characters are what the pattern is about. A backslash separates folders on Windows.
// oxlint-disable-next-line no-control-regex
const forbiddenCharacters = /[\u0000-\u001f\u007f-\u009f<>"?*|\\]/u

/** Why `segment` can't be one segment of a storage key, in words; `undefined` when it can. */
export const segmentViolation = (segment: string): string | undefined => {
  if (segment === "") return "is empty"
  if (segment.includes("/")) return 'contains "/"'
  if (segment.includes("..")) return 'contains ".."'
  if (segment.startsWith(".")) return 'starts with ".", which is kept for temporary and internal files'
  if (/^[A-Za-z]:/u.test(segment)) return "starts with a drive letter"
  if (forbiddenCharacters.test(segment)) return 'contains a control character or one of <>"?*|\\'
  if (/[. ]$/u.test(segment)) return 'ends with "." or a space'
  if (!segment.isWellFormed()) return "is not well-formed Unicode"
  if (segment.length > maxSegmentBytes || (segment.length > surelyFits && bytesOf(segment) > maxSegmentBytes)) {
    return `is longer than ${maxSegmentBytes} bytes`
  }
  return undefined
}

/** Why `id` can't be a run id, in words; `undefined` when it can. */
export const violation: (id: string) => string | undefined = segmentViolation

/** Whether `id` is a run id. */
export const is = (id: string): id is RunId => violation(id) === undefined

/** The run id that `id` is. Throws a `RangeError` naming the violation; test untrusted input with `is` first. */
export const make = (id: string): RunId => {
  const reason = violation(id)
  if (reason !== undefined) throw new RangeError(`run id ${quote(id)} ${reason}`)
  return brand(id)
}

/** `id` as it may be shown in a message: quoted, control characters escaped, cut to a readable length. */
export const quote = (id: string): string => JSON.stringify(id.length > 80 ? `${id.slice(0, 80)}…` : id)
