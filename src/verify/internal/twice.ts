/**
 * Ticks that are stored twice: are they the same, or do two files disagree? Only files that share ticks are read, once
 * more. Memory: the ticks that files share which overlap at one place of the run.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Checksum from "../../domain/Checksum.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as TickSet from "../../domain/TickSet.ts"
import * as BatchFile from "../../storage/BatchFile.ts"
import type { Storage } from "../../storage/Storage.ts"
import type { Conflict, Duplicate } from "../Finding.ts"
import type { ScannedFile } from "./scannedFiles.ts"

type Twice = typeof Duplicate.Type | typeof Conflict.Type

/** What is remembered of a tick to recognise it. */
interface Seen {
  readonly key: string
  readonly bytes: number
  readonly checksum: number
}

/** Compares ticks as they come, those of one file after those of another that begins no later. */
class Comparison {
  private readonly seen = new Map<bigint, Seen>()
  private readonly report: (finding: Twice) => void
  private current: { -readonly [K in keyof Twice]: Twice[K] } | undefined

  constructor(report: (finding: Twice) => void) {
    this.report = report
  }

  /** No tick before `first` comes any more. */
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

  /** Reports what has come together. */
  end(): void {
    if (this.current !== undefined) this.report(this.current)
    this.current = undefined
  }

  private extend(_tag: Twice["_tag"], tickNumber: bigint, keys: readonly [string, string]): void {
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

const isBefore = (a: ScannedFile, b: ScannedFile): number => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0)

/** Reports the ticks that are in two of `files`, or in one of them twice. All of them are on a grid of `step`. */
export const findTwice = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  files: ReadonlyArray<ScannedFile>,
  step: bigint,
  report: (finding: Twice) => void
) {
  const all = new TickSet.TickSet(
    files.flatMap(({ stretches }) => stretches),
    step
  )
  const shared = new TickSet.TickSet(all.overlaps, step)
  const suspects = files
    .filter(({ repeated, stretches }) => repeated > 0 || stretches.some((stretch) => shared.touches(stretch)))
    .toSorted(isBefore)
  const comparison = new Comparison(report)
  for (const { first, key, repeated } of suspects) {
    comparison.begin(first)
    yield* BatchFile.read(storage, key).pipe(
      Stream.runForEach((tick) =>
        Effect.sync(() => {
          if (repeated > 0 || shared.has(tick.tickNumber)) comparison.tick(tick, key)
        })
      ),
      // Taken away or damaged since it was read: that is found the next time.
      Effect.catchReasons("StorageError", {
        ObjectMissing: () => Effect.void,
        ObjectDamaged: () => Effect.void
      })
    )
  }
  comparison.end()
})
