/**
 * Free space under a folder, from Node: Effect's file system does not report it.
 */
import * as Effect from "effect/Effect"
// Effect's file system has no statfs. @effect-diagnostics-next-line nodeBuiltinImport:off
import { statfs } from "node:fs/promises"

/**
 * Bytes that this process can still write in `folder`, which must exist. `undefined` when the system doesn't report it.
 * Ignores quotas.
 */
export const of = (folder: string): Effect.Effect<number | undefined> =>
  Effect.tryPromise(() => statfs(folder)).pipe(
    Effect.map(({ bavail, blocks, bsize }) => (blocks === 0 ? undefined : bavail * bsize)),
    Effect.catch(() => Effect.undefined)
  )
