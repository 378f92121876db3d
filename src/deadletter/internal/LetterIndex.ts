/**
 * What a process knows of a folder of letters: which there are, in which files, and how large they are.
 *
 * It may be behind what is there, as letters come and go by other hands: who needs to be sure lists the folder first. Each
 * change is one synchronous step, so that calls that take long, or never end, don't keep others from theirs.
 */
import type { Held } from "../DeadLetterMetrics.ts"
import type { LetterFile } from "./letterFiles.ts"

/** A file of a letter with what else is known of it. */
export interface Entry extends LetterFile {
  readonly bytes: number
  readonly firstFailureMs: number | undefined
}

/** A listing of the whole folder that is under way. */
export interface Listing {
  /** There are these files and no others, but for letters that have changed since the listing began. */
  readonly done: (files: ReadonlyArray<Entry>) => void
  /** It came to nothing. */
  readonly end: () => void
}

const none: ReadonlyArray<Entry> = []

/** The letters by their ids; each has one file, or several while or after a new version was put in place. */
export class LetterIndex {
  private letters = new Map<string, ReadonlyArray<Entry>>()

  /** How many calls are about to keep a letter, by its id. */
  private readonly coming = new Map<string, number>()

  /** The letters that have changed since each of the listings under way began; the earliest of those first. */
  private readonly listings = new Set<Set<string>>()

  get size(): number {
    return this.letters.size
  }

  /** Oldest first. */
  get ids(): ReadonlyArray<string> {
    return [...this.letters.keys()].sort()
  }

  /** The files of the letter `id`, the same array until they change; none when there is no such letter. */
  files(id: string): ReadonlyArray<Entry> {
    return this.letters.get(id) ?? none
  }

  /** Whether `capacity` letters other than `id` are there or may come to be. */
  isFull(capacity: number, id: string): boolean {
    const others = [...this.coming.keys()].filter((other) => other !== id && !this.letters.has(other))
    return this.size - (this.letters.has(id) ? 1 : 0) + others.length >= capacity
  }

  /** The letter `id` needs its room from now on, until what this gives is called. */
  reserve(id: string): () => void {
    this.coming.set(id, (this.coming.get(id) ?? 0) + 1)
    return () => {
      const rest = (this.coming.get(id) ?? 1) - 1
      if (rest === 0) this.coming.delete(id)
      else this.coming.set(id, rest)
    }
  }

  /** The letter `id` has these files now; without any it is gone. */
  set(id: string, files: ReadonlyArray<Entry>): void {
    for (const changed of this.listings) changed.add(id)
    if (files.length === 0) this.letters.delete(id)
    else this.letters.set(id, files)
  }

  /** The letter has this file too. */
  add(entry: Entry): void {
    this.set(entry.id, [...this.files(entry.id).filter(({ key }) => key !== entry.key), entry])
  }

  /** The letter `id` has this file no longer. */
  drop(id: string, key: Entry["key"]): void {
    const files = this.files(id).filter((file) => file.key !== key)
    this.set(id, files)
  }

  /** Begins a listing of the whole folder. One that a later one has overtaken changes nothing. */
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

  /** What metrics tell. */
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
