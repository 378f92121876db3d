/**
 * Turns failures of Effect's file system into failures of the storage.
 */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { ObjectMissing, reasonOf, StorageError } from "../StorageError.ts"

/** The `errno` code of `error`, such as "ENOSPC"; the tag of its reason when the system gave no code. */
export const codeOf = (error: PlatformError): string => {
  const { cause } = error.reason
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : error.reason._tag
}

/** Operations on objects that should exist. The other operations make what they need. */
const whereMissingIsAnAnswer: ReadonlySet<string> = new Set(["read", "list", "stat", "remove", "set-aside"])

/** Turns a failure of `operation` into a `StorageError`. */
export const storageError =
  (operation: StorageError["operation"], key: string) =>
  (error: PlatformError): StorageError => {
    const code = codeOf(error)
    const missing = code === "ENOENT" && whereMissingIsAnAnswer.has(operation)
    return new StorageError({ operation, key, reason: missing ? new ObjectMissing() : reasonOf(code), cause: error })
  }

/** Turns the defect of a file that could not be closed into a failure of the commit. */
export const closeError = (key: string, defect: unknown): StorageError =>
  new StorageError({ operation: "commit", key, reason: reasonOf(findCode(defect) ?? "EIO"), cause: defect })

const findCode = (value: unknown, depth = 0): string | undefined => {
  if (depth > 4 || !Predicate.isObject(value)) return undefined
  if (Predicate.hasProperty(value, "code") && typeof value.code === "string") return value.code
  if (Predicate.hasProperty(value, "reason")) return findCode(value.reason, depth + 1)
  return Predicate.hasProperty(value, "cause") ? findCode(value.cause, depth + 1) : undefined
}
