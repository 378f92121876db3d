// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Checksum from "../../src/domain/Checksum.ts"
import type * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as Stored from "../runs/storedRun.ts"

const key = "run/batch_0000000000000000001_0000000000000000009.pb"

const write = { service: "persistence-1", flushReason: "size", attempts: 1, enqueuedAtMs: 5, tookMs: 1.25 } as const

const commit: LedgerEntry.Commit = {
  _tag: "Commit",
  key,
  stretches: [
    [1n, 5n, 1n],
    [7n, 9n, 2n]
  ],
  count: 7,
  bytes: 700,
  storedBytes: 70,
  checksum: "0123abcd",
  committedAtMs: 1_795_562_806_775,
  write
}

const { storedBytes, write: _, ...least } = commit

const commits: ReadonlyArray<LedgerEntry.Commit> = [
  commit,
  least,
  { ...least, storedBytes: storedBytes ?? 0 },
  { ...least, write: { ...write, flushReason: "replay", tookMs: 0 } },
  { ...commit, write: { ...write, tookMs: 1e-7 } },
  { ...commit, stretches: [] },
  { ...commit, stretches: [[0n, 9_223_372_036_854_775_807n, 0n]] },
  { ...commit, stretches: [[-1n, 1n, 2n]] },
  { ...commit, committedAtMs: -1 },
  { ...commit, committedAtMs: Number.MAX_SAFE_INTEGER },
  { ...commit, key: 'a "b" \\ \n ü 🧬', checksum: "\t" }
]

const others: ReadonlyArray<LedgerEntry.Entry> = [
  { _tag: "Header", version: 1, run: "run", writer: "writer" },
  { _tag: "SetAside", key, place: "gone", reason: "damaged", atMs: 7 },
  { _tag: "Drop", letter: "a", stretches: [], count: 1, reason: "of no use", atMs: 7 }
]

/** A line of this JSON, with the checksum that it must have. */
const lineOf = (json: string): Uint8Array => {
  const content = new TextEncoder().encode(`\t${json}`)
  return Bytes.concat([new TextEncoder().encode(Checksum.toHex(Checksum.of(content))), content])
}

const jsonOf = (entry: LedgerEntry.Entry): string => new TextDecoder().decode(LedgerLine.encode(entry).subarray(9, -1))

/** What `brief` is to give: what `decode` does, of a stored batch only this. */
const expected = (line: Uint8Array): LedgerLine.Brief | string => {
  const decoded = LedgerLine.decode(line)
  if (typeof decoded === "string") return decoded
  const { entry } = decoded
  if (entry._tag !== "Commit") return entry
  return { _tag: "Commit", key: entry.key, committedAtMs: entry.committedAtMs }
}

const brief = (line: Uint8Array): LedgerLine.Brief | string => {
  const told = LedgerLine.brief(line)
  if (typeof told === "string" || told._tag !== "Commit") return told
  return { _tag: "Commit", key: told.key, committedAtMs: told.committedAtMs }
}

/** `value` with something in it left out, of another type, of another name or twice: one thing at a time. */
function* spoilt(value: unknown): Generator<unknown, void> {
  for (const other of [null, true, "x", "1", "", -1, 1.5, 1e300, [], {}, [["1", "2"]], [[1, 2, 3]], [["1", "2", "x"]]])
    yield other
  if (typeof value !== "object" || value === null) return
  const isArray = Array.isArray(value)
  for (const [name, inner] of Object.entries(value)) {
    const rest = Object.entries(value).filter(([each]) => each !== name)
    const again = (entries: ReadonlyArray<readonly [string, unknown]>) =>
      isArray ? entries.map(([, each]) => each) : Object.fromEntries(entries)
    yield again(rest)
    yield again([...rest, [name, inner]])
    yield again([...Object.entries(value), ["more", inner]])
    for (const bad of spoilt(inner))
      yield again(Object.entries(value).map(([each, it]) => [each, each === name ? bad : it]))
  }
}

describe("a line that is read briefly", () => {
  it("says of each entry what it says when it is read in full", () => {
    for (const entry of [...commits, ...others]) {
      const line = LedgerLine.encode(entry).subarray(0, -1)
      assert.isObject(brief(line), jsonOf(entry))
      assert.deepStrictEqual(brief(line), expected(line), jsonOf(entry))
    }
    assert.isObject(brief(LedgerLine.encode(commit, [1, 2]).subarray(0, -1)))
  })

  it("is refused when it is in full: of an unknown kind, with something missing or of a wrong type", () => {
    let [taken, refused] = [0, 0]
    for (const entry of [...commits, ...others]) {
      for (const bad of spoilt(JSON.parse(jsonOf(entry)))) {
        const line = lineOf(JSON.stringify(bad))
        assert.deepStrictEqual(brief(line), expected(line), JSON.stringify(bad))
        if (typeof brief(line) === "string") refused++
        else taken++
      }
    }
    assert.isAbove(refused, 1000)
    assert.isAbove(taken, 100)
  })

  it("is refused when it is no JSON, or has a number that JSON hasn't", () => {
    const json = jsonOf(commit)
    for (const [from, to] of [
      ['"count":7', '"count":07'],
      ['"count":7', '"count":9999999999999999'],
      ['"count":7', '"count":'],
      ['"tookMs":1.25', '"tookMs":1.'],
      ['"tookMs":1.25', '"tookMs":1e999'],
      ['],["7"', '],,["7"'],
      ['],["7"', '["7"'],
      ['"checksum":"0', '"checksum":"\n'],
      ['"key":"', '"key":"\\'],
      ['"key":"', '"key":"\u0001'],
      ["}}", "}"],
      ["}}", "}}}"],
      ["}}", "}}\n"],
      ["{", " {"]
    ] as const) {
      const line = lineOf(json.replace(from, to))
      assert.notStrictEqual(json.replace(from, to), json)
      assert.deepStrictEqual(brief(line), expected(line), to)
    }
  })

  it("is refused when any of its bytes is changed or missing", () => {
    const line = LedgerLine.encode(commit, [1, 2]).subarray(0, -1)
    for (const { bytes, what } of Stored.damages(line)) assert.isString(LedgerLine.brief(bytes), what)
  })

  it("is read however many stretches it has", () => {
    const stretches = Array.from({ length: 200_000 }, (_, index) => {
      const tick = 10n ** 15n + BigInt(index) ** 2n
      return [tick, tick, 0n] as const
    })
    const line = LedgerLine.encode({ ...commit, stretches }).subarray(0, -1)
    assert.deepInclude(LedgerLine.brief(line), { _tag: "Commit", key, committedAtMs: commit.committedAtMs })
  })
})
