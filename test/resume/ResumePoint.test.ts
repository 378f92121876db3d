// @module-tag unit
import { create, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import type * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import { SimulationMetadataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { settleDown } from "../persistence/harness.ts"
import { randomFrom, type Random } from "../support/random.ts"
import { letterOf } from "../replay/replays.ts"
import { cut, flip, keyOf, makeRun, metadata, missing, run, summary, watched, type Run } from "./resumePoints.ts"

type Numbers = ReadonlyArray<number>

/** An entry that says nothing of batches. */
const drop = { _tag: "Drop", letter: "x", stretches: [], count: 0, reason: "none", atMs: 1 } as const

const setAside = "A damaged batch was set aside, its ticks are made again"

/** Every `step`-th number from `first` to `last`. */
const range = (first: number, last: number, step = 1): Numbers =>
  Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, index) => first + index * step)

/** A file of `count` messages of one length, without the second one. */
const withoutMiddle = (bytes: Uint8Array, count: number): Uint8Array => {
  const length = bytes.length / count
  return Bytes.concat([bytes.subarray(0, length), bytes.subarray(2 * length)])
}

interface Layout {
  readonly what: string
  readonly files: ReadonlyArray<Numbers>
  readonly letters?: ReadonlyArray<Numbers>
  readonly step?: number
  readonly from: number | undefined
  readonly firstMissing: number
  readonly missing: Numbers
}

const layouts: ReadonlyArray<Layout> = [
  { what: "nothing is stored yet", files: [], from: undefined, firstMissing: 1, missing: range(1, 12) },
  { what: "all is stored", files: [range(1, 5), range(6, 12)], from: 12, firstMissing: 13, missing: [] },
  { what: "the first ticks are missing", files: [range(3, 12)], from: undefined, firstMissing: 1, missing: [1, 2] },
  {
    what: "ticks are missing in the middle",
    files: [range(1, 3), range(7, 12)],
    from: 3,
    firstMissing: 4,
    missing: range(4, 6)
  },
  { what: "the last ticks are missing", files: [range(1, 8)], from: 8, firstMissing: 9, missing: range(9, 12) },
  {
    what: "competing instances have stored them crosswise",
    files: [[2, 4, 5, 11], [1, 3, 6], [9], [12]],
    from: 6,
    firstMissing: 7,
    missing: [7, 8, 10]
  },
  {
    what: "ticks are stored twice",
    files: [range(1, 6), range(4, 8), [3, 9]],
    from: 9,
    firstMissing: 10,
    missing: range(10, 12)
  },
  {
    what: "every fifth tick is captured",
    files: [range(5, 20, 5), range(30, 40, 5)],
    step: 5,
    from: 20,
    firstMissing: 25,
    missing: [25, 45, 50, 55, 60]
  },
  {
    what: "every fifth tick is captured and competing instances have stored every tenth",
    files: [range(5, 35, 10), range(10, 40, 10), [50]],
    step: 5,
    from: 40,
    firstMissing: 45,
    missing: [45, 55, 60]
  },
  {
    what: "the first of the captured ticks is missing",
    files: [range(10, 60, 5)],
    step: 5,
    from: undefined,
    firstMissing: 5,
    missing: [5]
  },
  {
    what: "ticks beside the grid are stored",
    files: [range(1, 13), [15, 16]],
    step: 5,
    from: 15,
    firstMissing: 20,
    missing: range(20, 60, 5)
  },
  {
    what: "ticks wait in letters",
    files: [range(1, 3), [7]],
    letters: [range(4, 6), [8, 9, 11]],
    from: 7,
    firstMissing: 10,
    missing: [10, 12]
  },
  {
    what: "all ticks before the hole wait in letters",
    files: [range(5, 12)],
    letters: [[1], [2, 3]],
    from: undefined,
    firstMissing: 4,
    missing: [4]
  }
]

const storeAll = (of: Run, files: ReadonlyArray<Numbers>, isKnown: boolean) =>
  Effect.forEach(files, (numbers) => (isKnown ? of.store(numbers) : Effect.asVoid(of.storeUnknown(numbers))), {
    discard: true
  })

