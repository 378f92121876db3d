// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import type * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../src/ledger/LedgerFacts.ts"

const stored = (key: string, committedAtMs: number): LedgerEntry.Commit => ({
  _tag: "Commit",
  key,
  stretches: [[1n, 2n, 1n]],
  count: 2,
  bytes: 9,
  checksum: "00000000",
  committedAtMs
})

const setAside = (key: string, atMs: number): LedgerEntry.SetAside => ({
  _tag: "SetAside",
  key,
  place: "elsewhere",
  reason: "damaged",
  atMs
})

/** When the batches were stored whose entries count. */
const counting = (entries: ReadonlyArray<LedgerEntry.Commit | LedgerEntry.SetAside>) => {
  const facts = new LedgerFacts.LedgerFacts()
  for (const entry of entries) {
    if (entry._tag === "Commit") facts.addCommit(entry)
    else facts.addSetAside(entry)
  }
  return Object.fromEntries(
    [...facts.batches].map(([key, commits]) => [key, commits.map((commit) => commit.committedAtMs)])
  )
}

describe("an entry of a stored batch", () => {
  it("counts when it was stored after the last object of its key was set aside, in whatever order that is told", () => {
    const all = [stored("a", 1), setAside("a", 2), stored("a", 3), setAside("a", 4), stored("a", 5), stored("b", 1)]
    for (const entries of [all, all.toReversed(), [...all.slice(3), ...all.slice(0, 3)]]) {
      assert.deepStrictEqual(counting(entries), { a: [5], b: [1] })
    }
  })

  it("counts no more once its object is set aside, though another was made in between", () => {
    assert.deepStrictEqual(counting([stored("a", 1), setAside("a", 2), stored("a", 3), setAside("a", 4)]), {})
  })

  it("counts though the storage has no time of it, unless its key was freed", () => {
    assert.deepStrictEqual(counting([stored("a", 0), stored("b", 0), setAside("b", 0)]), { a: [0] })
  })
})
