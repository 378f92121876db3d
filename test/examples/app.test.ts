import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as LogWatch from "tickvault/testing/LogWatch"
import { app } from "./app.ts"

it.live("the example app stores every tick it makes", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const balance = yield* app(directory)
    assert.deepStrictEqual(
      { ...balance, storedBytes: balance.storedBytes > 5000 * 64 },
      {
        received: 5000,
        written: 5000,
        duplicate: 0,
        deadLettered: 0,
        returned: 0,
        lost: 0,
        inFlight: 0,
        batches: 10,
        storedBytes: true
      }
    )
    assert.lengthOf(yield* fs.readDirectory(`${directory}/my-run`), 10)
  }).pipe(
    Effect.provide(
      LogWatch.layer({
        allow: [
          { level: "Info", message: /.*/u },
          { level: "Debug", message: /.*/u }
        ]
      })
    ),
    Effect.provide(NodeServices.layer)
  )
)
