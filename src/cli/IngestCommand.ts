/**
 * `tickvault ingest`: stores recorded ticks from files or standard input.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
// Effect's file system can't open without blocking. @effect-diagnostics-next-line nodeBuiltinImport:off
import { constants, openSync } from "node:fs"
import { Socket } from "node:net"
import { resourcesOf, servicesOf, startedOf } from "../config/Configured.ts"
import * as PlannedSpace from "../pipeline/PlannedSpace.ts"
import { TickQueue } from "../queue/TickQueue.ts"
import * as Ingest from "../simulation/Ingest.ts"
import * as Compression from "../batch/Compression.ts"
import type { ExitStatus } from "./ExitStatus.ts"
import * as Logging from "./Logging.ts"
import * as options from "./options.ts"
import * as Session from "./Session.ts"

interface Source {
  readonly name: string
  readonly bytes: Stream.Stream<Uint8Array, PlatformError>
  /** Only for a file. The size of a stream is unknown. */
  readonly fileBytes?: number
}

const readChunkBytes = 256 * 1024

/**
 * A named pipe (`ingest <(program)`), read as it fills. It is not read as a file: that would block a thread until somebody
 * writes, and the process could not end before.
 */
const readPipe = (name: string) => {
  const onError = (cause: unknown) =>
    systemError({
      module: "FileSystem",
      method: "stream",
      _tag: "Unknown",
      pathOrDescriptor: name,
      description: String(cause),
      cause
    })
  return Effect.try({ try: () => openSync(name, constants.O_RDONLY | constants.O_NONBLOCK), catch: onError }).pipe(
    Effect.map((fd) =>
      NodeStream.fromReadable({ evaluate: () => new Socket({ fd, readable: true, writable: false }), onError })
    ),
    Stream.unwrap
  )
}

const why = ({ message, reason }: PlatformError): string => {
  if (reason._tag === "NotFound") return "there is no such file"
  return reason._tag === "PermissionDenied" ? "permission denied" : message
}

const open = Effect.fnUntraced(function* (name: string) {
  if (name === "-") {
    const stdio = yield* Stdio.Stdio
    if (yield* stdio.stdinIsTerminal) {
      const problem = "standard input is a terminal: redirect recorded ticks to it, as in `tickvault ingest - < FILE`"
      return yield* new options.CannotStart({ problem })
    }
    const stdin: Source = { name: "standard input", bytes: stdio.stdin }
    return stdin
  }
  const fs = yield* FileSystem.FileSystem
  const cannot = (error: PlatformError) => new options.CannotStart({ problem: `${name} can't be read: ${why(error)}` })
  const { size, type } = yield* Effect.mapError(fs.stat(name), cannot)
  if (type === "Directory")
    return yield* new options.CannotStart({ problem: `${name} is a folder: name the files in it` })
  yield* Effect.mapError(fs.access(name, { readable: true }), cannot)
  if (type === "FIFO") {
    const pipe: Source = { name, bytes: readPipe(name) }
    return pipe
  }
  const file: Source = { name, bytes: fs.stream(name, { chunkSize: readChunkBytes }), fileBytes: Number(size) }
  return file
})

/** The estimated ratio of recorded ticks to their compressed size. Measured ones were 105 to 400 times as large. */
const expansion = 100

/** The estimated size of `source`, decompressed. A source that can't be read fails later, when it is its turn. */
const plannedOf = ({ bytes, fileBytes }: Source) =>
  fileBytes === undefined
    ? Effect.undefined
    : Stream.runHead(bytes).pipe(
        Effect.map((first) => (Option.exists(first, Compression.isCompressed) ? fileBytes * expansion : fileBytes)),
        Effect.catch(() => Effect.undefined)
      )

/** The space that all of the input will take, before the storage compresses it. */
const plannedSpace = Effect.fnUntraced(function* (all: ReadonlyArray<Source>): Effect.fn.Return<PlannedSpace.Planned> {
  let total = 0
  for (const source of all) {
    const bytes = yield* plannedOf(source)
    if (bytes === undefined) return { bytes, basis: `the size of ${source.name} is not known` }
    total += bytes
  }
  return { bytes: total, basis: `the size of the input, times ${expansion} for compressed files` }
})

/** The queue that the persistence services take from. */
const queueOf = (manager: Parameters<Session.Producer>[0]) => {
  const [queue] = manager.queues.values()
  return queue === undefined
    ? Effect.die(new Error("a pipeline without a queue was not refused"))
    : Effect.succeed(queue)
}

/** Ingests one source after the other. Stops at a damaged one: the next source is no continuation of it. */
const sources =
  (all: ReadonlyArray<Source>): Session.Producer =>
  (manager, report) =>
    Effect.gen(function* () {
      const queue = yield* queueOf(manager)
      for (const [index, source] of all.entries()) {
        const error = yield* Ingest.ingest(source.name, source.bytes, (runId) => report.runIds.add(runId)).pipe(
          Effect.provideService(TickQueue, queue),
          Effect.as(undefined),
          Effect.catch((failure) => Effect.succeed(failure))
        )
        if (error === undefined) continue
        report.problems.push(error.message)
        yield* Effect.logError("Ingest stopped").pipe(Effect.annotateLogs({ error: error.message }))
        const rest = all.slice(index + 1).map(({ name }) => name)
        if (rest.length > 0) report.problems.push(`not read after that: ${rest.join(", ")}`)
        return
      }
    })

export const make = (status: ExitStatus) =>
  Command.make(
    "ingest",
    {
      ...options.shared,
      files: Argument.String("file").pipe(
        Argument.withDescription('files of delimited TickData, plain or zstd; "-" is standard input'),
        Argument.variadic({ min: 1 })
      )
    },
    (flags) =>
      Effect.gen(function* () {
        const all = yield* Effect.forEach(flags.files, open)
        const { config } = yield* options.resolve(
          { ...flags, ticks: Option.none(), seed: Option.none() },
          { engine: false, instances: 1 }
        )
        const queues = resourcesOf(config, "queue")
        if (queues.length !== 1) {
          const problem = `the configuration has ${queues.length} queues; ingest needs exactly one`
          return yield* new options.CannotStart({ problem })
        }
        yield* options.requireStarted(config, "persistence")
        const withoutEngines = {
          ...config,
          services: Object.fromEntries(servicesOf(config, "persistence").map((service) => [service.name, service])),
          startupSequence: startedOf(config, "persistence").map(({ name }) => name)
        }
        const planned = PlannedSpace.ofInput(withoutEngines, yield* plannedSpace(all))
        yield* Session.run(withoutEngines, sources(all), { json: flags.json, status, planned })
      }).pipe(Effect.provide(Logging.layer(flags.logFormat)))
  ).pipe(
    Command.withDescription(
      "Store recorded ticks: delimited TickData, plain or zstd, from files or standard input. Exit codes: 0 all " +
        "settled, 1 wrong input (its good ticks are settled), 2 something was dead-lettered, 3 something was lost."
    )
  )
