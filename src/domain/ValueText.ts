/** Values as text, for `tickvault config show` and for messages. */
import * as Duration from "effect/Duration"
import * as RunId from "./RunId.ts"

const durationUnits = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000]
] as const

/** A duration in its largest whole unit, as in a configuration: "5 seconds", "1500 millis". */
export const duration = (value: Duration.Duration): string => {
  const millis = Duration.toMillis(value)
  for (const [unit, size] of durationUnits) {
    if (millis >= size && millis % size === 0) return `${millis / size} ${unit}${millis === size ? "" : "s"}`
  }
  return `${millis} millis`
}

const byteUnits = ["B", "kB", "MB", "GB", "TB"]

/** Bytes in decimal units: 63163460 as "63.2 MB". `format` formats numbers of kB and more, by default with one decimal. */
export const bytes = (value: number, format = (scaled: number) => scaled.toFixed(1)): string => {
  let scaled = value
  let unit = 0
  while (scaled >= 999.5 && unit < byteUnits.length - 1) {
    scaled /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(scaled) : format(scaled)} ${byteUnits[unit]}`
}

const isPlain = (text: string): boolean => text !== "" && text === text.trim() && /^[^\p{Cc}]{1,4096}$/u.test(text)

/** A decoded value. */
export const display = (value: unknown): string => {
  if (value === undefined) return "not set"
  if (Duration.isDuration(value)) return duration(value)
  if (Array.isArray(value)) return `[${value.map(display).join(", ")}]`
  return typeof value === "string" && isPlain(value) ? value : describe(value)
}

/** A raw value for a message: quoted text, cut to a readable length. An object is "a section". */
export const describe = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return RunId.quote(value)
    case "number":
    case "boolean":
    case "bigint":
      return String(value)
    case "undefined":
      return "nothing"
    default:
      if (value === null) return "null"
      if (!Array.isArray(value)) return "a section"
      return value.length > 8 ? `a list of ${value.length}` : `[${value.map(describe).join(", ")}]`
  }
}
