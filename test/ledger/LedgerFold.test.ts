// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerFold from "../../src/ledger/LedgerFold.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as Stored from "../runs/storedRun.ts"

const commit: LedgerEntry.Commit = {
  _tag: "Commit",
  key: "run/batch_0000000000000000001_0000000000000000002.pb",
  stretches: [[1n, 2n, 1n]],
  count: 2,
  bytes: 20,
  checksum: "00000000",
  committedAtMs: 5
}

const others: ReadonlyArray<Exclude<LedgerEntry.Entry, LedgerEntry.Commit | { readonly _tag: "Header" }>> = [
  { _tag: "Letter", id: "a", stretches: [[3n, 3n, 0n]], count: 1, reason: "storage", service: "one", atMs: 6 },
  { _tag: "Replay", letter: "a", stored: 1, duplicate: 0, remaining: 0, atMs: 7 },
  { _tag: "Drop", letter: "b", stretches: [], count: 0, reason: "of no use", atMs: 8 },
  { _tag: "SetAside", key: commit.key, place: "elsewhere", reason: "damaged", atMs: 9 }
]

/** Notes what each handler was given, in the order of the ledger. */
const noting = {
  Header: (noted: ReadonlyArray<string>, { _tag, writer }: { readonly _tag: "Header"; readonly writer: string }) => [
    ...noted,
    `${_tag} ${writer}`
  ],
  Letter: (noted: ReadonlyArray<string>, { _tag, id }: LedgerEntry.Letter) => [...noted, `${_tag} ${id}`],
  Replay: (noted: ReadonlyArray<string>, { _tag, letter }: LedgerEntry.Replay) => [...noted, `${_tag} ${letter}`],
  Drop: (noted: ReadonlyArray<string>, { _tag, letter }: LedgerEntry.Drop) => [...noted, `${_tag} ${letter}`],
  SetAside: (noted: ReadonlyArray<string>, { _tag, place }: LedgerEntry.SetAside) => [...noted, `${_tag} ${place}`]
}

const none = (): ReadonlyArray<string> => []

const setup = Effect.gen(function* () {
  const storage = yield* Storage.Storage
  const damaged = LedgerLine.encode(commit)
  damaged[20] = (damaged[20] ?? 0) ^ 1
  yield* Stored.log(storage, [
    LedgerLine.encode(commit, [17, 18]),
    damaged,
    ...others.map((entry) => LedgerLine.encode(entry))
  ])
})

describe("a fold of a ledger", () => {
  it.effect(
    "gives each entry to the handler of its kind, with the checksums of ticks, and damaged lines where they are wanted",
    () =>
      Effect.gen(function* () {
        yield* setup
        const full: LedgerFold.Handlers<ReadonlyArray<string>> = {
          ...noting,
          Commit: (noted, { _tag, count }, checks) => [...noted, `${_tag} ${count} ${checks()?.join()}`]
        }
        const withoutDamage = yield* LedgerFold.run(Stored.run, none, full)
        assert.deepStrictEqual(withoutDamage, [
          "Header writer",
          "Commit 2 17,18",
          "Letter a",
          "Replay a",
          "Drop b",
          "SetAside elsewhere"
        ])
        const withDamage = yield* LedgerFold.run(Stored.run, none, {
          ...full,
          Damage: (noted, { _tag, problem }) => [...noted, `${_tag} ${problem}`]
        })
        assert.deepStrictEqual(withDamage, withoutDamage.toSpliced(2, 0, "Damage its checksum is wrong"))
      }).pipe(Effect.provide(Storage.layerMemory))
  )

  it.effect("gives the same entries when it is brief, of a stored batch only its key and time", () =>
    Effect.gen(function* () {
      yield* setup
      const keys = yield* LedgerFold.runBriefly(Stored.run, none, {
        ...noting,
        Commit: (noted, entry) => [...noted, Object.entries(entry).join(" ")]
      })
      assert.deepStrictEqual(keys, [
        "Header writer",
        `_tag,Commit key,${commit.key} committedAtMs,5`,
        "Letter a",
        "Replay a",
        "Drop b",
        "SetAside elsewhere"
      ])
    }).pipe(Effect.provide(Storage.layerMemory))
  )
})
