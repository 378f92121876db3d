/**
 * Merges the ticks of the batches of a run into ascending order. A `Gone` comes where the lost ticks would be.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as MutableList from "effect/MutableList"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tick from "../../domain/Tick.ts"
import type * as TickSet from "../../domain/TickSet.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import type { Storage } from "../../storage/Storage.ts"
import type * as StorageKey from "../../storage/StorageKey.ts"
import type * as RunFiles from "../RunFiles.ts"

/** The part of the requested ticks that a damaged batch has lost. */
export interface Gone {
  readonly _tag: "Gone"
  readonly key: StorageKey.StorageKey
  readonly problem: string
  /** The damaged bytes of the object, without intact ticks. Empty when the whole object is gone. */
  readonly places: ReadonlyArray<{ readonly offset: number; readonly bytes: number }>
  /** The lost ticks. Another batch may have some of them. `undefined` when the ledger doesn't know the batch. */
  readonly ticks: ReadonlyArray<TickSet.Stretch> | undefined
}

/** A tick of a batch that is missing. */
export interface Missed {
  readonly _tag: "Missed"
  readonly tickNumber: bigint
}

/** The requested ticks of a batch in ascending order, each number once. */
export type Loaded =
  /** `release` is called once nobody uses the ticks any more. */
  | { readonly _tag: "Whole"; readonly ticks: ReadonlyArray<Tick.Tick>; readonly release: () => void }
  /** `failure` ends the stream after the ticks. */
  | { readonly _tag: "Cut"; readonly ticks: ReadonlyArray<Tick.Tick>; readonly failure: StorageError }
  /** `failure` ends the stream at the first of the ticks that no other batch has. */
  | { readonly _tag: "Missing"; readonly ticks: ReadonlyArray<Missed>; readonly failure: StorageError }
  /** `gone` comes before the ticks. `undefined` when no requested tick is lost. */
  | { readonly _tag: "Salvaged"; readonly ticks: ReadonlyArray<Tick.Tick>; readonly gone: Gone | undefined }

/** An element of a merge. */
export type Found = Tick.Tick | Gone

export type Load = (batch: RunFiles.BatchKey) => Effect.Effect<Loaded, StorageError, Storage>

const isMissed = (head: Tick.Tick | Missed): head is Missed => "_tag" in head

/** By number. Of equal ones, a tick comes before a missed one. */
export const order: Order.Order<Tick.Tick | Missed> = (left, right) => {
  // Written out: it runs once for every tick of batches that overlap.
  if (left.tickNumber !== right.tickNumber) return left.tickNumber < right.tickNumber ? -1 : 1
  return Order.Boolean(isMissed(left), isMissed(right))
}

/** A batch that is being merged. */
class Source {
  private position = 0
  private readonly loaded: Loaded
  /** Ends the stream after the ticks are emitted. */
  private ending: StorageError | undefined

  constructor(loaded: Loaded) {
    this.loaded = loaded
    this.ending = loaded._tag === "Cut" ? loaded.failure : undefined
  }

  get head(): Tick.Tick | Missed | undefined {
    return this.loaded.ticks[this.position]
  }

  /** The failure that ends the stream now. */
  get failure(): StorageError | undefined {
    return this.head === undefined ? this.ending : undefined
  }

  /** Whether everything is emitted. */
  get isSpent(): boolean {
    return this.head === undefined && this.failure === undefined
  }

  /** No other batch has the next tick. */
  miss(): void {
    this.position = this.loaded.ticks.length
    if (this.loaded._tag === "Missing") this.ending = this.loaded.failure
  }

  release(): void {
    if (this.loaded._tag === "Whole") this.loaded.release()
  }

  next(): void {
    this.position++
  }

  /** Moves the ticks before `limit` to `found`, up to the first missed one. */
  takeBefore(limit: bigint | undefined, found: Array<Found>): void {
    const { ticks } = this.loaded
    while (this.position < ticks.length) {
      const tick = ticks[this.position]
      if (tick === undefined || isMissed(tick) || (limit !== undefined && tick.tickNumber >= limit)) return
      found.push(tick)
      this.position++
    }
  }
}

/** The number of batches read at a time: the needed one and two ahead. One is read while the other is checked. */
const maxReading = 3

