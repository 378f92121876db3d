/**
 * Remembers which ticks are stored and which are being stored, so that none is stored twice.
 *
 * A batch *claims* its ticks before it is written. After the commit of the write, the claimed ticks count as stored. A
 * batch that fails releases its claim, so that its replay is not a duplicate. The tracker detects faults, such as a
 * producer that sends a tick twice or a queue that delivers one twice. In a healthy pipeline it finds nothing.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { RunBatch } from "tickvault/domain/RunBatch"
 * import * as RunId from "tickvault/domain/RunId"
 * import { IdempotencyTracker, layerRanges } from "tickvault/idempotency/IdempotencyTracker"
 * import * as TestTick from "tickvault/testing/TestTick"
 *
 * export const duplicates = Effect.gen(function* () {
 *   const tracker = yield* IdempotencyTracker
 *   const batch = new RunBatch(RunId.make("run-1"), TestTick.range("run-1", 1, 3))
 *   yield* tracker.claim(batch)
 *   yield* tracker.commit(batch)
 *   return (yield* tracker.claim(batch)).stored.length
 * }).pipe(Effect.provide(layerRanges()))
 * ```
 */
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MutableList from "effect/MutableList"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as OptionConfig from "../domain/OptionConfig.ts"
import type * as OptionForm from "../domain/OptionForm.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import type { RunBatch } from "../domain/RunBatch.ts"
import type * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import type { Claim } from "./internal/claim.ts"
import * as Metrics from "./IdempotencyMetrics.ts"
import * as Keys from "./internal/keys.ts"
import { Runs } from "./internal/runs.ts"

export type { Claim } from "./internal/claim.ts"

/** The key of a tick: `run:tick`. */
export const { key } = Keys

const ttl = OptionSchema.duration(Duration.hours(1))

/** Settings of a tracker that remembers ticks one by one. */
export const MemoryOptions = Schema.Struct({
  /**
   * How long a stored tick is remembered. Default "1 hour". Too low: the tracker misses a late second delivery, but the
   * storage still refuses to overwrite.
   */
  ttl,
  /** The largest number of remembered ticks. The oldest are forgotten first. Default 1,000,000, about 200 MB. */
  maxKeys: OptionSchema.wholeNumber(1, 1_000_000)
})

/** Settings of a tracker that remembers ranges of ticks. */
export const RangesOptions = Schema.Struct({
  /** How long the stored ticks of a run are remembered after its last use. Default "1 hour". */
  ttl,
  /**
   * The largest number of remembered ranges over all runs. A run without gaps is one range. Beyond it, the least recently
   * used runs are forgotten first, and of a single run its lowest ticks. Default 1,000,000, about 150 MB.
   */
  maxRanges: OptionSchema.wholeNumber(1, 1_000_000)
})

/** Settings of a tracker of any kind. Settings of the other kind have no effect. */
export const Options = Schema.Struct({
  /** Remember stored ticks as "ranges", or one by one as "keys". Default "ranges". */
  memory: Schema.Literals(["ranges", "keys"]).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed("ranges" as const))
  ),
  ...MemoryOptions.fields,
  ...RangesOptions.fields
})

/** The specification's names for our options. */
export const aliases: OptionForm.Aliases = new Map([
  [
    "ttlSeconds",
    {
      option: "ttl",
      form: { _tag: "number", allowed: "must be a number of seconds above 0" },
      convert: (value) => (typeof value === "number" ? `${value} seconds` : value)
    }
  ]
])

export class IdempotencyTracker extends Context.Service<
  IdempotencyTracker,
  {
    /**
     * The ticks of `batch` that were stored, with the same bytes, before this process stored any of the run. All of them
     * survive a crash when this succeeds. Don't claim them. It doesn't fail: when the storage can't be read, the ticks
     * count as not stored. It doesn't change the tracker, has a time limit, and may be interrupted.
     */
    readonly recall: (batch: RunBatch) => Effect.Effect<ReadonlyArray<Tick.Tick>>

    /** Claims the fresh ticks of `batch` in one step. */
    readonly claim: (batch: RunBatch) => Effect.Effect<Claim>

    /** The claimed ticks of `batch` are stored: remembers them from now on. */
    readonly commit: (batch: RunBatch) => Effect.Effect<void>

    /** The claimed ticks of `batch` are not stored: they can be claimed again. */
    readonly release: (batch: RunBatch) => Effect.Effect<void>
  }
>()("tickvault/idempotency/IdempotencyTracker") {}

/** The `recall` of a tracker without knowledge of earlier processes. */
const nothing: ReadonlyArray<Tick.Tick> = []
const recallNothing = () => Effect.succeed(nothing)

const keysOf = (runId: string, ticks: ReadonlyArray<Tick.Tick>) => ticks.map((tick) => Keys.key(runId, tick))

/** Like `makeMemory`, with decoded options. */
export const makeMemoryWith = Effect.fnUntraced(function* (name: string, options: typeof MemoryOptions.Type) {
  const { maxKeys, ttl } = options
  const ref = yield* Ref.make(Keys.empty)
  const metrics = yield* Metrics.make(name)

  /** The stored keys by commit, oldest first. Changes only together with `ref`, in the same step. */
  const history = MutableList.make<Keys.Remembered>()

  const forget = Effect.fnUntraced(function* (nowMs: number) {
    const beforeMs = nowMs - Duration.toMillis(ttl)
    const { counts, held } = yield* Ref.modify(ref, (state) => Keys.forget(state, history, beforeMs, maxKeys))
    yield* metrics.forgotten(counts)
    yield* metrics.keys(held)
  })

  return IdempotencyTracker.of({
    recall: recallNothing,
    claim: Effect.fn("IdempotencyTracker.claim")(function* (batch) {
      yield* forget(yield* Clock.currentTimeMillis)
      return yield* Ref.modify(ref, (state) => Keys.claim(state, batch))
    }, Effect.uninterruptible),
    commit: Effect.fn("IdempotencyTracker.commit")(function* ({ runId, ticks }) {
      const atMs = yield* Clock.currentTimeMillis
      const keys = keysOf(runId, ticks)
      yield* Ref.update(ref, (state) => {
        MutableList.append(history, { atMs, keys })
        return Keys.commit(state, keys)
      })
      yield* forget(atMs)
    }, Effect.uninterruptible),
    release: Effect.fn("IdempotencyTracker.release")(({ runId, ticks }) =>
      Ref.update(ref, (state) => Keys.release(state, keysOf(runId, ticks)))
    )
  })
})

