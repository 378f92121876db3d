// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import { Simulation } from "../../src/simulation/Simulation.ts"
import * as World from "../../src/simulation/World.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure, ObjectMissing, StorageError } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as Contract from "../../src/testing/Contract.ts"
import * as DeadLetterQueueContract from "../../src/testing/DeadLetterQueueContract.ts"
import * as IdempotencyTrackerContract from "../../src/testing/IdempotencyTrackerContract.ts"
import * as RunLedgerContract from "../../src/testing/RunLedgerContract.ts"
import * as SimulationContract from "../../src/testing/SimulationContract.ts"
import * as StorageContract from "../../src/testing/StorageContract.ts"
import * as TickQueueContract from "../../src/testing/TickQueueContract.ts"

/** Why a case fails; `undefined` when it doesn't. */
const failureOf = Effect.fnUntraced(function* ({ effect }: Contract.Case) {
  const exit = yield* Effect.exit(Effect.provide(effect, Logger.layer([])))
  return Exit.isFailure(exit) ? Cause.pretty(exit.cause) : undefined
})

/** That the cases fail in whose names these parts are. */
const finds = Effect.fnUntraced(function* (cases: ReadonlyArray<Contract.Case>, parts: ReadonlyArray<string>) {
  for (const part of parts) {
    const some = cases.filter(({ name }) => name.includes(part))
    assert.isNotEmpty(some, part)
    const failures = yield* Effect.forEach(some, failureOf)
    const found = failures.filter((failure) => failure !== undefined)
    assert.isNotEmpty(found, part)
    for (const failure of found) assert.match(failure, /^ContractViolation/u, part)
  }
})

const storageCases = (break_: (port: Storage.Storage["Service"]) => Partial<Storage.Storage["Service"]>) =>
  StorageContract.cases(
    Layer.effect(
      Storage.Storage,
      Effect.map(Storage.makeMemory("broken"), (port) => ({ ...port, ...break_(port) }))
    )
  )

describe("the contract of a storage finds one that", () => {
  it.effect("overwrites what a key holds", () =>
    finds(
      storageCases((port) => ({ create: (key) => Effect.andThen(port.remove(key), port.create(key)) })),
      ["refuses different bytes under a taken key", "takes the same bytes again", "leave one winner"]
    )
  )

  it.effect("shows what is not committed", () =>
    finds(
      storageCases((port) => ({
        create: (key) => Effect.tap(port.create(key), (writer) => writer.commit)
      })),
      ["is nowhere to be seen when its scope closes"]
    )
  )

  it.effect("lists in no order", () =>
    finds(
      storageCases((port) => ({
        list: (prefix) =>
          Stream.unwrap(
            Effect.map(Stream.runCollect(port.list(prefix)), (keys) => Stream.fromIterable(keys.toReversed()))
          )
      })),
      ["is in ascending order of whole keys"]
    )
  )

  it.effect("keeps a reference to bytes that it was given", () =>
    finds(
      storageCases((port) => ({
        create: (key) =>
          Effect.map(port.create(key), (writer) => {
            const given: Array<Uint8Array> = []
            return {
              write: (bytes) => Effect.sync(() => void given.push(bytes)),
              commit: Effect.suspend(() =>
                Effect.andThen(
                  Effect.forEach(given, (bytes) => writer.write(bytes)),
                  writer.commit
                )
              )
            }
          })
      })),
      ["keeps the bytes it was given when the caller uses its buffer again"]
    )
  )
})

const missing = (operation: StorageError["operation"], key: string) =>
  new StorageError({ operation, key, reason: new ObjectMissing() })

/** A storage whose logs are broken. */
const brokenLogs = (break_: (log: Storage.Appender, port: Storage.Storage["Service"]) => Partial<Storage.Appender>) =>
  storageCases((port) => ({
    append: (key) => Effect.map(port.append(key), (log) => ({ ...log, ...break_(log, port) }))
  }))

