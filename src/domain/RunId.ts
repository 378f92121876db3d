/**
 * The id of a simulation run, checked to be safe as the name of a folder.
 *
 * A run id becomes a segment of storage keys. A string is not a run id if it could lead out of the storage folder, be
 * hidden in it, or be refused by a file system. Decode run ids with the schema `RunId`.
 *
 * ```ts
 * import * as RunId from "tickvault/domain/RunId"
 *
 * export const describe = (id: string) => (RunId.is(id) ? `${id} is a run id` : `it is not: ${RunId.violation(id)}`)
 * ```
 */
import type * as Brand from "effect/Brand"
import * as Schema from "effect/Schema"

/** The longest segment that common file systems accept, in bytes of UTF-8. */
export const maxSegmentBytes = 255

/** A segment of this many UTF-16 units always fits: each unit takes at most three bytes of UTF-8. */
const surelyFits = Math.floor(maxSegmentBytes / 3)

const encoder = new TextEncoder()

const bytesOf = (segment: string): number => encoder.encode(segment).length

// The pattern must match control characters. A backslash separates folders on Windows.
// oxlint-disable-next-line no-control-regex
const forbiddenCharacters = /[\u0000-\u001f\u007f-\u009f<>"?*|\\]/u

/** A text why `segment` can't be a segment of a storage key. `undefined` when it can. */
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

/** A text why `id` can't be a run id. `undefined` when it can. */
export const violation: (id: string) => string | undefined = segmentViolation

/** Whether `id` is a run id. */
export const is = (id: string): id is RunId => violation(id) === undefined

/** A run id, decoded from a string. The failure names the problem: "must be a safe folder name, but is empty". */
export const RunId = Schema.String.check(
  Schema.makeFilter((id) => {
    const reason = violation(id)
    return reason === undefined ? undefined : `must be a safe folder name, but ${reason}`
  })
).pipe(Schema.brand("RunId"))

/** A string that can be the name of a run's folder. */
export type RunId = string & Brand.Brand<"RunId">

/** `id` as a run id. Throws a `RangeError` when it is none: decode untrusted input with `RunId`, or use `is`. */
export const make = (id: string): RunId => {
  if (!is(id)) throw new RangeError(`run id ${quote(id)} ${violation(id)}`)
  return id
}

/** `id` for a message: quoted, control characters escaped, cut to a readable length. */
export const quote = (id: string): string => JSON.stringify(id.length > 80 ? `${id.slice(0, 80)}…` : id)
