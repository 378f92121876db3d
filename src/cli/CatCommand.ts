/**
 * `tickvault cat RUN`: the ticks of a run on standard output, in ascending order.
 */
import { toJsonString } from "@bufbuild/protobuf"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { TickDataSchema } from "../domain/Contracts.ts"
import * as Delimited from "../domain/Delimited.ts"
import type * as Tick from "../domain/Tick.ts"
import * as Decoder from "../protobuf/Decoder.ts"
import * as RunTicks from "../runs/RunTicks.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import { ExitCode, type ExitStatus } from "./ExitStatus.ts"
import * as GoneReport from "./GoneReport.ts"
import * as Logging from "./Logging.ts"
import * as options from "./options.ts"
import * as Output from "./Output.ts"
import * as StoredRuns from "./StoredRuns.ts"

/** A batch of the run is damaged, and the caller wanted the whole run. */
export class RunDamaged extends Schema.TaggedError<RunDamaged>()("RunDamaged", {
  file: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.file} is damaged: ${this.problem}. The ticks before it were written. --salvage skips what is damaged`
  }
}

/** A batch of the run is gone, and the caller wanted the whole run. */
export class RunIncomplete extends Schema.TaggedError<RunIncomplete>()("RunIncomplete", { file: Schema.String }) {
  override get message() {
    return `${this.file} is in the ledger but no longer stored: its ticks are missing. The ticks before them were written. --salvage skips what is missing`
  }
}

/** A stored tick begins like a `TickData`, but can't be decoded as one. */
export class TickUndecodable extends Schema.TaggedError<TickUndecodable>()("TickUndecodable", {
  tick: Schema.BigInt,
  cause: Schema.Defect()
}) {
  override get message() {
    return `tick ${this.tick} can't be shown as JSON (${String(this.cause)}): --format delimited writes its bytes unchanged`
  }
}

const largestTick = 2n ** 63n - 1n

/** The tick number that a flag gives. Fails with `CannotStart` when its value is not a tick number. */
const tickNumber = Effect.fnUntraced(function* (flag: string, given: Option.Option<string>) {
  if (Option.isNone(given)) return undefined
  const number = /^\d{1,19}$/u.test(given.value) ? BigInt(given.value) : undefined
  if (number !== undefined && number <= largestTick) return number
  const problem = `${flag} is "${given.value}": a tick number is a whole number from 0 to ${largestTick}`
  return yield* new options.CannotStart({ problem })
})

const rangeOf = Effect.fnUntraced(function* (flags: {
  readonly from: Option.Option<string>
  readonly to: Option.Option<string>
}) {
  const from = yield* tickNumber("--from", flags.from)
  const to = yield* tickNumber("--to", flags.to)
  if (from === undefined || to === undefined || from <= to) return { from, to }
  return yield* new options.CannotStart({
    problem: `--from ${from} is greater than --to ${to}: there is no tick between them`
  })
})

const decode = Decoder.make(TickDataSchema)

/** One line of protobuf JSON. */
const jsonLine = (tick: Tick.Tick): Result.Result<string, TickUndecodable> =>
  Result.try({
    try: () => `${toJsonString(TickDataSchema, decode(tick.payload))}\n`,
    catch: (cause) => new TickUndecodable({ tick: tick.tickNumber, cause })
  })

/** The lines of `chunk`. A tick that has no line goes to `report`; when that fails, the lines end there. */
const jsonLines = Effect.fnUntraced(function* <E>(
  chunk: ReadonlyArray<Tick.Tick>,
  report: (error: TickUndecodable) => Effect.Effect<void, E>
) {
  const lines: Array<string> = []
  for (const tick of chunk) {
    const line = jsonLine(tick)
    if (Result.isSuccess(line)) {
      lines.push(line.success)
      continue
    }
    const told = yield* Effect.result(report(line.failure))
    if (Result.isFailure(told)) return Stream.concat(Stream.make(lines.join("")), Stream.fail(told.failure))
  }
  return Stream.make(lines.join(""))
})

/** Most ticks that are written at once. */
const chunkTicks = { json: 32, delimited: 256 }