describe("the contract of a storage finds one whose", () => {
  it.effect("logs aren't made when they are missing", () =>
    finds(
      storageCases((port) => ({
        append: (key) =>
          Effect.flatMap(Storage.exists(port, key), (exists) =>
            exists ? port.append(key) : Effect.fail(missing("append", key))
          )
      })),
      [
        "logs > are made empty when they are missing",
        "logs > keep what is in them",
        "listing > gives logs like objects"
      ]
    )
  )

  it.effect("logs are made by their first piece", () =>
    finds(
      storageCases((port) => ({
        append: (key) =>
          Effect.succeed({
            append: (bytes) => Effect.flatMap(Effect.scoped(port.append(key)), (log) => log.append(bytes)),
            sync: Effect.void
          })
      })),
      ["logs > are made empty when they are missing", "listing > gives logs like objects"]
    )
  )

  it.effect("logs begin anew when they are opened", () =>
    finds(
      storageCases((port) => ({ append: (key) => Effect.andThen(port.remove(key), port.append(key)) })),
      ["logs > keep what is in them when they are opened again"]
    )
  )

  it.effect("logs show nothing before they are synced", () =>
    finds(
      brokenLogs((log) => {
        const pieces: Array<Uint8Array> = []
        return {
          append: (bytes) => Effect.sync(() => void pieces.push(bytes.slice())),
          sync: Effect.suspend(() => Effect.forEach(pieces.splice(0), log.append, { discard: true }))
        }
      }),
      ["logs > show each piece at once", "logs > keep what is in them when they are opened again"]
    )
  )

  it.effect("logs cut large pieces", () =>
    finds(
      brokenLogs((log) => ({ append: (bytes) => log.append(bytes.subarray(0, 1_048_576)) })),
      ["logs > keep large pieces whole"]
    )
  )

  it.effect("logs keep a reference to the bytes that they were given", () =>
    finds(
      storageCases((port) => {
        const given = new Map<string, Array<Uint8Array>>()
        return {
          append: (key) =>
            Effect.map(port.append(key), (log) => ({
              ...log,
              append: (bytes) => Effect.sync(() => void given.set(key, [...(given.get(key) ?? []), bytes]))
            })),
          read: (key) => {
            const pieces = given.get(key)
            return pieces === undefined ? port.read(key) : Stream.fromIterable(pieces)
          }
        }
      }),
      ["logs > keep the bytes they were given when the caller uses its buffer again"]
    )
  )

  it.effect("logs write into the one that was opened last", () =>
    finds(
      storageCases((port) => {
        let last: Storage.Appender | undefined
        return {
          append: (key) =>
            Effect.map(port.append(key), (log) => {
              last = log
              return { ...log, append: (bytes) => (last ?? log).append(bytes) }
            })
        }
      }),
      ["logs > do not disturb each other"]
    )
  )

  it.effect("logs are replaced by an object of their key", () =>
    finds(
      storageCases((port) => {
        const logs = new Set<string>()
        return {
          append: (key) => Effect.tap(port.append(key), () => Effect.sync(() => logs.add(key))),
          create: (key) => (logs.has(key) ? Effect.andThen(port.remove(key), port.create(key)) : port.create(key))
        }
      }),
      ["logs > are never replaced by an object of the same key"]
    )
  )

  it.effect("logs aren't listed", () =>
    finds(
      storageCases((port) => {
        const logs = new Set<string>()
        return {
          append: (key) => Effect.tap(port.append(key), () => Effect.sync(() => logs.add(key))),
          list: (prefix) => Stream.filter(port.list(prefix), (key) => !logs.has(key))
        }
      }),
      ["listing > gives logs like objects", "logs > are made empty when they are missing"]
    )
  )

  it.effect("removal says that there was something, whatever was there", () =>
    finds(
      storageCases((port) => ({ remove: (key) => Effect.as(port.remove(key), true) })),
      ["what is removed > was there"]
    )
  )

  it.effect("removal removes nothing", () =>
    finds(
      storageCases((port) => ({ remove: (key) => Storage.exists(port, key) })),
      ["what is removed > is gone", "what is removed > was there", "what is removed > may be a log"]
    )
  )

  it.effect("removal takes the objects beside it along", () =>
    finds(
      storageCases((port) => ({
        remove: Effect.fnUntraced(function* (key) {
          const existed = yield* Storage.exists(port, key)
          yield* Stream.runForEach(port.list("run/"), port.remove)
          return existed
        })
      })),
      ["what is removed > is gone, and its key is free again"]
    )
  )

  it.effect("setting aside succeeds when there is nothing", () =>
    finds(
      storageCases((port) => ({ setAside: (key) => Effect.as(port.remove(key), "set aside") })),
      ["what is set aside > was there: what is missing can't be set aside"]
    )
  )

  it.effect("setting aside fails for another reason when there is nothing", () =>
    finds(
      storageCases((port) => ({
        setAside: (key) =>
          Effect.mapError(
            port.setAside(key),
            () => new StorageError({ operation: "set-aside", key, reason: new IoFailure({ code: "ENOENT" }) })
          )
      })),
      ["what is set aside > was there: what is missing can't be set aside"]
    )
  )

  it.effect("setting aside leaves the object under its key", () =>
    finds(
      storageCases((port) => ({
        setAside: (key) =>
          Effect.flatMap(Storage.exists(port, key), (exists) =>
            exists ? Effect.succeed("a copy") : Effect.fail(missing("set-aside", key))
          )
      })),
      ["what is set aside > has no key any more", "what is set aside > may be a log", "what is set aside > was there"]
    )
  )

  it.effect("setting aside lists the new place as a key, and has room for one", () =>
    finds(
      storageCases((port) => ({
        setAside: Effect.fnUntraced(function* (key) {
          const bytes = yield* Stream.runCollect(port.read(key)).pipe(Effect.mapError(() => missing("set-aside", key)))
          const aside = yield* Effect.orDie(StorageKey.parse(`${key}.aside`))
          yield* Storage.write(port, aside, bytes)
          yield* port.remove(key)
          return aside
        })
      })),
      ["what is set aside > has no key any more", "what is set aside > may be another object of the same key later"]
    )
  )

  it.effect("stat gives another size", () =>
    finds(
      storageCases((port) => ({
        stat: (key) => Effect.map(port.stat(key), (stat) => (stat === undefined ? stat : { ...stat, bytes: 3 }))
      })),
      ["knows the size of each object", "logs > are made empty", "logs > show each piece at once"]
    )
  )

  it.effect("stat finds an empty object where there is none", () =>
    finds(
      storageCases((port) => ({
        stat: (key) => Effect.map(port.stat(key), (stat) => stat ?? { bytes: 0, modifiedAtMs: undefined })
      })),
      [
        "knows the size of each object, and of nothing else",
        "what is removed > is gone",
        "what is set aside > has no key"
      ]
    )
  )

  it.effect("reads ask for memory before the last is full", () =>
    finds(
      storageCases((port) => ({
        read: (key, chunks) =>
          typeof chunks !== "function"
            ? port.read(key, chunks)
            : Stream.flatMap(port.read(key), (bytes) =>
                Stream.fromIterable(
                  Array.from({ length: Math.ceil(bytes.length / 700) }, (_, index) => {
                    const part = bytes.subarray(700 * index, 700 * (index + 1))
                    const memory = chunks()
                    memory.set(part)
                    return memory.subarray(0, part.length)
                  })
                )
              )
      })),
      ["fills the memory of the reader"]
    )
  )
})

