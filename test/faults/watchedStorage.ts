import * as Effect from "effect/Effect"
import type * as Storage from "../../src/storage/Storage.ts"

/** `underneath`, with a count of what is open and of the calls that came, and the bytes that each key got first. */
export const watchStorage = (underneath: Storage.Storage["Service"]) => {
  let open = 0
  let calls = 0
  const overwritten: Array<string> = []
  const sizes = new Map<string, number>()

  const opened = Effect.acquireRelease(
    Effect.sync(() => {
      open++
      calls++
    }),
    () => Effect.sync(() => open--)
  )

  const storage: Storage.Storage["Service"] = {
    ...underneath,
    create: (key) =>
      Effect.andThen(
        opened,
        Effect.map(underneath.create(key), (writer): Storage.Writer => ({
          write: writer.write,
          commit: Effect.tap(writer.commit, ({ bytes, outcome }) =>
            Effect.sync(() => {
              if (outcome === "created" && sizes.has(key)) overwritten.push(key)
              if (outcome === "identical" && sizes.get(key) !== bytes) overwritten.push(key)
              sizes.set(key, bytes)
            })
          )
        }))
      ),
    append: (key) => Effect.andThen(opened, underneath.append(key))
  }
  return {
    storage,
    /** Objects and logs that are open now. */
    open: () => open,
    /** Objects and logs that have been opened so far. */
    calls: () => calls,
    /** Keys that were published twice with other bytes. */
    overwritten
  }
}

export type WatchedStorage = ReturnType<typeof watchStorage>
