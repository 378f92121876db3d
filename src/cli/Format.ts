/**
 * Numbers as people read them.
 */

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 })

/** 12345.6 as "12,346". */
export const count = (value: number): string => grouped.format(value)

/** Bytes in decimal units: 63163460 as "63.2 MB". */
export const bytes = (value: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB"]
  let scaled = value
  let unit = 0
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000
    unit++
  }
  return `${unit === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[unit]}`
}

/** "1 file", "2 files". */
export const plural = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`
