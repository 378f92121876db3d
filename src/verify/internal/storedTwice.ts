/**
 * Finds ticks that are stored twice, and whether their bytes are the same. Reads files that share ticks once more.
 * Memory: a checksum of each shared tick, for the files that overlap at a tick.
 */
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import * as Checksum from "../../domain/Checksum.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as TickSet from "../../domain/TickSet.ts"
import * as BatchFile from "../../batch/BatchFile.ts"
import type { Conflict, Duplicate } from "../Finding.ts"
import type { ScannedFile } from "./scannedFile.ts"

type StoredTwice = typeof Duplicate.Type | typeof Conflict.Type

/** What is remembered about a tick. */
interface Seen {
  readonly key: string
  readonly bytes: number
  readonly checksum: number
}

/** Compares ticks with earlier ones. The files must be ordered by their first tick. It has state: don't share it. */
class Comparison {
  private readonly seen = new Map<bigint, Seen>()
  private readonly report: (finding: StoredTwice) => void
  private current: { -readonly [K in keyof StoredTwice]: StoredTwice[K] } | undefined

  constructor(report: (finding: StoredTwice) => void) {
    this.report = report
  }

  /** The next file begins at `first`: no smaller tick follows. */
  begin(first: bigint): void {
    this.end()
    for (const tickNumber of this.seen.keys()) if (tickNumber < first) this.seen.delete(tickNumber)
  }

  tick({ payload, tickNumber }: Tick.Tick, key: string): void {
    const before = this.seen.get(tickNumber)
    const now: Seen = { key, bytes: payload.length, checksum: Checksum.of(payload) }
    if (before === undefined) return void this.seen.set(tickNumber, now)
    const same = before.bytes === now.bytes && before.checksum === now.checksum
    this.extend(same ? "Duplicate" : "Conflict", tickNumber, [before.key, key])
  }

  /** Reports the last consecutive ticks that were found. */
  end(): void {
    if (this.current !== undefined) this.report(this.current)
    this.current = undefined
  }

  private extend(_tag: StoredTwice["_tag"], tickNumber: bigint, keys: readonly [string, string]): void {
    const { current } = this
    if (current?._tag === _tag && current.keys[0] === keys[0] && current.keys[1] === keys[1]) {
      current.last = tickNumber
      current.count += 1
      return
    }
    this.end()
    this.current = { _tag, first: tickNumber, last: tickNumber, count: 1, keys }
  }
}

const byFirst = Order.mapInput(Order.BigInt, ({ first }: ScannedFile) => first)

/** Reports the ticks that are in two of `files`, or twice in one. All distances of ticks must be multiples of `step`. */
export const findStoredTwice = Effect.fnUntraced(function* (
  files: ReadonlyArray<ScannedFile>,
  step: bigint,
  report: (finding: StoredTwice) => void
) {
  const all = new TickSet.TickSet(
    files.flatMap(({ stretches }) => stretches),
    step
  )
  const shared = new TickSet.TickSet(all.overlaps, step)
  const suspects = files
    .filter(({ repeated, stretches }) => repeated > 0 || stretches.some((stretch) => shared.touches(stretch)))
    .toSorted(byFirst)
  const comparison = new Comparison(report)
  for (const { first, key, repeated } of suspects) {
    comparison.begin(first)
    yield* BatchFile.read(key).pipe(
      Stream.runForEach((tick) =>
        Effect.sync(() => {
          if (repeated > 0 || shared.has(tick.tickNumber)) comparison.tick(tick, key)
        })
      ),
      // Removed or damaged since it was read: the next verification finds that.
      Effect.catchReasons("StorageError", {
        ObjectMissing: () => Effect.void,
        ObjectDamaged: () => Effect.void
      })
    )
  }
  comparison.end()
})
