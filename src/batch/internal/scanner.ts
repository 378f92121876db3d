/**
 * Scans the content of a batch, message by message, without copies.
 */
import * as Delimited from "../../domain/Delimited.ts"
import { TickHeader } from "../../domain/TickHeader.ts"
import * as TickSet from "../../domain/TickSet.ts"
import * as StorageKey from "../../storage/StorageKey.ts"

/** The content of an object, up to its end or its first damage. */
export interface Contents {
  /** Bytes read, after decompression. */
  readonly bytes: number
  readonly count: number
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  /** The number of ticks that repeat another one. */
  readonly repeated: number
  /** A problem of the object itself: not in the format, cut, or with ticks outside the range in its name. */
  readonly problem: string | undefined
}

/** Scans the messages of a batch one by one. It has state: use one for each batch. */
export class Scanner {
  private readonly decoder = new Delimited.Decoder()
  private readonly header = new TickHeader()
  private readonly name: StorageKey.BatchName | undefined
  private readonly onFramed: ((framed: Uint8Array) => void) | undefined
  private readonly numbers: Array<bigint> = []
  private bytes = 0
  private problem: string | undefined

  /** Scans the batch `key`. Calls `onFramed` with the bytes of each message that is a tick. */
  constructor(key: StorageKey.StorageKey, onFramed?: (framed: Uint8Array) => void) {
    this.name = StorageKey.batchName(key)
    this.onFramed = onFramed
  }

  /** Takes the next chunk. Returns whether to continue. Keeps nothing of `chunk`. */
  push(chunk: Uint8Array): boolean {
    this.bytes += chunk.length
    const error = this.decoder.visit(chunk, this.onMessage)
    this.problem ??= error?.message
    return this.problem === undefined
  }

  private readonly onMessage: Delimited.OnMessage = (bytes, begin, start, end) => {
    const { decoder, header, name } = this
    const error = header.read(bytes, start, end)
    if (error !== undefined) {
      this.problem = decoder.failure(error.message).message
      return false
    }
    this.onFramed?.(bytes.subarray(begin, end))
    this.numbers.push(header.tickNumber)
    if (name === undefined || header.simulationRunId === name.runId) return true
    this.problem = decoder.failure(`tick ${header.tickNumber} belongs to another run`).message
    return false
  }

  /** The result, once there are no more chunks. `damage` is the damage of the compression, if there was one. */
  end(damage: string | undefined): Contents {
    const stretches = TickSet.stretches(this.numbers)
    const distinct = stretches.reduce((total, stretch) => total + Number(TickSet.count(stretch)), 0)
    const problem = this.problem ?? damage ?? this.decoder.end()?.message ?? rangeProblem(this.name, stretches)
    const { bytes, numbers } = this
    return { bytes, count: numbers.length, stretches, repeated: numbers.length - distinct, problem }
  }
}

const rangeProblem = (name: StorageKey.BatchName | undefined, stretches: ReadonlyArray<TickSet.Stretch>) => {
  const [first, last] = [stretches[0]?.first, stretches.at(-1)?.last]
  if (first === undefined) return "it is empty"
  return name === undefined || (first === name.first && last === name.last)
    ? undefined
    : `it has ticks ${first} to ${last}, but its name has others`
}
