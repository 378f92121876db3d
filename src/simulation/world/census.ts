/**
 * The state of a world that has no field in a snapshot: the kind of the world, the id of the next organism, the energy
 * spent, and the length of each genome. It is saved like the state of a strategy.
 */
import { BlobReader, BlobWriter } from "./blob.ts"
import type { Kind, WorldState } from "./worldState.ts"

/** Names the census among the strategy states of a snapshot. */
export const censusType = "census"

const version = 1

export interface Census {
  readonly nextId: number
  readonly spent: number
  /** In the order of the organisms. */
  readonly genomeLengths: ReadonlyArray<number>
}

export const save = ({ kind, nextId, spent, organisms }: WorldState): Uint8Array => {
  const blob = new BlobWriter(18 + 4 * kind.shape.length + organisms.length)
  blob.u8(version).u8(kind.shape.length)
  for (const extent of kind.shape) blob.u32(extent)
  blob.u32(kind.organisms).u32(nextId).count(spent)
  for (const { body } of organisms) blob.u8(body.length)
  return blob.bytes
}

const describe = ({ shape, organisms }: Kind): string => `a ${shape.join("x")} world for ${organisms} organisms`

/** The saved census of a world of this `kind`, or the problem with the bytes. */
export const load = (bytes: Uint8Array, kind: Kind, organisms: number): Census | string => {
  const blob = new BlobReader(bytes)
  const found = blob.u8()
  if (found !== version) return `the census has version ${found}, known is ${version}`
  const saved = { shape: Array.from({ length: blob.u8() }, () => blob.u32()), organisms: blob.u32() }
  if (blob.isIntact && describe(saved) !== describe(kind)) {
    return `it is of ${describe(saved)}, and this is ${describe(kind)}`
  }
  const nextId = blob.u32(0x8000_0001)
  const spent = blob.count()
  const genomeLengths = Array.from({ length: organisms }, () => blob.u8())
  return blob.isComplete ? { nextId, spent, genomeLengths } : "the census is damaged"
}
