/**
 * Letters as files: what their names say, and whether their bytes are what was written.
 *
 * A name is `<id>.<checksum>.pb`; the checksum is the CRC-32 of the bytes in hexadecimal, so that a letter proves itself.
 * A name `<id>.pb`, of an older version or of another program, promises nothing of the bytes.
 */
import * as Effect from "effect/Effect"
import * as Checksum from "../../domain/Checksum.ts"
import { InvalidPlace, StorageError } from "../../storage/StorageError.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import * as DeadLetter from "../DeadLetter.ts"

/** A file that holds a version of a letter, as far as its name says. */
export interface LetterFile {
  readonly key: StorageKey.StorageKey
  readonly id: string
  readonly checksum: number | undefined
}

/** What the name `key` says; `undefined` when it is not the name of a letter. */
export const parse = (key: StorageKey.StorageKey): LetterFile | undefined => {
  const { checksum = "", id } = /^(?<id>[^/]+?)(?:\.(?<checksum>[0-9a-f]{8}))?\.pb$/u.exec(key)?.groups ?? {}
  return id === undefined ? undefined : { key, id, checksum: Checksum.fromHex(checksum) }
}

/** What the keys of all versions of a letter begin with. Those of other letters may begin with it too. */
export const prefix = (id: string): string => `${id}.`

/** The file for this version of `letter`. Fails with `InvalidPlace` when its id is unfit for a file name. */
export const of = (letter: DeadLetter.DeadLetter): Effect.Effect<LetterFile, StorageError> => {
  const checksum = Checksum.of(letter.bytes)
  const name = `${letter.id}.${Checksum.toHex(checksum)}.pb`
  return StorageKey.parse(name).pipe(
    Effect.map((key) => ({ key, id: letter.id, checksum })),
    Effect.mapError(
      (cause) =>
        new StorageError({ operation: "create", key: name, reason: new InvalidPlace({ code: "EINVAL" }), cause })
    )
  )
}

/** The letter that `file` holds in `bytes`. Fails with `LetterDamaged` when they are not what was written. */
export const open = ({ checksum, id, key }: LetterFile, bytes: Uint8Array) =>
  checksum === undefined || checksum === Checksum.of(bytes)
    ? DeadLetter.fromBytes(id, bytes)
    : Effect.fail(
        new DeadLetter.LetterDamaged({ letter: id, problem: `file "${key}" doesn't match the checksum in its name` })
      )

/** When the letter failed first, as its id says; `undefined` for an id of another program. */
export const firstFailureMs = (id: string): number | undefined => {
  const digits = /^(\d{15})-/u.exec(id)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** The newest of several versions of a letter: the most often tried, then the last to fail. */
export const newest = (versions: ReadonlyArray<DeadLetter.DeadLetter>): DeadLetter.DeadLetter | undefined =>
  versions.toSorted(
    ({ message: a }, { message: b }) => b.retryCount - a.retryCount || Number(b.lastFailureTimeMs - a.lastFailureTimeMs)
  )[0]
