// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Compression from "../../src/batch/Compression.ts"
import * as ConfigFile from "../../src/config/ConfigFile.ts"
import * as PipelineConfig from "../../src/config/PipelineConfig.ts"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as Kinds from "../../src/kinds/Kinds.ts"
import * as PersistenceService from "../../src/persistence/PersistenceService.ts"
import * as Pipeline from "../../src/Pipeline.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as RecoveryService from "../../src/replay/RecoveryService.ts"
import * as SimulationEngine from "../../src/simulation/SimulationEngine.ts"
import * as World from "../../src/simulation/World.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import { document, quoted, root, rows, section } from "./documents.ts"

const configuration = document("docs/configuration.md")

const { shutdownTimeout, ...partsOfPipeline } = Pipeline.Options.fields

/** An option by its schema. */
interface Field extends Schema.Constraint {
  readonly DecodingServices: never
  readonly EncodingServices: never
}

/** The options of each component under its heading. */
const components: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  PersistenceService: PersistenceService.Options.fields,
  TickQueue: TickQueue.Options.fields,
  FileStorage: { ...FileStorage.Options.fields, ...Compression.Options.fields },
  FileDeadLetterQueue: FileDeadLetterQueue.Options.fields,
  InMemoryDeadLetterQueue: DeadLetterQueue.Options.fields,
  IdempotencyTracker: IdempotencyTracker.Options.fields,
  SimulationEngine: { ...SimulationEngine.Options.fields, ...World.Options.fields },
  RecoveryService: RecoveryService.Options.fields,
  Pipeline: { shutdownTimeout }
}

interface Row {
  readonly option: string
  readonly default: string
  readonly allowed: string
  readonly variable: string
}

const rowsOf = (component: string): ReadonlyArray<Row> =>
  rows(section(configuration, `### ${component}`)).map(
    ([option = "", standard = "", allowed = "", , , , variable = ""]) => ({
      option: quoted(option)[0] ?? "",
      default: standard,
      allowed,
      variable: quoted(variable)[0] ?? ""
    })
  )

/** What decodes one option. */
type Decode = (value: unknown) => Result.Result<unknown, unknown>

/** A value as a table has it: a text in quotes, a number, a list. */
const decodeJson = Schema.decodeSync(Schema.fromJsonString(Schema.Unknown))
const json = (text: string): unknown => decodeJson(text)

/** What is wrong with the words in which the table says what is allowed. */
const faultOfBounds = (decode: Decode, words: string): string | undefined => {
  const takes = (value: unknown) => Result.isSuccess(decode(value))
  const expect = (good: ReadonlyArray<unknown>, bad: ReadonlyArray<unknown>) => {
    const wrong = [...good.filter((value) => !takes(value)), ...bad.filter(takes)]
    return wrong.length === 0 ? undefined : `"${words}" is wrong about ${wrong.map(String).join(", ")}`
  }
  const more = /^(?<least>\d+) or more$/u.exec(words)?.groups?.["least"]
  if (more !== undefined) return expect([Number(more), 1_000_000_000], [Number(more) - 1, 1.5])
  const { from, to } = /^(?<from>\d+) to (?<to>\d+)$/u.exec(words)?.groups ?? {}
  if (from !== undefined) return expect([Number(from), Number(to)], [Number(from) - 1, Number(to) + 1])
  if (words === "above 0") return expect([0.5, 1e6], [0, -1])
  if (words === "a duration") return expect(["1 millis", "7 days"], ["0 seconds", "-1 seconds", "Infinity"])
  if (words === "text that is not empty") return expect(["./x"], [""])
  if (words === "a safe folder name") return expect(["run-1"], ["a/b", ".a", ""])
  if (words === "any safe integer") return expect([-5, Number.MAX_SAFE_INTEGER], [1.5, 2 ** 53])
  if (words === "tick numbers above 0") return expect([[], [1, 5]], [[0], 1])
  if (words.startsWith("1 to 4 numbers from 4 to 1024")) {
    return expect([[4], [1024, 1024], [4, 4, 4, 4]], [[], [3], [1025], [4, 4, 4, 4, 4], [1024, 1024, 4]])
  }
  if (words.startsWith('"')) return expect(words.split(", ").map(json), ["something else"])
  return `nobody checks "${words}"`
}

describe.each(Object.entries(components))("the options of %s in configuration.md", (component, fields) => {
  const listed = rowsOf(component)

  it("are all there, and no others", () => {
    assert.sameMembers(
      listed.map(({ option }) => option),
      Object.keys(fields)
    )
  })

  it.each(Object.entries(fields))("%s has its default and its bounds", (option, field) => {
    const row = listed.find((each) => each.option === option)
    assert.isDefined(row)
    const Own = Schema.Struct({ [option]: field })
    const decode: Decode = (value) =>
      Result.map(Schema.decodeUnknownResult(Own)({ [option]: value }), (decoded) => decoded[option])
    const standard = Schema.decodeUnknownSync(Own)({})[option]
    if (row.default === "none") assert.isUndefined(standard)
    else {
      const told = Result.getOrThrow(decode(json(row.default)))
      const isSame = Duration.isDuration(standard) && Duration.isDuration(told) && Duration.equals(standard, told)
      if (!isSame) assert.deepStrictEqual(told, standard)
    }
    assert.isUndefined(faultOfBounds(decode, row.allowed))
    const type = SchemaAST.toType(field.ast)
    if (SchemaAST.isUnion(type) && type.types.every(SchemaAST.isLiteral)) {
      assert.sameMembers(
        row.allowed.split(", ").map(json),
        type.types.map(({ literal }) => literal)
      )
    }
  })
})

it("the other options of Pipeline.layer are named with their defaults", () => {
  const text = section(configuration, "### Pipeline")
  const standard = Schema.decodeSync(Pipeline.Options)({})
  for (const option of Object.keys(partsOfPipeline)) {
    const value = standard[option as keyof typeof partsOfPipeline]
    assert.include(text, `\`${option}\` (${typeof value === "string" ? `"${value}"` : value})`)
  }
})

it.effect("each variable of configuration.md sets the option of its row", () =>
  Effect.gen(function* () {
    const file = yield* ConfigFile.read(`${root}examples/tickvault.conf`)
    let checked = 0
    for (const [component, fields] of Object.entries(components)) {
      for (const { allowed, default: standard, option, variable } of rowsOf(component)) {
        if (variable === "") {
          assert.isTrue(component === "InMemoryDeadLetterQueue" || ["pauseTicks", "shape"].includes(option), option)
          continue
        }
        const value = standard !== "none" ? String(json(standard)) : allowed === "a safe folder name" ? "run-1" : "5"
        const { values } = yield* Effect.fromResult(
          PipelineConfig.resolve({ kinds: Kinds.all, pipeline: file, env: { [variable]: value }, overrides: [] })
        )
        const set = values.filter(({ source }) => source === `environment ${variable}`).map(({ path }) => path)
        assert.lengthOf(set, 1, variable)
        assert.isTrue(set[0]?.endsWith(`.${option}`), variable)
        assert.property(fields, option)
        checked++
      }
    }
    assert.isAbove(checked, 35)
  }).pipe(Effect.provide(NodeServices.layer))
)