/** What `write` makes of `ticks`, at most `most` at once, and never of two chunks: a chunk is overwritten by the next. */
const groups = <E, A, E2>(
  ticks: Stream.Stream<Tick.Tick, E>,
  most: number,
  write: (group: ReadonlyArray<Tick.Tick>) => Stream.Stream<A, E2>
) =>
  Stream.chunks(ticks).pipe(
    Stream.flatMap((chunk) => Stream.fromIterable(Arr.chunksOf(chunk, most))),
    Stream.flatMap(write)
  )

const formats = {
  json: <E, E2>(ticks: Stream.Stream<Tick.Tick, E>, report: (error: TickUndecodable) => Effect.Effect<void, E2>) =>
    groups(ticks, chunkTicks.json, (group) => Stream.unwrap(jsonLines(group, report))),
  delimited: <E>(ticks: Stream.Stream<Tick.Tick, E>) =>
    groups(ticks, chunkTicks.delimited, (group) =>
      Stream.concat(Stream.fromIterable(Delimited.pieces(group)), Stream.fromEffectDrain(Output.flushed))
    )
}

/** `ticks`, with failures that say how to go on. */
const whole = <R>(location: string, ticks: Stream.Stream<Tick.Tick, StorageError, R>) =>
  ticks.pipe(
    Stream.catchReasons("StorageError", {
      ObjectDamaged: ({ problem }, { key }) => Stream.fail(new RunDamaged({ file: `${location}/${key}`, problem })),
      ObjectMissing: (_, { key }) => Stream.fail(new RunIncomplete({ file: `${location}/${key}` }))
    })
  )

/** The intact ticks of a run. What is gone goes to `report`. */
const salvaged = <E, R>(found: Stream.Stream<RunTicks.Salvaged, E, R>, report: GoneReport.GoneReport) =>
  found.pipe(
    Stream.mapArrayEffect((chunk) => {
      const gone = chunk.filter((one) => one._tag === "Gone")
      return Effect.as(Effect.forEach(gone, report.tell, { discard: true }), chunk)
    }),
    Stream.filter((one) => one._tag === "Tick"),
    Stream.map(({ tick }) => tick)
  )

const tickFlag = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("TICK"), Flag.withDescription(description), Flag.optional)

export const make = (status: ExitStatus) =>
  Command.make(
    "cat",
    {
      ...StoredRuns.flags,
      from: tickFlag("from", "first tick number; default: the first of the run"),
      to: tickFlag("to", "last tick number, included; default: the last of the run"),
      format: Flag.Literals("format", ["json", "delimited"]).pipe(
        Flag.withDescription("json: one object of protobuf JSON a line; delimited: the stored bytes; default json"),
        Flag.withDefault("json" as const)
      ),
      salvage: Flag.Boolean("salvage").pipe(
        Flag.withDescription("skip what is damaged or missing, and report it on standard error"),
        Flag.withDefault(false)
      ),
      logFormat: Logging.formatFlag,
      run: Argument.String("run")
    },
    (flags) =>
      Effect.gen(function* () {
        const range = yield* rangeOf(flags)
        if (flags.format === "delimited" && (yield* (yield* Stdio.Stdio).stdoutIsTerminal)) {
          const problem =
            "delimited ticks are binary and not for a terminal: send them to a file or a program, or use --format json"
          return yield* new options.CannotStart({ problem })
        }
        const storages = yield* StoredRuns.storages(yield* StoredRuns.resolve(flags))
        const { runId, storage } = yield* StoredRuns.find(storages, flags.run)
        const report = new GoneReport.GoneReport(storage.location)
        const wanted = { ...range, payloads: "lent" as const }
        const ticks = (
          flags.salvage
            ? salvaged(RunTicks.salvagedTicks(runId, wanted), report)
            : whole(storage.location, RunTicks.ticks(runId, wanted))
        ).pipe(Stream.provideService(Storage, storage))
        const undecodable = flags.salvage ? report.tellUndecodable : (error: TickUndecodable) => Effect.fail(error)
        yield* Output.write(flags.format === "json" ? formats.json(ticks, undecodable) : formats.delimited(ticks))
        if (report.told > 0) status.code = ExitCode.lost
      }).pipe(Effect.provide(Logging.layer(flags.logFormat)))
  ).pipe(
    Command.withDescription(
      "Write the ticks of a run to standard output, in ascending order over all its files, each once. Exit codes: 0 all " +
        "written (or the reader has gone), 1 could not go on, 3 with --salvage when something is gone."
    )
  )
