/**
 * The index of a folder of letters in one process: its letters, their files and their sizes.
 *
 * Other processes may add and remove letters, so the index may be out of date: list the folder first to be sure. Each
 * change is one synchronous step, so a slow or hanging call delays no other.
 */
import type { Held } from "../DeadLetterMetrics.ts"
import type { LetterFile } from "./letterFiles.ts"

/** A file of a letter, with its size and age. */
export interface Entry extends LetterFile {
  readonly bytes: number
  readonly firstFailureMs: number | undefined
}

/** A running listing of the whole folder. */
export interface Listing {
  /** Sets the files of the folder. Letters that have changed since the listing began stay unchanged. */
  readonly done: (files: ReadonlyArray<Entry>) => void
  /** The listing has failed or ended. */
  readonly end: () => void
}

const none: ReadonlyArray<Entry> = []

/** The letters by id. A letter has one file, or several after a new version was written. */
export class LetterIndex {
  private letters = new Map<string, ReadonlyArray<Entry>>()

  /** The number of running calls that keep a letter, by its id. */
  private readonly coming = new Map<string, number>()

  /** For each running listing, the letters that have changed since it began. The earliest listing is first. */
  private readonly listings = new Set<Set<string>>()

  get size(): number {
    return this.letters.size
  }

  /** Oldest first. */
  get ids(): ReadonlyArray<string> {
    return [...this.letters.keys()].sort()
  }

  /** The files of the letter `id`. Empty when there is none. The same array until they change. */
  files(id: string): ReadonlyArray<Entry> {
    return this.letters.get(id) ?? none
  }

  /** Whether there is no room for the letter `id`: `capacity` other letters exist or are being kept. */
  isFull(capacity: number, id: string): boolean {
    const others = [...this.coming.keys()].filter((other) => other !== id && !this.letters.has(other))
    return this.size - (this.letters.has(id) ? 1 : 0) + others.length >= capacity
  }

  /** Reserves room for the letter `id`, until the result is called. */
  reserve(id: string): () => void {
    this.coming.set(id, (this.coming.get(id) ?? 0) + 1)
    return () => {
      const rest = (this.coming.get(id) ?? 1) - 1
      if (rest === 0) this.coming.delete(id)
      else this.coming.set(id, rest)
    }
  }

  /** Sets the files of the letter `id`. Without files it is gone. */
  set(id: string, files: ReadonlyArray<Entry>): void {
    for (const changed of this.listings) changed.add(id)
    if (files.length === 0) this.letters.delete(id)
    else this.letters.set(id, files)
  }

  /** Adds a file of a letter. */
  add(entry: Entry): void {
    this.set(entry.id, [...this.files(entry.id).filter(({ key }) => key !== entry.key), entry])
  }

  /** Removes a file of the letter `id`. */
  drop(id: string, key: Entry["key"]): void {
    const files = this.files(id).filter((file) => file.key !== key)
    this.set(id, files)
  }

  /** Begins a listing of the whole folder. A listing that ends after a later one changes nothing. */
  list(): Listing {
    const changed = new Set<string>()
    this.listings.add(changed)
    return {
      done: (files) => {
        if (!this.listings.has(changed)) return
        for (const one of this.listings) {
          this.listings.delete(one)
          if (one === changed) break
        }
        this.replace(files, changed)
      },
      end: () => void this.listings.delete(changed)
    }
  }

  private replace(files: ReadonlyArray<Entry>, except: ReadonlySet<string>): void {
    const before = this.letters
    this.letters = new Map([...before].filter(([id]) => except.has(id)))
    for (const file of files) {
      if (!except.has(file.id)) this.letters.set(file.id, [...this.files(file.id), file])
    }
  }

  /** The figures for metrics. */
  get held(): Held {
    let bytes = 0
    let oldestMs: number | undefined
    for (const files of this.letters.values()) {
      for (const file of files) {
        bytes += file.bytes
        const { firstFailureMs = oldestMs } = file
        if (oldestMs === undefined || (firstFailureMs ?? oldestMs) < oldestMs) oldestMs = firstFailureMs
      }
    }
    return { letters: this.size, bytes, oldestMs }
  }
}