describe("where a run goes on", () => {
  for (const isKnown of [true, false]) {
    it.effect.each(layouts)(`is told${isKnown ? "" : " without a ledger"} when $what`, (layout) =>
      Effect.gen(function* () {
        const of = yield* makeRun(layout.step)
        yield* storeAll(of, layout.files, isKnown)
        for (const numbers of layout.letters ?? []) yield* of.refuse(numbers)
        yield* of.refuse([1, 2, 100], "another")
        const point = yield* of.find
        const stored = new Set(layout.files.flat().filter((tick) => tick % (layout.step ?? 1) === 0)).size
        assert.deepStrictEqual(summary(point), {
          from: layout.from,
          firstMissing: layout.firstMissing,
          stored,
          inLetters: layout.letters?.flat().length ?? 0
        })
        assert.deepStrictEqual(missing(point, 12 * (layout.step ?? 1), layout.step), layout.missing)
        assert.deepStrictEqual(
          point.resume.from,
          layout.from === undefined ? undefined : TestTick.make(run, layout.from, 20)
        )
        assert.strictEqual(point.batches, layout.files.length)
        assert.deepStrictEqual(point.settings, {
          samplingInterval: layout.step ?? 1,
          world: { shape: [30], organisms: 2, seed: 3 }
        })
      }).pipe(watched)
    )
  }
})

describe("a damaged batch", () => {
  for (const change of [flip, cut]) {
    it.effect(`at the end is set aside, and so are those before it until one is good: ${change.name}`, () =>
      Effect.gen(function* () {
        const of = yield* makeRun()
        yield* storeAll(of, [range(1, 3), range(4, 6), range(7, 9), range(10, 12)], true)
        for (const numbers of [range(7, 9), range(10, 12)]) yield* of.damage(numbers, change)
        yield* LogWatch.expect("Warn", setAside, { times: 2 })
        const point = yield* of.find
        assert.deepStrictEqual(summary(point), { from: 6, firstMissing: 7, stored: 6, inLetters: 0 })
        const gone = [keyOf(range(7, 9)), keyOf(range(10, 12))]
        assert.sameMembers([...point.setAside], gone)
        assert.sameMembers(yield* of.notedAside, gone)
        assert.deepStrictEqual(yield* of.keys, [keyOf(range(1, 3)), keyOf(range(4, 6))])
        assert.deepStrictEqual(summary(yield* of.find), summary(point))
      }).pipe(watched)
    )
  }

  it.effect("at the end is set aside, even when the run goes on long before", () =>
    Effect.gen(function* () {
      const of = yield* makeRun()
      yield* storeAll(of, [range(1, 3), range(5, 6), range(7, 9), range(10, 12)], true)
      for (const numbers of [range(7, 9), range(10, 12)]) yield* of.damage(numbers)
      yield* LogWatch.expect("Warn", setAside, { times: 2 })
      const point = yield* of.find
      assert.deepStrictEqual(summary(point), { from: 3, firstMissing: 4, stored: 5, inLetters: 0 })
      assert.deepStrictEqual(missing(point, 12), [4, ...range(7, 12)])
    }).pipe(watched)
  )

  it.effect("with the tick to go on from is set aside, and the tick before is taken", () =>
    Effect.gen(function* () {
      const of = yield* makeRun()
      yield* storeAll(of, [range(1, 3), range(4, 6), range(10, 12)], true)
      yield* of.damage(range(4, 6))
      yield* LogWatch.expect("Warn", setAside, { times: 1 })
      const point = yield* of.find
      assert.deepStrictEqual(summary(point), { from: 3, firstMissing: 4, stored: 6, inLetters: 0 })
      assert.deepStrictEqual(missing(point, 12), range(4, 9))
    }).pipe(watched)
  )

  it.effect("of a wrong size is set aside wherever it is, and what comes after it stays", () =>
    Effect.gen(function* () {
      const of = yield* makeRun()
      yield* storeAll(of, [range(1, 3), range(4, 6), range(7, 9)], true)
      yield* of.damage(range(1, 3), cut)
      yield* LogWatch.expect("Warn", setAside, { times: 1 })
      const point = yield* of.find
      assert.deepStrictEqual(summary(point), { from: undefined, firstMissing: 1, stored: 6, inLetters: 0 })
      assert.deepStrictEqual(missing(point, 9), range(1, 3))
    }).pipe(watched)
  )

  it.effect("of a wrong size is set aside though it has the form of a batch", () =>
    Effect.gen(function* () {
      const of = yield* makeRun()
      yield* storeAll(of, [range(1, 3), range(4, 6)], true)
      yield* of.damage(range(1, 3), (bytes) => withoutMiddle(bytes, 3))
      yield* LogWatch.expect("Warn", setAside, { times: 1 })
      assert.deepStrictEqual(missing(yield* of.find, 6), range(1, 3))
    }).pipe(watched)
  )

  it.effect("that the ledger doesn't know is told by its form, wherever it is", () =>
    Effect.gen(function* () {
      const of = yield* makeRun()
      yield* storeAll(of, [range(1, 3), range(4, 6), range(7, 9)], false)
      yield* of.damage(range(4, 6), cut)
      yield* LogWatch.expect("Warn", setAside, { times: 1 })
      assert.deepStrictEqual(summary(yield* of.find), { from: 3, firstMissing: 4, stored: 6, inLetters: 0 })
    }).pipe(watched)
  )

  for (const who of ["the next search", "the next note"]) {
    it.effect(
      `that was set aside says nothing of the one that has its key now, which ${who} enters into the ledger`,
      () =>
        Effect.gen(function* () {
          const of = yield* makeRun()
          yield* storeAll(of, [range(1, 3), [4, 5, 6, 8]], true)
          yield* of.damage([4, 5, 6, 8])
          yield* LogWatch.expect("Warn", setAside, { times: 1 })
          yield* of.find
          // As after a crash between the commit and its entry.
          yield* of.storeUnknown([4, 8])
          if (who === "the next note") {
            yield* TestClock.adjust(10)
            yield* of.withLedger((ledger) => Effect.andThen(ledger.record(run, drop), settleDown))
            assert.sameMembers(yield* of.notedCounts([4, 8]), [4, 2])
          }
          const point = yield* of.find
          assert.deepStrictEqual(point.setAside, [])
          assert.deepStrictEqual(summary(point), { from: 4, firstMissing: 5, stored: 5, inLetters: 0 })
          assert.includeMembers(yield* of.notedCounts([4, 8]), [4, 2])
        }).pipe(watched)
    )
  }

  it.effect("that is gone without a note is noted, and its ticks are made again", () =>
    Effect.gen(function* () {
      const of = yield* makeRun()
      yield* storeAll(of, [range(1, 3), range(4, 6), range(7, 9)], true)
      yield* of.storage.remove(keyOf(range(4, 6)))
      yield* LogWatch.expect("Warn", "Batches that the ledger knows are gone, their ticks are made again", { times: 1 })
      const point = yield* of.find
      assert.deepStrictEqual(summary(point), { from: 3, firstMissing: 4, stored: 6, inLetters: 0 })
      assert.deepStrictEqual(yield* of.notedAside, [keyOf(range(4, 6))])
      yield* of.find
    }).pipe(watched)
  )

  it.effect("that is put back by hand after it was noted as gone gets one entry more, not one each time", () =>
    Effect.gen(function* () {
      const of = yield* makeRun(1, 5)
      yield* storeAll(of, [range(1, 3), range(4, 6)], true)
      yield* of.storage.remove(keyOf(range(4, 6)))
      yield* LogWatch.expect("Warn", "Batches that the ledger knows are gone, their ticks are made again", { times: 1 })
      yield* of.find
      yield* of.storeUnknown(range(4, 6))
      yield* of.find
      yield* of.find
      assert.deepStrictEqual(yield* of.notedCounts(range(4, 6)), [3, 3])
    }).pipe(watched)
  )
})

