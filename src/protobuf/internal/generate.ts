/**
 * Compiles generated source to functions, where the platform allows it.
 *
 * Text from a descriptor enters the source only through `quote`. Numbers are whole.
 */

/** Whether source can become code here: a content security policy or an option of Node may forbid it. */
export const isAllowed = (): boolean => {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- checks whether this is possible
    return new Function("return true")() === true
  } catch {
    return false
  }
}

/** Runs `source` as the body of a function and returns its result. It can use each of `known` by its name. */
export const evaluate = (source: string, known: Readonly<Record<string, unknown>>): unknown =>
  // oxlint-disable-next-line typescript/no-implied-eval -- our own source, without content of messages
  new Function("known", `"use strict";const {${Object.keys(known).join(",")}}=known;${source}`)(known)

/** A string literal. */
export const quote = (text: string): string => JSON.stringify(text)

export const isFunction = (value: unknown): value is (...args: ReadonlyArray<unknown>) => unknown =>
  typeof value === "function"
