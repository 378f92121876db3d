/**
 * Checks the tokens of a HOCON text before it is parsed, and reports the first forbidden one.
 *
 * The parser has forbidden extensions: it runs keys and substitutions that begin with "{" as code,
 * `|` applies transforms, `include` opens files and addresses, and a key `__proto__` changes every object. So keys and
 * substitutions may only have plain words, which is enough for all keys of a configuration.
 */
import { describe } from "../../domain/ValueText.ts"

/** A token of the parser, repeated from `hocon-parser.d.ts`, which is not published. */
export interface Token {
  readonly type: symbol
  readonly value: string
  readonly line: number
  readonly quoted: boolean
}

export interface Violation {
  readonly line: number
  readonly problem: string
}

export interface Substitution {
  readonly path: ReadonlyArray<string>
  readonly line: number
}

export interface Screened {
  readonly violation: Violation | undefined
  readonly substitutions: ReadonlyArray<Substitution>
}

const word = /^[A-Za-z0-9][A-Za-z0-9_-]*$/u

const isPlain = (segment: string): boolean => word.test(segment) && !Object.hasOwn(Object.prototype, segment)

/** The segments of a key or a substitution, or `undefined` when one of them isn't a plain word. */
const segmentsOf = (tokens: ReadonlyArray<Token>): ReadonlyArray<string> | undefined => {
  if (tokens.some((token) => token.quoted && token.value.includes("."))) return undefined
  const segments = tokens
    .map((token) => token.value)
    .join("")
    .trim()
    .split(".")
  return segments.every(isPlain) ? segments : undefined
}

/** An open bracket, and the state of the value in it. */
interface Frame {
  readonly open: Token | undefined
  readonly isArray: boolean
  /** In an object: the key is complete, and its value follows. */
  assigned: boolean
  /** The value has begun, so that the end of the line ends it. */
  begun: boolean
}

class Screen {
  readonly substitutions: Array<Substitution> = []
  violation: Violation | undefined
  private readonly frames: Array<Frame> = [{ open: undefined, isArray: false, assigned: false, begun: false }]
  /** Text tokens that may become a key. */
  private run: Array<Token> = []
  private runEnded = false

  refuse(token: Token, problem: string) {
    this.violation ??= { line: token.line, problem }
  }

  private begin() {
    const frame = this.frames.at(-1)
    if (frame?.assigned === true) frame.begun = true
  }

  private text(token: Token) {
    if (!token.quoted && (token.value === "include" || token.value === "require")) {
      this.refuse(
        token,
        `\`${token.value}\` is not allowed: a configuration is one file (quote the word if it is a text)`
      )
    }
    if (this.runEnded) this.run = []
    this.runEnded = false
    this.run.push(token)
    this.begin()
  }

  private endKey(token: Token) {
    const frame = this.frames.at(-1)
    const first = frame?.isArray === true ? undefined : this.run.find((each) => each.quoted || each.value.trim() !== "")
    if (first !== undefined && segmentsOf(this.run) === undefined) {
      const name = this.run.map((each) => each.value).join("")
      this.refuse(first, `${describe(name.trim())} can't be a key: keys are words of letters, digits, "-" and "_"`)
    }
    if (frame !== undefined && !frame.isArray && (first !== undefined || token.type.description === "ASSIGN")) {
      frame.assigned = true
      frame.begun = false
    }
    this.run = []
  }

  private open(token: Token, isArray: boolean) {
    if (!isArray) this.endKey(token)
    this.begin()
    this.run = []
    this.frames.push({ open: token, isArray, assigned: false, begun: false })
  }

  private close(token: Token, isArray: boolean) {
    if (this.frames.length === 1 || this.frames.at(-1)?.isArray !== isArray) {
      this.refuse(token, `\`${token.value}\` closes nothing`)
      return
    }
    this.frames.pop()
    this.run = []
    this.begin()
  }

  private endLine() {
    this.runEnded = true
    const frame = this.frames.at(-1)
    if (frame?.assigned === true && frame.begun) frame.assigned = false
  }

  private endItem() {
    this.run = []
    const frame = this.frames.at(-1)
    if (frame !== undefined) frame.assigned = false
  }

  /** Takes a whole `${...}`. Returns the number of tokens after the first. */
  private substitution(token: Token, tokens: ReadonlyArray<Token>, index: number): number {
    const end = tokens.findIndex((each, at) => at > index && each.type.description === "CLOSE_CURLY")
    const inner = tokens.slice(index + 1, Math.max(index + 1, end))
    const frame = this.frames.at(-1)
    const path = segmentsOf(inner)
    if (end === -1) this.refuse(token, "a substitution isn't closed")
    else if (frame?.isArray === false && !frame.assigned) this.refuse(token, "a substitution can't be a key")
    else if (path === undefined || inner.some((each) => each.type.description === "SUBSTITUTION")) {
      this.refuse(token, 'a substitution names a value of this file, by words of letters, digits, "-" and "_"')
    } else this.substitutions.push({ path, line: token.line })
    this.run = []
    this.begin()
    return end === -1 ? 0 : end - index
  }

  /** Takes one token. Returns the number of further tokens that belong to it. */
  take(token: Token, tokens: ReadonlyArray<Token>, index: number): number {
    switch (token.type.description) {
      case "VALUE":
        this.text(token)
        return 0
      case "WHITESPACE":
        if (!this.runEnded) this.run.push(token)
        return 0
      case "ASSIGN":
        this.endKey(token)
        return 0
      case "SUBSTITUTION":
        return this.substitution(token, tokens, index)
      case "NEWLINE":
        this.endLine()
        return 0
      case "COMMA":
        this.endItem()
        return 0
      case "OPEN_CURLY":
      case "OPEN_SQUARE":
        this.open(token, token.value === "[")
        return 0
      case "CLOSE_CURLY":
      case "CLOSE_SQUARE":
        this.close(token, token.value === "]")
        return 0
      case "COMMENT":
        return 0
      default:
        this.refuse(token, `\`${token.value}\` is not allowed: quote the text that it belongs to`)
        return 0
    }
  }

  finish() {
    const open = this.frames.at(-1)?.open
    if (open !== undefined) this.refuse(open, `\`${open.value}\` is not closed`)
  }
}

/** The first violation among the tokens, and all substitutions. */
export const screen = (tokens: ReadonlyArray<Token>): Screened => {
  const state = new Screen()
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index]
    if (token !== undefined) index += state.take(token, tokens, index)
  }
  state.finish()
  return { violation: state.violation, substitutions: state.substitutions }
}
