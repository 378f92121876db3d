/**
 * What a process knows of a folder of letters: which there are, in which files, and how large they are.
 *
 * It may be behind what is there, as letters come and go by other hands: who needs to be sure lists the folder first.
 */
import type { Held } from "../DeadLetterMetrics.ts"
import type { LetterFile } from "./letterFiles.ts"

/** A file of a letter with what else is known of it. */
export interface Entry extends LetterFile {
  readonly bytes: number
  readonly firstFailureMs: number | undefined
}

/** The letters by their ids; each has one file, or several while or after a new version was put in place. */
export class LetterIndex {
  private letters = new Map<string, ReadonlyArray<Entry>>()

  get size(): number {
    return this.letters.size
  }

  /** Oldest first. */
  get ids(): ReadonlyArray<string> {
    return [...this.letters.keys()].sort()
  }

  /** The files of the letter `id`; none when there is no such letter. */
  files(id: string): ReadonlyArray<Entry> {
    return this.letters.get(id) ?? []
  }

  /** The letter `id` has these files now; without any it is gone. */
  set(id: string, files: ReadonlyArray<Entry>): void {
    if (files.length === 0) this.letters.delete(id)
    else this.letters.set(id, files)
  }

  /** There are these files and no others. */
  replace(files: ReadonlyArray<Entry>): void {
    this.letters = new Map()
    for (const file of files) this.letters.set(file.id, [...this.files(file.id), file])
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
