/**
 * Reads HOCON from one text only.
 *
 * The parser can open files and addresses for `include`, read environment variables for `${X}` and run code in its
 * transforms. None of this happens here: the text is screened first (`hoconScreen`), the environment is off, and the parse
 * can't open another source or make a transform. A substitution must name a value of the same file. An optional one is
 * refused too when it doesn't: it would silently omit a value that its author expected from the environment.
 */
import type { Context, Node } from "@pushcorn/hocon-parser"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HoconScreen from "./hoconScreen.ts"

/** The text isn't HOCON, or uses what a configuration may not. */
export class HoconError extends Schema.TaggedError<HoconError>()("HoconError", {
  line: Schema.optionalKey(Schema.Int),
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

/** The largest number of substitution rounds: values that contain each other grow with every round. */
const maxRounds = 20

/** A parse that can't open another source, can't transform and always ends. It throws a refusal, as the parser expects. */
const confine = (Base: typeof Context): typeof Context =>
  class extends Base {
    override createNode(type: unknown): Node {
      const node = super.createNode(type)
      const checkUpdated = node.checkUpdated.bind(node)
      let rounds = 0
      node.checkUpdated = () => {
        if (++rounds > maxRounds) throw new HoconError({ problem: "the substitutions never end" })
        return checkUpdated()
      }
      return node
    }

    override createContext(): never {
      throw new HoconError({ problem: "`include` is not allowed: a configuration is one file" })
    }

    override resolveComponent(node: unknown, group: string, scope: unknown): Promise<unknown> {
      if (group === "transforms") throw new HoconError({ problem: "transforms are not allowed" })
      return super.resolveComponent(node, group, scope)
    }
  }

const missing = (name: string): string =>
  `\${${name}} names no value of this file, or only itself; environment variables are not read into it: ` +
  "set an option with TICKVAULT_<COMPONENT>_<OPTION>"

/** The parser's message in plain words, with what to do. */
const inOurWords = (words: string): string => {
  const name = /^Unable to resolve '(?<name>.*)'\.$/u.exec(words)?.groups?.["name"]
  if (name !== undefined) return missing(name)
  return words === "Unexpected token." ? 'unexpected text: quote a value that contains ":" or "="' : words
}

/** The parser's message without its internal names. Its position becomes the line. */
const fromParser = (cause: unknown): HoconError => {
  if (Schema.is(HoconError)(cause)) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  const line = /\bline: (?<line>\d+)/u.exec(message)?.groups?.["line"]
  const words = message.replace(/[\s(]*(?:Source: |Token: \{|text: |line: \d).*$/su, "")
  const problem = inOurWords(words)
  return new HoconError(line === undefined ? { problem } : { problem, line: Number(line) })
}

const valueAt = (value: unknown, path: ReadonlyArray<string>): unknown => {
  let current = value
  for (const segment of path) {
    if (typeof current !== "object" || current === null) return undefined
    current = new Map<string, unknown>(Object.entries(current)).get(segment)
  }
  return current
}

/** The value of a HOCON text. Reads no other source. */
export const parse = Effect.fnUntraced(function* (text: string): Effect.fn.Return<unknown, HoconError> {
  // Loaded only when a file needs it: loading takes longer than all the rest of the configuration.
  const { default: parser } = yield* Effect.promise(() => import("@pushcorn/hocon-parser"))
  const Tokenizer = parser.getClass("core.Tokenizer")
  const tokens = yield* Effect.try({ try: () => new Tokenizer().tokenize(text, true), catch: fromParser })
  const { substitutions, violation } = HoconScreen.screen(tokens)
  if (violation !== undefined) return yield* new HoconError(violation)

  const Confined = confine(parser.Context)
  const value = yield* Effect.tryPromise({
    try: () => new Confined({ text, strict: true, env: false }).resolve(),
    catch: fromParser
  })
  const lost = substitutions.find(({ path }) => valueAt(value, path) === undefined)
  if (lost === undefined) return value
  return yield* new HoconError({ line: lost.line, problem: missing(lost.path.join(".")) })
})
