/**
 * Letters as files: their names, and the check of their bytes.
 *
 * A name is `<id>.<checksum>.pb`. The checksum is the CRC-32 of the bytes in hexadecimal. The bytes under a name `<id>.pb`,
 * of an older version or another program, can't be checked.
 */
import * as Effect from "effect/Effect"
import * as Checksum from "../../domain/Checksum.ts"
import { InvalidPlace, StorageError } from "../../storage/StorageError.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import * as DeadLetter from "../DeadLetter.ts"

/** A file that holds a version of a letter. */
export interface LetterFile {
  readonly key: StorageKey.StorageKey
  readonly id: string
  readonly checksum: number | undefined
}

/** The letter file with the name `key`. `undefined` when it is not the name of a letter. */
export const parse = (key: StorageKey.StorageKey): LetterFile | undefined => {
  const { checksum = "", id } = /^(?<id>[^/]+?)(?:\.(?<checksum>[0-9a-f]{8}))?\.pb$/u.exec(key)?.groups ?? {}
  return id === undefined ? undefined : { key, id, checksum: Checksum.fromHex(checksum) }
}

/** The prefix of the keys of all versions of a letter. Keys of other letters may have the same prefix. */
export const prefix = (id: string): string => `${id}.`

/** The file for this version of `letter`. Fails with `InvalidPlace` when its id can't be a file name. */
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

/** Decodes the `bytes` of `file`. Fails with `LetterDamaged` when they don't match its checksum. */
export const open = ({ checksum, id, key }: LetterFile, bytes: Uint8Array) =>
  checksum === undefined || checksum === Checksum.of(bytes)
    ? DeadLetter.fromBytes(id, bytes)
    : Effect.fail(
        new DeadLetter.LetterDamaged({ letter: id, problem: `file "${key}" doesn't match the checksum in its name` })
      )

/** The time of the first failure, from the id of a letter. `undefined` for an id of another program. */
export const firstFailureMs = (id: string): number | undefined => {
  const digits = /^(\d{15})-/u.exec(id)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** The newest of several versions of a letter: the one with the most retries, then the one that failed last. */
export const newest = (versions: ReadonlyArray<DeadLetter.DeadLetter>): DeadLetter.DeadLetter | undefined =>
  versions.toSorted(
    ({ message: a }, { message: b }) => b.retryCount - a.retryCount || Number(b.lastFailureTimeMs - a.lastFailureTimeMs)
  )[0]
