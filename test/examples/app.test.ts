// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as LogWatch from "tickvault/testing/LogWatch"
import { app } from "../../examples/app.ts"

const logs = LogWatch.layer({
  allow: [
    { level: "Info", message: /^PersistenceService initialized$|^Service (started|stopped)$/u },
    { level: "Debug", message: /^Drained ticks from queue$|^Successfully wrote batch$/u }
  ]
})

it.live("the example app stores every tick it makes", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const { storedBytes, writtenBytes, ...ticks } = yield* app(directory)
    assert.deepStrictEqual(ticks, {
      received: 5000,
      written: 5000,
      duplicate: 0,
      deadLettered: 0,
      returned: 0,
      lost: 0,
      inFlight: 0,
      batches: 10
    })
    const files = (yield* fs.readDirectory(`${directory}/my-run`)).filter((file) => file.startsWith("batch_"))
    const sizes = yield* Effect.forEach(files, (file) => fs.stat(`${directory}/my-run/${file}`))
    assert.lengthOf(files, 10)
    assert.isBelow(storedBytes, writtenBytes, "compressed")
    assert.strictEqual(
      sizes.reduce((total, { size }) => total + Number(size), 0),
      storedBytes
    )
  }).pipe(Effect.provide(Layer.merge(logs, NodeServices.layer)))
)
