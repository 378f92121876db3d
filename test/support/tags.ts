/**
 * Each test has exactly one of two tags: `unit` or `integration`. A test with a longer form has the tag `long` besides.
 *
 * The reporter here fails a run in which a test has none of the two or both, lists the unit tests that are slow, and ends
 * with one plain line that scripts can read.
 */
// @effect-diagnostics globalConsole:off
import type { Reporter } from "vitest/node"

const kinds = [
  { name: "unit", description: "A single part with fakes around it: no files, no processes, no real time." },
  { name: "integration", description: "Several parts together, or anything real: files, processes, the clock." }
]

export const tags = [...kinds, { name: "long", description: "Tries more in `npm run test:long`." }]

const howToTag = [
  "Put one of these lines at the head of the test file:",
  ...kinds.map(({ name, description }) => `  // @module-tag ${name}   ${description}`),
  'A file with tests of both kinds tags each test or describe instead: describe("...", { tags: ["unit"] }, ...).'
].join("\n")

/** What is wrong with the tags of a test, if anything. */
export const complaint = (own: ReadonlyArray<string>): string | undefined => {
  const found = kinds.filter(({ name }) => own.includes(name)).map(({ name }) => name)
  if (found.length === 1) return undefined
  return found.length === 0 ? "neither unit nor integration" : "both unit and integration"
}

/** The facts of a finished test that the reporter looks at. */
export interface Finished {
  readonly file: string
  readonly name: string
  readonly tags: ReadonlyArray<string>
  readonly state: string
  readonly milliseconds: number
}

/** One line for each file and mistake, with the first test that has it. */
const wrongLines = (wrong: ReadonlyArray<Finished>) =>
  [...Map.groupBy(wrong, ({ file, tags }) => `${file}: ${complaint(tags)}`)].map(
    ([what, [first, ...others]]) => `  ${what}: "${first?.name}"${others.length === 0 ? "" : `, ${others.length} more`}`
  )

/** The closing lines of a run, and whether all tags are right. A test with wrong tags counts as failed. */
export const closing = (tests: ReadonlyArray<Finished>, slowerThanMs = 100) => {
  const wrong = tests.filter((test) => complaint(test.tags) !== undefined)
  const slow = tests
    .filter((test) => test.tags.includes("unit") && test.milliseconds > slowerThanMs)
    .sort((one, other) => other.milliseconds - one.milliseconds)
  const count = (state: string) => tests.filter((test) => test.state === state && !wrong.includes(test)).length
  return {
    tagged: wrong.length === 0,
    lines: [
      ...(slow.length === 0 ? [] : [`Unit tests that took over ${slowerThanMs} ms: ${slow.length}`]),
      ...slow.map(({ file, milliseconds, name }) => `  ${Math.round(milliseconds)} ms  ${file} > ${name}`),
      ...(wrong.length === 0 ? [] : [`Tests with wrong tags: ${wrong.length}`, ...wrongLines(wrong), howToTag]),
      `${count("passed")} passed, ${count("failed") + wrong.length} failed, ${count("skipped")} skipped`
    ]
  }
}

export const reporter: Reporter = {
  onTestRunEnd(modules) {
    const tests = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => ({
        file: module.relativeModuleId,
        name: test.fullName,
        tags: test.tags,
        state: test.result().state,
        milliseconds: test.diagnostic()?.duration ?? 0
      }))
    )
    const { lines, tagged } = closing(tests)
    if (!tagged) process.exitCode = 1
    for (const line of lines) console.log(line)
  }
}
