// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Replay from "../../src/replay/Replay.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import { letterOf, makeReplays, type Replays, watched } from "./replays.ts"

/** A queue with a letter that can't be read, and replays of it on `bench`. */
const damaged = Effect.fnUntraced(function* (bench: Replays) {
  const letter = yield* letterOf(TestTick.range("run", 5, 8))
  const { id } = letter
  const deadLetters = yield* DeadLetterQueue.makeMemory("letters")
  yield* deadLetters.offer(letter)
  const reason = new DeadLetter.LetterDamaged({ letter: id, problem: "its checksum is wrong" })
  const queue = {
    ...deadLetters,
    get: () => Effect.fail(new DeadLetterQueue.DeadLetterError({ queue: "letters", reason }))
  }
  const replays = yield* Replay.make("replay").pipe(
    Effect.provideService(DeadLetterQueue.DeadLetterQueue, queue),
    Effect.provideContext(bench.context)
  )
  return { deadLetters, id, replays }
})

describe("dropping a letter", () => {
  it.effect("notes nothing when the queue was opened to be read: the letter stays", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const directory = yield* temporaryFolder
        const letter = yield* letterOf(TestTick.range("run", 5, 8))
        yield* (yield* FileDeadLetterQueue.make("letters", { directory })).offer(letter)
        const stored = yield* FileDeadLetterQueue.makeStored("letters", { directory })
        const replays = yield* Replay.make("replay").pipe(
          Effect.provideService(DeadLetterQueue.DeadLetterQueue, stored),
          Effect.provideContext(bench.context)
        )
        const error = yield* Effect.flip(replays.drop(letter.id, "made by mistake"))
        assert.include(error.message, "opened to be read")
        assert.deepStrictEqual(yield* bench.entries("run"), [])
        assert.deepStrictEqual(yield* Stream.runCollect(stored.ids), [letter.id])
      })
    ).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("that is damaged notes the ticks by which the ledgers of its runs know it", () =>
    watched(
      Effect.gen(function* () {
        yield* LogWatch.expect("Warn", "Dead letter dropped, its ticks are gone", { times: 1 })
        const bench = yield* makeReplays()
        const { deadLetters, id, replays } = yield* damaged(bench)
        for (const [run, last, count] of [
          ["run", 8n, 4],
          ["other", 9n, 5]
        ] as const) {
          const stretches = [[5n, last, 1n] as const]
          const at = { reason: "storage", service: "persistence-1", atMs: 1 }
          yield* bench.ledger.record(RunId.make(run), { _tag: "Letter", id, stretches, count, ...at })
          yield* bench.ledger.record(RunId.make(run), { _tag: "Letter", id: `${id}0`, stretches, count: 99, ...at })
        }
        yield* bench.ledger.record(RunId.make("run"), {
          _tag: "Replay",
          letter: id,
          stored: 1,
          duplicate: 0,
          remaining: 3,
          atMs: 2
        })
        assert.strictEqual(yield* replays.drop(id, "bad disk"), 8)
        assert.deepStrictEqual(yield* Stream.runCollect(deadLetters.ids), [])
        for (const [run, stretches, count] of [
          ["run", [[5n, 8n, 1n]], 3],
          ["other", [[5n, 9n, 1n]], 5]
        ] as const) {
          const drops = (yield* bench.entries(run)).filter(({ _tag }) => _tag === "Drop")
          assert.lengthOf(drops, 1)
          assert.deepInclude(drops[0], { letter: id, stretches, count, reason: "bad disk" })
        }
      })
    )
  )

  it.effect("that is damaged and that no ledger knows notes nothing, and says so", () =>
    watched(
      Effect.gen(function* () {
        yield* LogWatch.expect("Warn", /^Dead letter dropped, but no run's ledger can record it/u, { times: 1 })
        const { deadLetters, id, replays } = yield* damaged(yield* makeReplays())
        assert.strictEqual(yield* replays.drop(id, "bad disk"), 0)
        assert.deepStrictEqual(yield* Stream.runCollect(deadLetters.ids), [])
      })
    )
  )
})
