// For tests of real processes. @effect-diagnostics nodeBuiltinImport:off
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { zstdDecompressSync } from "node:zlib"
import type { realBatches } from "./realData.ts"

type File = (typeof realBatches)[number]["file"]

/** Where a recorded batch of the original simulation lies. */
export const pathOf = (file: File): string => fileURLToPath(new URL(`../data/${file}`, import.meta.url))

/** The bytes of a recorded batch, decompressed. */
export const readRecorded = (file: File): Buffer => zstdDecompressSync(readFileSync(pathOf(file)))