it.effect("a letter that can't be read is named, and the ticks that it may hold count as missing", () =>
  Effect.gen(function* () {
    const of = yield* makeRun()
    yield* of.store(range(1, 3))
    const letter = yield* letterOf(range(4, 6).map((tick) => TestTick.make(run, tick)))
    const message = { ...letter.message, originalMessage: letter.message.originalMessage.subarray(1) }
    yield* of.deadLetters.offer({ ...letter, message } satisfies DeadLetter.DeadLetter)
    yield* LogWatch.expect("Warn", "A dead letter can't be read: ticks of the run that it may hold are made again", {
      times: 1
    })
    assert.deepStrictEqual(summary(yield* of.find), { from: 3, firstMissing: 4, stored: 3, inLetters: 0 })
  }).pipe(watched)
)

/** Why a run with these bytes as its metadata, or with none, can't go on. */
const withMetadata = (bytes: Uint8Array | undefined) =>
  Effect.gen(function* () {
    const of = yield* makeRun()
    yield* of.store([1])
    yield* of.storage.remove(StorageKey.metadata(run))
    if (bytes !== undefined) yield* Storage.write(of.storage, StorageKey.metadata(run), [bytes])
    return yield* Effect.flip(of.find)
  }).pipe(watched)

describe("a run can't go on", () => {
  it.effect("without its metadata", () =>
    Effect.gen(function* () {
      const error = yield* withMetadata(undefined)
      assert.strictEqual(error._tag, "MetadataMissing")
      assert.match(
        error.message,
        /^run "run" has no metadata.pb in memory: its settings are not known, so it can't be resumed/u
      )
    })
  )

  it.effect("when another program has made it", () =>
    Effect.gen(function* () {
      const message = create(SimulationMetadataSchema, { ...metadata(1), userMetadata: {}, resolvedConfigJson: "" })
      const error = yield* withMetadata(toBinary(SimulationMetadataSchema, message))
      assert.strictEqual(error._tag, "SettingsMissing")
      assert.include(error.message, "another program")
    })
  )
})

