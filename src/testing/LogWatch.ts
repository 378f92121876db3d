/**
 * Fails a test on every log line that it did not expect or allow, at any level, from any fiber.
 *
 * Provide its layer *under* what is tested (`Layer.provideMerge(app, LogWatch.layer())`), so that lines of starting and
 * stopping are watched too. The verdict falls when the layer's scope closes: an unexpected line or a missing one is a
 * defect that lists them all. Takes the place of all other loggers; nothing is printed.
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as LogWatch from "tickvault/testing/LogWatch"
 *
 * it.effect("warns once", () =>
 *   Effect.gen(function* () {
 *     yield* LogWatch.expect("Warn", "the disk is nearly full", { times: 1 })
 *     yield* Effect.logWarning("the disk is nearly full")
 *   }).pipe(Effect.provide(LogWatch.layer()))
 * )
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Schema from "effect/Schema"

/** The level of a line, or "Any". */
export type Level = LogLevel.Severity | "Any"

/** A string is the whole sentence, annotations left out; a `RegExp` is searched for in it. */
export type Pattern = string | RegExp

/** One line that was logged. */
export interface Line {
  readonly level: LogLevel.LogLevel
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
  readonly cause: Cause.Cause<unknown>
}

/** Lines that a test puts up with. */
export interface Allowed {
  readonly level: Level
  readonly message: Pattern
}

/** The verdict on a test whose log is not what it expects. A defect: no test recovers from it. */
export class UnexpectedLog extends Schema.TaggedError<UnexpectedLog>()("UnexpectedLog", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

interface Expected extends Allowed {
  /** Exactly so many; `undefined` for one or more. */
  readonly times: number | undefined
}

export class LogWatch extends Context.Service<
  LogWatch,
  {
    /** The line must have been logged by the end: exactly `times` times, or at least once without. */
    readonly expect: (level: Level, message: Pattern, options?: { readonly times?: number }) => Effect.Effect<void>

    /** The line may be logged, any number of times. */
    readonly allow: (level: Level, message: Pattern) => Effect.Effect<void>

    /** All lines so far, in their order. */
    readonly lines: Effect.Effect<ReadonlyArray<Line>>
  }
>()("tickvault/testing/LogWatch") {}

/** The warning of Effect's own test clock depends on how fast the machine is, and says nothing of what is tested. */
const ofTheTestClock: Allowed = { level: "Warn", message: /^A test is using time|^A fiber woken by the test clock/u }

const matches = (line: Line, { level, message }: Allowed): boolean =>
  (level === "Any" || level === line.level) &&
  (typeof message === "string" ? message === line.message : line.message.search(message) >= 0)

const sentence = (message: unknown): string =>
  (Array.isArray(message) ? message : [message])
    .map((part) => (typeof part === "string" ? part : Inspectable.toStringUnknown(part, 0)))
    .join(" ")

const describe = (line: Line): string => {
  const facts = Object.entries(line.annotations).map(
    ([name, value]) => ` ${name}=${Inspectable.toStringUnknown(value)}`
  )
  const cause = line.cause.reasons.length === 0 ? "" : `\n    ${Cause.pretty(line.cause).replaceAll("\n", "\n    ")}`
  return `  ${line.level} ${line.message}${facts.join("")}${cause}`
}

const describeMissing = ({ level, message, times }: Expected, found: number): string =>
  `  ${level} ${String(message)} (${times ?? "at least 1"} times, logged ${found} times)`

const verdict = (lines: ReadonlyArray<Line>, expected: ReadonlyArray<Expected>, allowed: ReadonlyArray<Allowed>) => {
  const wanted = [...expected, ...allowed]
  const unexpected = lines.filter((line) => !wanted.some((one) => matches(line, one))).map(describe)
  const missing = expected.flatMap((one) => {
    const found = lines.filter((line) => matches(line, one)).length
    return (one.times === undefined ? found > 0 : found === one.times) ? [] : [describeMissing(one, found)]
  })
  return [
    ...(unexpected.length === 0 ? [] : [`${unexpected.length} unexpected log lines:`, ...unexpected]),
    ...(missing.length === 0 ? [] : ["expected log lines:", ...missing])
  ]
}

/**
 * Watches all that is logged while it lives. Dies at its end when a line was not expected or an expected one is
 * missing.
 */
export const layer = (options: { readonly allow?: ReadonlyArray<Allowed> } = {}): Layer.Layer<LogWatch> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const lines: Array<Line> = []
      const expected: Array<Expected> = []
      const allowed: Array<Allowed> = [ofTheTestClock, ...(options.allow ?? [])]
      const logger = Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
        const annotations = fiber.getRef(References.CurrentLogAnnotations)
        lines.push({ level: logLevel, message: sentence(message), annotations, cause })
      })
      yield* Effect.addFinalizer(() => {
        const problems = verdict(lines, expected, allowed)
        return problems.length === 0 ? Effect.void : Effect.die(new UnexpectedLog({ problems }))
      })
      const watch = LogWatch.of({
        expect: (level, message, { times } = {}) => Effect.sync(() => void expected.push({ level, message, times })),
        allow: (level, message) => Effect.sync(() => void allowed.push({ level, message })),
        lines: Effect.sync(() => lines.slice())
      })
      return Context.make(LogWatch, watch).pipe(
        Context.add(Logger.CurrentLoggers, new Set([logger])),
        Context.add(References.MinimumLogLevel, "All")
      )
    })
  )

/** `expect` of the watch in context. */
export const expect = (...args: Parameters<LogWatch["Service"]["expect"]>): Effect.Effect<void, never, LogWatch> =>
  LogWatch.use((watch) => watch.expect(...args))

/** `allow` of the watch in context. */
export const allow = (...args: Parameters<LogWatch["Service"]["allow"]>): Effect.Effect<void, never, LogWatch> =>
  LogWatch.use((watch) => watch.allow(...args))

/** `lines` of the watch in context. */
export const lines: Effect.Effect<ReadonlyArray<Line>, never, LogWatch> = LogWatch.use((watch) => watch.lines)
