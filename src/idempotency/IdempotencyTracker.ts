/**
 * Remembers which ticks are stored and which are being stored, so that none is stored twice.
 *
 * A batch *claims* its ticks before it is written. The claim becomes a memory of stored ticks only when the write has
 * committed; a batch that fails releases its claim, so that its replay is not taken for a duplicate. The tracker finds
 * faults (a producer that sends twice, a queue that delivers twice): in a healthy pipeline it never finds anything.
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
import * as HashSet from "effect/HashSet"
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
   * How long a stored tick is remembered. Default "1 hour". Too low: a late second delivery is not noticed here; the
   * storage still refuses to overwrite.
   */
  ttl,
  /** Most stored ticks that are remembered; the oldest are forgotten first. Default 1,000,000, about 200 MB. */
  maxKeys: OptionSchema.wholeNumber(1, 1_000_000)
})

/** Settings of a tracker that remembers ranges of ticks. */
export const RangesOptions = Schema.Struct({
  /** How long the stored ticks of a run are remembered of which nothing comes any more. Default "1 hour". */
  ttl,
  /**
   * Most ranges, over all runs, that are remembered of stored ticks: a run without gaps is one. Beyond it the runs that
   * were used the longest ago are forgotten first, of a single one its lowest ticks. Default 1,000,000, about 150 MB.
   */
  maxRanges: OptionSchema.wholeNumber(1, 1_000_000)
})

/** Settings of a tracker of either kind; those of the other kind have no effect. */
export const Options = Schema.Struct({
  /** What is remembered of stored ticks: "ranges" of them, or their "keys" one by one. Default "ranges". */
  memory: Schema.Literals(["ranges", "keys"]).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed("ranges" as const))
  ),
  ...MemoryOptions.fields,
  ...RangesOptions.fields
})

/** The specification's names for options of ours. */
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
     * The ticks of `batch` that were stored before this process stored any of the run, with the same bytes,
     * and that survive a crash by now; as far as that can be found out. None of them is to be claimed. Doesn't fail, and
     * changes nothing; what can't be found out is taken for not stored. Takes as long as the storage, within a limit; may
     * be interrupted.
     */
    readonly recall: (batch: RunBatch) => Effect.Effect<ReadonlyArray<Tick.Tick>>

    /** Claims what is fresh of `batch`, in one step. */
    readonly claim: (batch: RunBatch) => Effect.Effect<Claim>

    /** The ticks of `batch`, which are claimed, are stored: remembers them from now on. */
    readonly commit: (batch: RunBatch) => Effect.Effect<void>

    /** The ticks of `batch`, which are claimed, are not stored: they can be claimed again. */
    readonly release: (batch: RunBatch) => Effect.Effect<void>
  }
>()("tickvault/idempotency/IdempotencyTracker") {}

/** Of a tracker that knows nothing of earlier processes. */
const nothing: ReadonlyArray<Tick.Tick> = []
const recallNothing = () => Effect.succeed(nothing)

/** As `makeMemory`, with decoded options. */
export const makeMemoryWith = Effect.fnUntraced(function* (name: string, options: typeof MemoryOptions.Type) {
  const { maxKeys, ttl } = options
  const ref = yield* Ref.make(Keys.empty)
  const metrics = yield* Metrics.make(name)

  /** The stored keys by commit, oldest first. Changes only together with `ref`, in the same step. */
  const history = MutableList.make<Keys.Remembered>()

  const forget = Effect.fnUntraced(function* (nowMs: number) {
    const { counts, held } = yield* Ref.modify(ref, (state) => {
      const { forgotten, counts } = Keys.takeOld(
        history,
        HashSet.size(state.stored),
        nowMs - Duration.toMillis(ttl),
        maxKeys
      )
      const stored = Keys.without(state.stored, forgotten)
      return [
        { counts, held: HashSet.size(stored) },
        { ...state, stored }
      ]
    })
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
      const keys = ticks.map((tick) => Keys.key(runId, tick))
      yield* Ref.update(ref, (state) => {
        MutableList.append(history, { atMs, keys })
        return {
          stored: keys.reduce((set, id) => HashSet.add(set, id), state.stored),
          claimed: Keys.without(state.claimed, keys)
        }
      })
      yield* forget(atMs)
    }, Effect.uninterruptible),
    release: Effect.fn("IdempotencyTracker.release")(({ runId, ticks }) =>
      Ref.update(ref, (state) => ({
        ...state,
        claimed: Keys.without(
          state.claimed,
          ticks.map((tick) => Keys.key(runId, tick))
        )
      }))
    )
  })
})