describe("the contract of a dead-letter queue finds one that", () => {
  type Port = DeadLetterQueue.DeadLetterQueue["Service"]
  const queue = (break_: (port: Port, capacity: number) => Partial<Port>) =>
    DeadLetterQueueContract.cases((capacity) =>
      Layer.effect(
        DeadLetterQueue.DeadLetterQueue,
        Effect.map(DeadLetterQueue.makeMemory("broken", { capacity }), (port) => ({
          ...port,
          ...break_(port, capacity)
        }))
      )
    )

  it.effect("drops the oldest letter to make room", () =>
    finds(
      queue((port, capacity) => ({
        offer: Effect.fnUntraced(function* (letter) {
          const ids = yield* Stream.runCollect(port.ids)
          if (ids.length >= capacity) yield* port.remove(ids[0] ?? "")
          return yield* port.offer(letter)
        })
      })),
      ["refuses letters when it is full, and drops none"]
    )
  )

  it.effect("puts an old version in the place of a newer one", () =>
    finds(
      queue((port) => ({
        offer: (letter) => Effect.tap(port.offer(letter), () => port.update(letter))
      })),
      ["keeps the newer version when the first one is offered again"]
    )
  )

  it.effect("says of a letter that it has removed it each time it is asked to", () =>
    finds(
      queue((port) => ({ remove: (id) => Effect.as(port.remove(id), true) })),
      ["removes a letter once, which makes room", "says of a letter that it hasn't got that it is missing"]
    )
  )
})

