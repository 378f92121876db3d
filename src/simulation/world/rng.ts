/**
 * The world's only random number generator: xoshiro128** 1.1 by David Blackman and Sebastiano Vigna
 * (https://prng.di.unimi.it/xoshiro128starstar.c), seeded through SplitMix32, the 32-bit finaliser of MurmurHash3
 * over a Weyl sequence. Its whole state is four 32-bit words. Saving them saves all future random numbers.
 */
import { BlobWriter } from "./blob.ts"

/** Bytes of a saved state. */
export const stateBytes = 16

const rotl = (x: number, k: number) => (x << k) | (x >>> (32 - k))

/** One of the words that spread a seed over the whole state. */
const mix = (x: number): number => {
  let z = x | 0
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
  return z ^ (z >>> 16)
}

export class Rng {
  private a: number
  private b: number
  private c: number
  private d: number

  private constructor(a: number, b: number, c: number, d: number) {
    this.a = a | 0
    this.b = b | 0
    this.c = c | 0
    this.d = d | 0
  }

  /** A generator that depends on every bit of `seed`, a safe integer. */
  static fromSeed(seed: number): Rng {
    const low = mix(seed)
    const high = mix(Math.floor(seed / 0x1_0000_0000) ^ low)
    const word = (n: number) => mix(high + Math.imul(n, 0x9e3779b9)) ^ low
    return new Rng(word(1), word(2), word(3), word(4) | 1)
  }

  /** The generator with the saved state `bytes`. `undefined` when they are not a valid state. */
  static fromBytes(bytes: Uint8Array): Rng | undefined {
    if (bytes.length !== stateBytes || bytes.every((byte) => byte === 0)) return undefined
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new Rng(view.getInt32(0, true), view.getInt32(4, true), view.getInt32(8, true), view.getInt32(12, true))
  }

  /** The whole state, as four little-endian words. */
  toBytes(): Uint8Array {
    return new BlobWriter(stateBytes).u32(this.a).u32(this.b).u32(this.c).u32(this.d).bytes
  }

  /** The next 32 random bits, as a number from 0 to 2^32 - 1. */
  next(): number {
    const result = Math.imul(rotl(Math.imul(this.b, 5), 7), 9)
    const t = this.b << 9
    this.c ^= this.a
    this.d ^= this.b
    this.b ^= this.c
    this.a ^= this.d
    this.c ^= t
    this.d = rotl(this.d, 11)
    return result >>> 0
  }

  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * limit)
  }
}
