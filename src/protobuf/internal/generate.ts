/**
 * Makes functions of generated source, where the platform allows it.
 *
 * Text from a descriptor gets into source through `quote` only; numbers are whole.
 */

/** Whether source can become code here: a content security policy or an option of Node may forbid it. */
export const isAllowed = (): boolean => {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- what is asked is whether this is possible
    return new Function("return true")() === true
  } catch {
    return false
  }
}

/** What `source`, the body of a function, returns. It finds each of `known` under its name. */
export const evaluate = (source: string, known: Readonly<Record<string, unknown>>): unknown =>
  // oxlint-disable-next-line typescript/no-implied-eval -- of our own source, and nothing of a message gets into it
  new Function("known", `"use strict";const {${Object.keys(known).join(",")}}=known;${source}`)(known)

/** A string literal. */
export const quote = (text: string): string => JSON.stringify(text)

export const isFunction = (value: unknown): value is (...args: ReadonlyArray<unknown>) => unknown =>
  typeof value === "function"