describe("the contract of a tracker finds one that", () => {
  type Port = IdempotencyTracker.IdempotencyTracker["Service"]
  const tracker = (break_: (port: Port) => Partial<Port>) =>
    IdempotencyTrackerContract.cases(
      Layer.effect(
        IdempotencyTracker.IdempotencyTracker,
        Effect.map(IdempotencyTracker.makeMemory("broken", { ttl: "30 days" }), (port) => ({
          ...port,
          ...break_(port)
        }))
      )
    )

  it.effect("takes a claim for stored, so that the replay of a failed batch is a duplicate", () =>
    finds(
      tracker((port) => ({ claim: (batch) => Effect.tap(port.claim(batch), () => port.commit(batch)) })),
      ["lets a batch that failed be claimed again", "finds ticks fresh once, claimed until they are settled"]
    )
  )

  it.effect("forgets what is stored when ticks are released", () =>
    finds(
      tracker((port) => {
        let another = port
        return {
          claim: (batch) => another.claim(batch),
          commit: (batch) => another.commit(batch),
          release: () =>
            Effect.map(Effect.orDie(IdempotencyTracker.makeMemory("other")), (next) => {
              another = next
            })
        }
      }),
      ["does not forget what is stored when another batch releases the same ticks"]
    )
  )

  it.effect("answers with copies of the ticks, or leaves out those that are claimed", () =>
    Effect.gen(function* () {
      yield* finds(
        tracker((port) => ({
          claim: (batch) =>
            Effect.map(port.claim(batch), (found) => ({
              ...found,
              claimed: found.claimed.map((tick) => ({ ...tick }))
            }))
        })),
        ["finds a tick that is twice in one batch"]
      )
      yield* finds(
        tracker((port) => ({
          claim: (batch) => Effect.map(port.claim(batch), (found) => ({ ...found, claimed: [] }))
        })),
        ["finds a tick that is twice in one batch"]
      )
    })
  )

  it.effect("claims tick by tick, so that two may share a batch", () =>
    finds(
      tracker((port) => ({
        claim: ({ runId, ticks }) =>
          Effect.map(
            Effect.forEach(ticks, (tick) => Effect.andThen(Effect.yieldNow, port.claim(new RunBatch(runId, [tick])))),
            () => ({ fresh: ticks, stored: [], claimed: [] })
          )
      })),
      ["gives a tick to one of many who claim it at the same time"]
    )
  )
})

