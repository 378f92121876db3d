// @module-tag unit
import { assert, describe, it } from "vitest"
import * as Summary from "../../src/cli/Summary.ts"
import type { Balance } from "../../src/pipeline/Balance.ts"

const balance: Balance = {
  received: 20_000,
  written: 20_000,
  duplicate: 0,
  deadLettered: 0,
  returned: 0,
  lost: 0,
  inFlight: 0,
  batches: 20,
  writtenBytes: 63_163_460,
  storedBytes: 63_163_460
}

const summary: Summary.Summary = {
  runIds: ["20260131-235959-042-9f8e7d6c"],
  storedRunIds: ["20260131-235959-042-9f8e7d6c"],
  locations: ["/data"],
  deadLetterLocations: ["/data/.dead-letters"],
  balance,
  seconds: 4,
  problems: [],
  endedBySignal: false,
  endedAtOnce: false
}

const withBalance = (changes: Partial<Balance>): Summary.Summary => ({
  ...summary,
  balance: { ...balance, ...changes }
})

const lines = (changed: Summary.Summary) => Summary.text(changed).split("\n")

describe("the exit code", () => {
  const flags = [false, true]
  for (const problem of flags) {
    for (const deadLettered of flags) {
      for (const unsettled of ["none", "lost", "returned", "inFlight"] as const) {
        for (const signal of flags) {
          const expected = unsettled === "none" ? (problem ? 1 : deadLettered ? 2 : 0) : 3
          const facts = [
            problem ? "a problem" : "no problem",
            deadLettered ? "dead letters" : "no dead letters",
            unsettled === "none" ? "all settled" : `ticks ${unsettled}`,
            signal ? "a signal" : "no signal"
          ]
          it(`is ${expected} with ${facts.join(", ")}`, () => {
            const code = Summary.exitCode({
              ...withBalance({
                deadLettered: deadLettered ? 5 : 0,
                ...(unsettled === "none" ? {} : { [unsettled]: 1 })
              }),
              problems: problem ? ["the input was cut"] : [],
              endedBySignal: signal
            })
            assert.strictEqual(code, expected)
          })
        }
      }
    }
  }

  it("is 0 with duplicates alone", () => {
    assert.strictEqual(Summary.exitCode(withBalance({ written: 0, duplicate: 20_000 })), 0)
  })
})

describe("the summary as text", () => {
  it("shows where the run lies, the balance and the throughput", () => {
    assert.strictEqual(
      Summary.text(summary),
      [
        "Run 20260131-235959-042-9f8e7d6c is in /data/20260131-235959-042-9f8e7d6c",
        "  received      20,000",
        "  written       20,000  in 20 files, 63.2 MB",
        "  duplicate          0",
        "  dead-lettered      0",
        "  returned           0",
        "  lost               0",
        "  in flight          0",
        "  took 4.0 s: 5,000 ticks/s, 15.8 MB/s",
        "Every tick is settled: stored."
      ].join("\n")
    )
  })

  it("begins with the problems", () => {
    assert.deepStrictEqual(lines({ ...summary, problems: ["a: cut", "not read after that: b"] }).slice(0, 2), [
      "PROBLEM: a: cut",
      "PROBLEM: not read after that: b"
    ])
  })

  it("says where dead letters wait", () => {
    assert.deepStrictEqual(lines(withBalance({ written: 19_000, deadLettered: 1000 })).slice(-2), [
      "1,000 ticks could not be stored and wait as dead letters in /data/.dead-letters; the log above says why.",
      "Nothing is lost."
    ])
  })

  it("says loudly what is lost and what is left", () => {
    const text = Summary.text({ ...withBalance({ lost: 1, inFlight: 2 }), endedAtOnce: true })
    assert.include(text, "1 tick LOST: neither stored nor dead-lettered.")
    assert.include(text, "2 ticks NOT SETTLED: the process was ended before that. Bring them in again.")
    assert.notInclude(text, "Every tick is settled")
    assert.notInclude(text, "Nothing is lost")
  })

  it("says that ticks were there already", () => {
    assert.include(
      Summary.text(withBalance({ written: 0, duplicate: 20_000 })),
      "Every tick is settled: stored or already there."
    )
  })

  it("says that a signal ended it", () => {
    assert.include(Summary.text({ ...summary, endedBySignal: true }), "A signal ended it before its work was done.")
  })

  it("claims no run and no stored tick where there is none", () => {
    const text = Summary.text({
      ...withBalance({ received: 0, written: 0, batches: 0, storedBytes: 0 }),
      storedRunIds: []
    })
    assert.include(text, "No tick was stored in /data.")
    assert.include(text, "There were no ticks.")
    assert.notInclude(text, "Every tick is settled")
  })

  it("shows the first ten of many runs", () => {
    const text = Summary.text({ ...summary, storedRunIds: Array.from({ length: 13 }, (_, index) => `run-${index}`) })
    assert.include(text, "Run run-9 is in /data/run-9\n... and 3 further runs\n")
    assert.notInclude(text, "run-10")
  })

  it("divides by no time at all without nonsense", () => {
    assert.include(Summary.text({ ...summary, seconds: 0 }), "took 0.0 s: 0 ticks/s, 0 B/s")
  })
})

describe("the account as JSON", () => {
  it("is one line with the fields in their order", () => {
    assert.strictEqual(
      Summary.json(summary),
      '{"runIds":["20260131-235959-042-9f8e7d6c"],"received":20000,"written":20000,"duplicate":0,"deadLettered":0,' +
        '"returned":0,"lost":0,"inFlight":0,"batches":20,"writtenBytes":63163460,"storedBytes":63163460,"seconds":4}'
    )
  })
})
