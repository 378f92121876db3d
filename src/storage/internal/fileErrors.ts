/**
 * Converts failures of Effect's file system to failures of the storage.
 */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { ObjectMissing, reasonOf, StorageError } from "../StorageError.ts"

/** The `errno` code of `error`, such as "ENOSPC". The tag of its reason when there is no code. */
export const codeOf = (error: PlatformError): string => {
  const { cause } = error.reason
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : error.reason._tag
}

/** Operations on objects that should exist. The other operations create missing folders. */
const whereMissingIsAnAnswer: ReadonlySet<string> = new Set(["read", "list", "stat", "remove", "set-aside"])

/** Converts a failure of `operation` to a `StorageError`. */
export const storageError =
  (operation: StorageError["operation"], key: string) =>
  (error: PlatformError): StorageError => {
    const code = codeOf(error)
    const missing = code === "ENOENT" && whereMissingIsAnAnswer.has(operation)
    return new StorageError({ operation, key, reason: missing ? new ObjectMissing() : reasonOf(code), cause: error })
  }

/** Converts the defect of a file that could not be closed to a failure of the commit. */
export const closeError = (key: string, defect: unknown): StorageError =>
  new StorageError({ operation: "commit", key, reason: reasonOf(findCode(defect) ?? "EIO"), cause: defect })

const findCode = (value: unknown, depth = 0): string | undefined => {
  if (depth > 4 || !Predicate.isObject(value)) return undefined
  if (Predicate.hasProperty(value, "code") && typeof value.code === "string") return value.code
  if (Predicate.hasProperty(value, "reason")) return findCode(value.reason, depth + 1)
  return Predicate.hasProperty(value, "cause") ? findCode(value.cause, depth + 1) : undefined
}