describe("the contract of a queue finds one that", () => {
  type Port = TickQueue.TickQueue["Service"]
  const queue = (break_: (port: Port) => Partial<Port>, more: Partial<TickQueueContract.Bounds> = {}) =>
    TickQueueContract.cases((bounds) =>
      Layer.effect(
        TickQueue.TickQueue,
        Effect.map(TickQueue.make("broken", { ...bounds, ...more }), (port) => ({ ...port, ...break_(port) }))
      )
    )

  it.effect("has no bound of ticks", () =>
    finds(
      queue(() => ({}), { capacity: 10_000 }),
      ["holds no more ticks than it may"]
    )
  )

  it.effect("has no bound of bytes", () =>
    finds(
      queue(() => ({}), { maxBytes: 1_000_000 }),
      ["holds no more bytes than it may"]
    )
  )

  it.effect("loses a batch when its consumer is interrupted", () =>
    finds(
      queue((port) => ({
        take: (policy, receive) => {
          const taken: Array<Parameters<typeof receive>[0]> = []
          return Effect.andThen(
            port.take(policy, (batch) => taken.push(batch)),
            Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => taken.forEach(receive))
            )
          )
        }
      })),
      ["loses nothing and makes nothing up, whoever is interrupted when"]
    )
  )

  it.effect("loses what is given back", () =>
    finds(
      queue((port) => ({
        settle: (ticks, outcome) => port.settle(ticks, outcome === "returned" ? "lost" : outcome)
      })),
      ["come before all others, as a batch of their own, when they were given back", "are in the books"]
    )
  )
})

const ledgerCases = (break_: (port: RunLedger.RunLedger["Service"]) => Partial<RunLedger.RunLedger["Service"]>) =>
  RunLedgerContract.cases(
    Layer.effect(
      RunLedger.RunLedger,
      Effect.map(RunLedger.make, (port) => ({ ...port, ...break_(port) }))
    )
  )

describe("the contract of a ledger finds one that", () => {
  it.effect("notes nothing", () =>
    finds(RunLedgerContract.cases(RunLedger.layerDiscard), [
      "has what was recorded once it is flushed",
      "makes the entry of a stored batch that nobody has recorded"
    ])
  )

  it.effect("says that it is flushed without waiting for it", () =>
    finds(
      ledgerCases(() => ({ flush: Effect.void })),
      ["has what was recorded once it is flushed", "fails a flush that the storage refuses"]
    )
  )

  it.effect("waits for the storage when it records", () =>
    finds(
      ledgerCases((port) => ({
        record: (...entry) => Effect.andThen(port.record(...entry), Effect.ignore(port.flush))
      })),
      ["waits for nothing when it records"]
    )
  )

  it.effect("leaves out the checksums", () =>
    finds(
      ledgerCases((port) => ({ record: (runId, entry) => port.record(runId, entry) })),
      ["gives an entry back as it was, with the checksums of its ticks"]
    )
  )
})

