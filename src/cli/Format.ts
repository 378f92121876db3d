/**
 * Numbers as people read them.
 */
import * as ValueText from "../domain/ValueText.ts"

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 })

/** 12345.6 as "12,346". */
export const count = (value: number): string => grouped.format(value)

/** Bytes in decimal units, with about three digits: 63163460 as "63.2 MB", 631634600 as "632 MB". */
export const bytes = (value: number): string =>
  ValueText.bytes(value, (scaled) => (scaled >= 100 ? `${Math.round(scaled)}` : scaled.toFixed(1)))

/** "1 file", "2 files". */
export const plural = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`
