/** The parts of the HOCON parser that are used here; the package has no types of its own. */
declare module "@pushcorn/hocon-parser" {
  /** One parse of one text. `env: false` keeps it from reading environment variables. */
  export class Context {
    constructor(options: { readonly text: string; readonly strict: boolean; readonly env: boolean })
    /** Makes the root of the tree. */
    createNode(type: unknown): Node
    /** Opens another source: called for an `include`, and only for one. */
    createContext(options: unknown, owner: unknown): unknown
    /** Makes a source, a builder or a transform. */
    resolveComponent(node: unknown, group: string, scope: unknown): Promise<unknown>
    resolve(): Promise<unknown>
  }

  export interface Node {
    /** Whether the last round of substitutions has changed anything, so that there must be another. */
    checkUpdated(): boolean
  }

  export interface Token {
    readonly type: symbol
    readonly value: string
    readonly line: number
    readonly quoted: boolean
  }

  export class Tokenizer {
    tokenize(text: string, strict: boolean): ReadonlyArray<Token>
  }

  const parser: {
    readonly Context: typeof Context
    readonly getClass: (name: "core.Tokenizer") => typeof Tokenizer
  }
  export default parser
}