/** Makes a tracker of keys in memory under this name. Fails with `SchemaError` on a bad option. */
export const makeMemory = (name: string, options: typeof MemoryOptions.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(MemoryOptions, { errors: "all" })(options), (decoded) =>
    makeMemoryWith(name, decoded)
  )

/** Shared by all services that use it. Forgets all when the process ends. Fails with `SchemaError` on a bad option. */
export const layerMemory = (
  options: typeof MemoryOptions.Encoded = {}
): Layer.Layer<IdempotencyTracker, Schema.SchemaError> =>
  Layer.effect(IdempotencyTracker, makeMemory("memory", options))

/** Like `makeRanges`, with decoded options. */
export const makeRangesWith = Effect.fnUntraced(function* (
  name: string,
  options: typeof RangesOptions.Type,
  onForgotten: (runId: RunId.RunId) => void = () => undefined
) {
  const { maxRanges, ttl } = options
  const metrics = yield* Metrics.make(name)
  const ttlMs = Duration.toMillis(ttl)
  const runs = new Runs()
  let isWarned = false

  const forget = Effect.fnUntraced(function* (nowMs: number) {
    const forgotten = runs.forget(nowMs - ttlMs, maxRanges, onForgotten)
    if (forgotten.ttl + forgotten.capacity > 0) yield* metrics.forgotten(forgotten)
    if (forgotten.capacity === 0 || isWarned) return
    isWarned = true
    yield* Effect.logWarning("More ranges of ticks than maxRanges: those used the longest ago are forgotten").pipe(
      Effect.annotateLogs({ tracker: name, maxRanges })
    )
  })

  const held = Effect.suspend(() => metrics.held(runs.ticks, runs.ranges))
  yield* held
  return IdempotencyTracker.of({
    recall: recallNothing,
    claim: Effect.fn("IdempotencyTracker.claim")(function* (batch) {
      const nowMs = yield* Clock.currentTimeMillis
      yield* forget(nowMs)
      return runs.claim(batch, nowMs)
    }, Effect.uninterruptible),
    commit: Effect.fn("IdempotencyTracker.commit")(function* (batch) {
      const nowMs = yield* Clock.currentTimeMillis
      runs.commit(batch, nowMs)
      yield* forget(nowMs)
      yield* held
    }, Effect.uninterruptible),
    release: Effect.fn("IdempotencyTracker.release")((batch) => Effect.sync(() => runs.release(batch)))
  })
})

/**
 * Makes a tracker of ranges under this name. Its memory grows with the number of gaps. A batch of consecutive or evenly
 * spaced ticks is one operation. It logs once at WARN when it forgets ranges beyond `maxRanges`. It calls `onForgotten`
 * with each run whose ticks it forgets. Fails with `SchemaError` on a bad option.
 */
export const makeRanges = (
  name: string,
  options: typeof RangesOptions.Encoded = {},
  onForgotten?: (runId: RunId.RunId) => void
) =>
  Effect.flatMap(Schema.decodeEffect(RangesOptions, { errors: "all" })(options), (decoded) =>
    makeRangesWith(name, decoded, onForgotten)
  )

/**
 * A tracker of ranges, shared by all services that use it. Forgets all when the process ends: `recall/Recall` also knows
 * what earlier processes have stored. Fails with `SchemaError` on a bad option.
 */
export const layerRanges = (
  options: typeof RangesOptions.Encoded = {}
): Layer.Layer<IdempotencyTracker, Schema.SchemaError> =>
  Layer.effect(IdempotencyTracker, makeRanges("ranges", options))

/** Makes the tracker for decoded options. A tracker of ranges calls `onForgotten` with each run that it forgets. */
export const makeWith = (
  name: string,
  options: typeof Options.Type,
  onForgotten?: (runId: RunId.RunId) => void
): Effect.Effect<IdempotencyTracker["Service"]> =>
  options.memory === "keys" ? makeMemoryWith(name, options) : makeRangesWith(name, options, onForgotten)

/**
 * Ranges or keys, with environment variables over `options`. The variables contain `name`, the name of the tracker:
 * `TICKVAULT_PERSISTENCE_IDEMPOTENCY_TTL` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  name = "persistence-idempotency",
  options: typeof Options.Encoded = {}
): Layer.Layer<IdempotencyTracker, Config.ConfigError> =>
  Layer.effect(
    IdempotencyTracker,
    Effect.flatMap(OptionConfig.of(Options, name, options, aliases), (decoded) => makeWith(name, decoded))
  )

/** Remembers nothing, on purpose: every tick is fresh. Only the storage prevents storing a batch twice. */
export const discard: IdempotencyTracker["Service"] = IdempotencyTracker.of({
  recall: recallNothing,
  claim: ({ ticks }) => Effect.succeed({ fresh: ticks, stored: [], claimed: [] }),
  commit: () => Effect.void,
  release: () => Effect.void
})

/** Without de-duplication. */
export const layerDiscard: Layer.Layer<IdempotencyTracker> = Layer.succeed(IdempotencyTracker, discard)
