/** Keeps the listed batches of runs, up to a limit. */
import * as Deferred from "effect/Deferred"
import type * as RunId from "../../domain/RunId.ts"
import type { EarlierBatches } from "./earlierBatches.ts"

/** The largest number of kept batch names, about 250 MB. Beyond it, the least recently used runs are forgotten. */
const maxBatches = 1_000_000

/** The listed batches of a run. `undefined` when they could not be listed. */
export type Listing = Deferred.Deferred<EarlierBatches | undefined>

/** The listings of runs, the most recently used last. It has state: don't share it. */
export class Listings {
  private readonly byRun = new Map<RunId.RunId, Listing>()
  private readonly sizes = new Map<RunId.RunId, number>()
  private batches = 0

  /** The listing of the run, if any. Makes it the most recently used. */
  use(runId: RunId.RunId): Listing | undefined {
    const listing = this.byRun.get(runId)
    if (listing === undefined || this.byRun.size === 1) return listing
    this.byRun.delete(runId)
    this.byRun.set(runId, listing)
    return listing
  }

  begin(runId: RunId.RunId): Listing {
    const listing: Listing = Deferred.makeUnsafe()
    this.byRun.set(runId, listing)
    return listing
  }

  /** Counts the batches of a listing and makes room for them, unless its run was forgotten meanwhile. */
  completed(runId: RunId.RunId, listing: Listing, { count }: EarlierBatches): void {
    if (this.byRun.get(runId) !== listing) return
    this.sizes.set(runId, count)
    this.batches += count
    for (const other of this.byRun.keys()) {
      if (this.batches <= maxBatches || other === runId) break
      this.forget(other)
    }
  }

  /** Forgets a listing that failed, so that the run is listed again. */
  failed(runId: RunId.RunId, listing: Listing): void {
    if (this.byRun.get(runId) === listing) this.forget(runId)
  }

  forget(runId: RunId.RunId): void {
    this.byRun.delete(runId)
    this.batches -= this.sizes.get(runId) ?? 0
    this.sizes.delete(runId)
  }
}
