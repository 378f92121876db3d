/**
 * Brings the ticks of the batches of a run into one order, and comes to what is missing where its ticks would be.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tick from "../../domain/Tick.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import type * as RunFiles from "../RunFiles.ts"
import type { Gone } from "../RunTicks.ts"

/** The place of a tick of a batch that is missing. */
export interface Missed {
  readonly _tag: "Missed"
  readonly tickNumber: bigint
}

/** A batch that has been read. */
export interface Loaded {
  /** What is asked for of it, ascending, each number once. */
  readonly ticks: ReadonlyArray<Tick.Tick | Missed>
  /** Ends the stream after its ticks. */
  readonly failure?: StorageError
  /** Ends the stream at the first missed tick that no other batch has. */
  readonly missing?: StorageError
  readonly gone?: Gone
  /** Called when its ticks are done with. */
  readonly release?: () => void
}

/** What comes next of a run. */
export type Found = Tick.Tick | Gone

export type Load = (batch: RunFiles.BatchKey) => Effect.Effect<Loaded, StorageError>

const isMissed = (head: Tick.Tick | Missed): head is Missed => "_tag" in head

/** By number, and of equal ones what is there before what is not. */
export const compare = (left: Tick.Tick | Missed, right: Tick.Tick | Missed): number => {
  if (left.tickNumber !== right.tickNumber) return left.tickNumber < right.tickNumber ? -1 : 1
  return Number(isMissed(left)) - Number(isMissed(right))
}

/** A batch on its way through the merge. */
class Source {
  private position = 0
  private missed: StorageError | undefined
  readonly loaded: Loaded

  constructor(loaded: Loaded) {
    this.loaded = loaded
  }

  get head(): Tick.Tick | Missed | undefined {
    return this.loaded.ticks[this.position]
  }

  /** What ends the stream now. */
  get failure(): StorageError | undefined {
    return this.head === undefined ? (this.missed ?? this.loaded.failure) : undefined
  }

  /** Whether nothing more is to come of it. */
  get isSpent(): boolean {
    return this.head === undefined && this.failure === undefined
  }

  /** No other batch has the next tick. */
  miss(): void {
    this.position = this.loaded.ticks.length
    this.missed = this.loaded.missing
  }

  next(): void {
    this.position++
  }

  /** Puts the ticks before `limit` into `found`, up to the first that is missed. */
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

/** Batches that are read before they are due: one comes from the medium while another is looked at. */
const maxAhead = 2

/** Brings the ticks of batches, which come by their first tick, into one order. Not shared: it has state. */
class Merge {
  private readonly batches: ReadonlyArray<RunFiles.BatchKey>
  private readonly load: Load
  private readonly scope: Scope.Scope
  private index = 0
  /** By their keys. */
  private sources: Array<Source> = []
  /** Those whose last ticks were given out last. */
  private spent: Array<Source> = []
  /** The next batches, as far as they are being read already. */
  private readonly ahead: Array<Fiber.Fiber<Loaded, StorageError>> = []

  constructor(batches: ReadonlyArray<RunFiles.BatchKey>, load: Load, scope: Scope.Scope) {
    this.batches = batches
    this.load = load
    this.scope = scope
  }

  /** What comes next, up to the first tick of the next batch that has not been read; `done` when there is no more. */
  readonly proceed = Effect.fnUntraced(function* (this: Merge) {
    for (const { loaded } of this.spent) loaded.release?.()
    this.spent = []
    const found: Array<Found> = []
    for (let batch = this.due(); batch !== undefined; batch = this.due()) {
      // Who asks for a second batch goes on to a third as a rule.
      if (this.index > 0) yield* this.readAhead()
      const reading = this.ahead.shift()
      const loaded = yield* reading === undefined ? this.load(batch) : Fiber.join(reading)
      this.index++
      this.sources.push(new Source(loaded))
      if (loaded.gone !== undefined) found.push(loaded.gone)
    }
    const failure = this.failure()
    if (failure !== undefined) return yield* failure
    this.merge(found)
    const isDone = this.sources.length === 0 && this.index === this.batches.length
    return [found, isDone ? Option.none() : Option.some(undefined)] as const
  })

  /** Begins to read the batch that is due and those after it. */
  private readonly readAhead = Effect.fnUntraced(function* (this: Merge) {
    while (this.ahead.length <= maxAhead) {
      const next = this.batches[this.index + this.ahead.length]
      if (next === undefined) return
      this.ahead.push(yield* Effect.forkIn(this.load(next), this.scope, { startImmediately: true }))
    }
  })

  /** The next batch, when it has to be read before any tick can be told to be next. */
  private due(): RunFiles.BatchKey | undefined {
    const batch = this.batches[this.index]
    const head = this.smallest()?.head
    const isDue = this.failure() === undefined && (head === undefined || (batch?.first ?? 0n) <= head.tickNumber)
    return isDue ? batch : undefined
  }

  /** The failure of a source that has no ticks left. */
  private failure(): StorageError | undefined {
    return this.sources.find(({ failure }) => failure !== undefined)?.failure
  }

  private smallest(): Source | undefined {
    let smallest: Source | undefined
    for (const source of this.sources) {
      if (source.head === undefined) continue
      if (smallest?.head === undefined || compare(source.head, smallest.head) < 0) smallest = source
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

  /** Where the ticks of `source` stop being next without a look at the others; `undefined` when there is nothing else. */
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
 * What the batches, which come by their first tick, have to tell, in ascending order. Fails when one of them does. The first
 * batch is read when it is due, and once a second one is, two are read ahead. One is released when what comes after
 * its last tick is asked for.
 */
export const merged = (batches: ReadonlyArray<RunFiles.BatchKey>, load: Load): Stream.Stream<Found, StorageError> =>
  Stream.unwrap(
    Effect.map(Effect.scope, (scope) => {
      const merge = new Merge(batches, load, scope)
      return Stream.paginate(undefined, () => merge.proceed())
    })
  )