describe("the contract of a simulation finds one that", () => {
  type Port = Simulation["Service"]
  const simulation = (break_: (port: Port) => Partial<Port>) =>
    SimulationContract.cases(
      World.layer({ shape: [8, 8], organisms: 2 }).pipe((world) =>
        Layer.effect(
          Simulation,
          Simulation.useSync((port) => ({ ...port, ...break_(port) }))
        ).pipe(Layer.provide(world))
      )
    )

  it.effect("forgets the numbers that its chance had come to", () =>
    finds(
      simulation((port) => ({ restore: (tick) => port.restore(tick).pipe(Effect.andThen(port.step)) })),
      ["goes on from tick 4 in another process", "goes back to a tick of its own"]
    )
  )

  it.effect("is changed when it is looked at", () =>
    finds(
      simulation((port) => ({
        snapshot: (run, atMs) => Effect.tap(port.snapshot(run, atMs), () => port.step)
      })),
      ["isn't changed by a snapshot"]
    )
  )

  it.effect("doesn't say the time that it was asked for", () =>
    finds(
      simulation((port) => ({ snapshot: (run) => port.snapshot(run, 0n) })),
      ["gives snapshots that say their run, tick and time"]
    )
  )

  it.effect("has settings that are no JSON", () =>
    finds(
      simulation(() => ({ settings: { kind: "test/own", values: { speed: Number.NaN } } })),
      ["has settings that can be stored as JSON"]
    )
  )

  it.effect("has other settings than another one with the same options", () => {
    let made = 0
    return finds(
      simulation(() => ({ settings: { kind: "test/own", values: { made: made++ } } })),
      ["has the settings of another one with the same options"]
    )
  })

  it.effect("has other settings after a step", () =>
    finds(
      simulation((port) => {
        const values = { steps: 0 }
        const step = Effect.andThen(
          port.step,
          Effect.sync(() => void values.steps++)
        )
        return { step, settings: { kind: "test/own", values } }
      }),
      ["has the settings of another one with the same options"]
    )
  )

  it.effect("encodes something else than its snapshot", () =>
    finds(
      simulation((port) => ({
        tick: port.tick === undefined ? port.tick! : (run, atMs) => port.tick!(run, atMs + 1n)
      })),
      ["gives encoded ticks that say what its snapshots say"]
    )
  )
})

it.effect("a violation says what was expected and what was found", () =>
  Effect.gen(function* () {
    const cases = StorageContract.cases(
      Layer.effect(
        Storage.Storage,
        Effect.map(Storage.makeMemory("broken"), (port) => ({ ...port, list: () => Stream.empty }))
      )
    )
    const empty = cases.filter(({ name }) => name.endsWith("holds empty objects"))
    const [failure = ""] = yield* Effect.forEach(empty, failureOf)
    assert.match(failure, /it is not what was expected\n\s*expected: \["run\/empty"\]\n\s*actual: +\[\]/u)
  })
)

it.effect.each([
  {
    what: "a case that expects a failure and meets a success",
    create: (port: Storage.Storage["Service"]) => (key: StorageKey.StorageKey) =>
      Effect.andThen(port.remove(key), port.create(key)),
    violation: /it succeeds where it must fail\n\s*expected: "a failure"\n\s*actual: +\{"outcome":"created"/u
  },
  {
    what: "a case that expects a failure and meets another",
    create: (port: Storage.Storage["Service"]) => (key: StorageKey.StorageKey) =>
      Effect.map(port.create(key), (writer) => ({
        ...writer,
        commit: Effect.mapError(
          writer.commit,
          () => new StorageError({ operation: "commit", key, reason: new IoFailure({ code: "EIO" }) })
        )
      })),
    violation: /it fails for another reason\n\s*expected: "KeyConflict"\n\s*actual: +"IoFailure"/u
  },
  {
    what: "a case that expects a success and meets a failure",
    create: () => (key: StorageKey.StorageKey) =>
      Effect.fail(new StorageError({ operation: "create", key, reason: new IoFailure({ code: "EIO" }) })),
    violation: /it fails where it must succeed\n\s*expected: "a success"\n\s*actual: +StorageError: storage create/u
  }
])("$what is violated, and says so", ({ create, violation }) =>
  Effect.gen(function* () {
    const cases = storageCases((port) => ({ create: create(port) }))
    const fewer = cases.filter(({ name }) => name.endsWith("keeps the first: fewer"))
    const [failure = ""] = yield* Effect.forEach(fewer, failureOf)
    assert.match(failure, /^ContractViolation/u)
    assert.match(failure, violation)
  })
)

it("a violation shows the beginning of a long value", () => {
  const { message } = new Contract.ContractViolation({ problem: "too long", actual: "a".repeat(1e6), expected: "b" })
  assert.isBelow(message.length, 1100)
  assert.match(message, /^too long\nexpected: "b"\nactual: +"a{900,}…$/u)
})