it.effect("of a run of any simulation that began at a later tick is found from its first tick on", () =>
  Effect.gen(function* () {
    const of = yield* makeRun(5)
    yield* of.storage.remove(StorageKey.metadata(run))
    const message = create(SimulationMetadataSchema, {
      simulationRunId: "run",
      userMetadata: { samplingInterval: "5", firstTick: "1000", maxTicks: "1100", simulationKind: "test/own" },
      resolvedConfigJson: '{"cells":3}'
    })
    const bytes = toBinary(SimulationMetadataSchema, message)
    yield* Storage.write(of.storage, StorageKey.metadata(run), [bytes])
    // What lies before the first tick is not of the run.
    yield* storeAll(of, [[980], range(990, 1010, 5), range(1020, 1030, 5), range(1040, 1045, 5)], true)
    const point = yield* of.findAny
    assert.deepStrictEqual(summary(point), { from: 1010, firstMissing: 1015, stored: 8, inLetters: 0 })
    assert.deepStrictEqual(
      range(1000, 1060, 5).filter((tick) => !point.resume.settled.has(BigInt(tick))),
      [1015, 1035, 1050, 1055, 1060]
    )
    assert.deepStrictEqual(point.recorded, {
      simulationRunId: "run",
      samplingInterval: 5,
      firstTick: 1000n,
      maxTicks: 1100,
      simulation: { kind: "test/own", values: { cells: 3 } }
    })
    assert.strictEqual(point.resume.recorded, point.recorded)
    yield* of.damage(range(990, 1010, 5), cut)
    yield* LogWatch.expect("Warn", setAside, { times: 1 })
    assert.deepStrictEqual(summary(yield* of.findAny), { from: undefined, firstMissing: 1000, stored: 5, inLetters: 0 })
  }).pipe(watched)
)

/** A run whose ticks were dealt out by chance: to files that are good, damaged or unknown, to letters, or to nobody. */
const randomRun = Effect.fnUntraced(function* (random: Random) {
  const step = random.pick([1, 1, 3])
  const of = yield* makeRun(step)
  const places = Array.from({ length: random.between(1, 8) }, (): Array<number> => [])
  const last = random.between(1, 40)
  // Neighbours mostly go to the same place.
  let place = places[0]
  for (let tick = step; tick <= last * step; tick += step) {
    if (random.chance(0.3)) place = random.pick([places[0]!, ...places])
    place?.push(tick)
  }
  const stored = new Map<number, boolean>()
  const waiting = new Set<number>()
  for (const numbers of places.filter(({ length }) => length > 0)) {
    const fate = random.between(0, 9)
    if (fate === 0) {
      yield* of.refuse(numbers)
      for (const tick of numbers) waiting.add(tick)
    } else if (fate > 1) {
      const isGood = fate > 3
      yield* fate === 9 ? of.storeUnknown(numbers) : of.store(numbers)
      if (!isGood) yield* of.damage(numbers, cut)
      for (const tick of numbers) stored.set(tick, isGood)
    }
  }
  return { of, step, last: last * step, stored, waiting }
})

it.effect("of runs of all kinds is the tick before the first hole, and all that is missing is made", () =>
  Effect.gen(function* () {
    for (let seed = 0; seed < 100; seed++) {
      const { last, of, step, stored, waiting } = yield* randomRun(randomFrom(seed))
      const point = yield* of.find
      const all = range(step, last, step)
      const isStored = (tick: number) => stored.get(tick) === true
      const expected = all.filter((tick) => !isStored(tick) && !waiting.has(tick))
      assert.deepStrictEqual(missing(point, last, step), expected, `seed ${seed}`)
      const firstMissing = expected[0] ?? last + step
      assert.deepStrictEqual(
        summary(point),
        {
          from: all.filter((tick) => tick < firstMissing && isStored(tick)).at(-1),
          firstMissing,
          stored: all.filter(isStored).length,
          inLetters: waiting.size
        },
        `seed ${seed}`
      )
    }
  }).pipe((test) => watched(test, [{ level: "Warn", message: setAside }]))
)