/** Makes a tracker of keys in memory under this name. Fails with `SchemaError` on a bad option. */
export const makeMemory = (name: string, options: typeof MemoryOptions.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(MemoryOptions)(options), (decoded) => makeMemoryWith(name, decoded))

/** Shared by all services it is provided to; forgotten when the process ends. Fails with `SchemaError` on a bad option. */
export const layerMemory = (
  options: typeof MemoryOptions.Encoded = {}
): Layer.Layer<IdempotencyTracker, Schema.SchemaError> =>
  Layer.effect(IdempotencyTracker, makeMemory("memory", options))

/** As `makeRanges`, with decoded options. */
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
 * Makes a tracker of ranges under this name: memory by the number of gaps, and a batch of consecutive or evenly spaced
 * ticks is one operation. That runs were forgotten beyond `maxRanges` is logged at WARN, once. Whose ticks are forgotten
 * is told `onForgotten`. Fails with `SchemaError` on a bad option.
 */
export const makeRanges = (
  name: string,
  options: typeof RangesOptions.Encoded = {},
  onForgotten?: (runId: RunId.RunId) => void
) =>
  Effect.flatMap(Schema.decodeEffect(RangesOptions)(options), (decoded) => makeRangesWith(name, decoded, onForgotten))

/**
 * Ranges, shared by all services it is provided to; forgotten when the process ends. For one that also knows what earlier
 * processes have stored see `recall/Recall`. Fails with `SchemaError` on a bad option.
 */
export const layerRanges = (
  options: typeof RangesOptions.Encoded = {}
): Layer.Layer<IdempotencyTracker, Schema.SchemaError> =>
  Layer.effect(IdempotencyTracker, makeRanges("ranges", options))

/** Makes the tracker that decoded options ask for. `onForgotten` is called with runs that ranges forget. */
export const makeWith = (
  name: string,
  options: typeof Options.Type,
  onForgotten?: (runId: RunId.RunId) => void
): Effect.Effect<IdempotencyTracker["Service"]> =>
  options.memory === "keys" ? makeMemoryWith(name, options) : makeRangesWith(name, options, onForgotten)

/**
 * Ranges or keys, with the options that the environment sets, over `options`. `name` is that of the tracker and of its
 * variables: `TICKVAULT_PERSISTENCE_IDEMPOTENCY_TTL` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  name = "persistence-idempotency",
  options: typeof Options.Encoded = {}
): Layer.Layer<IdempotencyTracker, Config.ConfigError> =>
  Layer.effect(
    IdempotencyTracker,
    Effect.flatMap(OptionConfig.of(Options, name, options, aliases), (decoded) => makeWith(name, decoded))
  )

/** Finds nothing, on purpose: every tick is fresh, and only the storage keeps a batch from being stored twice. */
export const discard: IdempotencyTracker["Service"] = IdempotencyTracker.of({
  recall: recallNothing,
  claim: ({ ticks }) => Effect.succeed({ fresh: ticks, stored: [], claimed: [] }),
  commit: () => Effect.void,
  release: () => Effect.void
})

/** Without de-duplication. */
export const layerDiscard: Layer.Layer<IdempotencyTracker> = Layer.succeed(IdempotencyTracker, discard)
