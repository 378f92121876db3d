import { readRecorded } from "./recordedFiles.ts"

/** Batches of the original simulation, in the delimited format. */
export const realBatches = [
  { file: "evochora-1-organism.pb.zst", ticks: 1000, firstTick: 1n, step: 1n, bytes: 3_158_173 },
  { file: "evochora-3-organisms.pb.zst", ticks: 1000, firstTick: 1n, step: 1n, bytes: 8_452_428 },
  { file: "evochora-60-organisms.pb.zst", ticks: 100, firstTick: 10n, step: 10n, bytes: 3_238_447 }
] as const

/** The bytes of one of them, decompressed, as a plain array of bytes. */
export const readReal = (file: (typeof realBatches)[number]["file"]): Uint8Array => {
  const bytes = readRecorded(file)
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