/** Merges `batches`, which are ordered by their first tick. It has state: use one for each stream. */
class Merge {
  private readonly batches: ReadonlyArray<RunFiles.BatchKey>
  private readonly load: Load
  private readonly scope: Scope.Scope
  private index = 0
  /** By their keys. */
  private sources: Array<Source> = []
  /** The sources whose last ticks are in the last emitted array. */
  private spent: Array<Source> = []
  /** The next batches that are being read already, in their order. */
  private readonly ahead = MutableList.make<Fiber.Fiber<Loaded, StorageError>>()

  constructor(batches: ReadonlyArray<RunFiles.BatchKey>, load: Load, scope: Scope.Scope) {
    this.batches = batches
    this.load = load
    this.scope = scope
  }

  /** The next ticks, up to the first tick of the next unread batch. `None` at the end. */
  readonly proceed = Effect.fnUntraced(function* (this: Merge) {
    for (const source of this.spent) source.release()
    this.spent = []
    const found: Array<Found> = []
    for (let batch = this.due(); batch !== undefined; batch = this.due()) {
      // A reader that needs a second batch usually needs a third.
      if (this.index > 0) yield* this.readAhead()
      const reading = MutableList.take(this.ahead)
      const loaded = yield* reading === MutableList.Empty ? this.load(batch) : Fiber.join(reading)
      this.index++
      this.sources.push(new Source(loaded))
      if (loaded._tag === "Salvaged" && loaded.gone !== undefined) found.push(loaded.gone)
    }
    const failure = this.failure()
    if (failure !== undefined) return yield* failure
    this.merge(found)
    const isDone = this.sources.length === 0 && this.index === this.batches.length
    return [found, isDone ? Option.none() : Option.some(undefined)] as const
  })

  /** Begins to read the needed batch and those after it. */
  private readonly readAhead = Effect.fnUntraced(function* (this: Merge) {
    while (this.ahead.length < maxReading) {
      const next = this.batches[this.index + this.ahead.length]
      if (next === undefined) return
      MutableList.append(this.ahead, yield* Effect.forkIn(this.load(next), this.scope, { startImmediately: true }))
    }
  })

  /** The next batch, if it has to be read before the next tick is known. */
  private due(): RunFiles.BatchKey | undefined {
    const batch = this.batches[this.index]
    if (batch === undefined || this.failure() !== undefined) return undefined
    const head = this.smallest()?.head
    return head === undefined || batch.first <= head.tickNumber ? batch : undefined
  }

  /** The failure of a source that has no ticks left. */
  private failure(): StorageError | undefined {
    return this.sources.find(({ failure }) => failure !== undefined)?.failure
  }

  private smallest(): Source | undefined {
    let smallest: Source | undefined
    for (const source of this.sources) {
      if (source.head === undefined) continue
      if (smallest?.head === undefined || order(source.head, smallest.head) < 0) smallest = source
    }
    return smallest
  }

  private merge(found: Array<Found>): void {
    const bound = this.batches[this.index]?.first
    for (let source = this.smallest(); source?.head !== undefined; source = this.smallest()) {
      const tick = source.head
      if (bound !== undefined && tick.tickNumber >= bound) break
      if (isMissed(tick)) {
        source.miss()
        break
      }
      found.push(tick)
      for (const other of this.sources) if (other.head?.tickNumber === tick.tickNumber) other.next()
      source.takeBefore(this.limit(source, bound), found)
      if (this.failure() !== undefined) break
    }
    this.spent = this.sources.filter(({ isSpent }) => isSpent)
    this.sources = this.sources.filter(({ isSpent }) => !isSpent)
  }

  /** The number up to which the ticks of `source` come before all others. `undefined` when there are no others. */
  private limit(source: Source, bound: bigint | undefined): bigint | undefined {
    let limit = bound
    for (const other of this.sources) {
      const head = other === source ? undefined : other.head?.tickNumber
      if (head !== undefined && (limit === undefined || head < limit)) limit = head
    }
    return limit
  }
}

/**
 * The ticks of `batches` in ascending order. `batches` must be ordered by their first tick. Fails when `load` fails. The
 * first batch is read when it is needed. From the second batch on, two are read ahead. A batch is released at the first
 * pull after its last tick.
 */
export const merged = (
  batches: ReadonlyArray<RunFiles.BatchKey>,
  load: Load
): Stream.Stream<Found, StorageError, Storage> =>
  Stream.unwrap(
    Effect.map(Effect.scope, (scope) => {
      const merge = new Merge(batches, load, scope)
      return Stream.paginate(undefined, () => merge.proceed())
    })
  )
