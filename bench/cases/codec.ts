/**
 * Encoding and decoding of the recorded ticks: the compiled functions compared with those of `@bufbuild/protobuf`, and with
 * the functions that `protobufjs` generates from the same files, with messages of its own.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import protobufjs from "protobufjs"
import { TickDataSchema } from "../../src/domain/Contracts.ts"
import * as Decoder from "../../src/protobuf/Decoder.ts"
import * as Encoder from "../../src/protobuf/Encoder.ts"
import type { Case } from "../Case.ts"
import type { Measured } from "../Measured.ts"
import { payloads, recorded, type Payload } from "../data.ts"
import { timed } from "../turns.ts"

/** Does its work with all recorded messages of a size once. */
type Pass = () => void

const passOver = <Message>(messages: ReadonlyArray<Message>, work: (message: Message) => unknown): Pass => {
  return () => {
    for (const message of messages) work(message)
  }
}

/** The number of bytes of one turn of a side. */
const turnBytes = 6_000_000

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** The sides in turn, many times. The first turns are the warm-up. */
const inTurns = (payload: Payload, sides: () => { readonly peer: Pass; readonly ours: Pass }): Case["turns"] => ({
  in: "one process",
  both: () =>
    Effect.sync(() => {
      const messages = recorded(payload)
      const bytes = messages.reduce((total, { length }) => total + length, 0)
      const passes = Math.ceil(turnBytes / bytes)
      const { ours, peer } = sides()
      const seconds = { peer: new Array<number>(), ours: new Array<number>() }
      const turn = (pass: Pass) => {
        globalThis.gc?.()
        return timed(() => {
          for (let index = 0; index < passes; index++) pass()
        })
      }
      for (let round = 0; round < 12; round++) {
        const order = round % 2 === 0 ? (["peer", "ours"] as const) : (["ours", "peer"] as const)
        for (const side of order) {
          const took = turn(side === "peer" ? peer : ours)
          if (round >= 3) seconds[side].push(took)
        }
      }
      const measured = (each: ReadonlyArray<number>): Measured => ({
        seconds: median(each),
        ticks: messages.length * passes,
        bytes: bytes * passes
      })
      return { peer: measured(seconds.peer), ours: measured(seconds.ours) }
    })
})

const protobufjsType = (): protobufjs.Type => {
  const root = new protobufjs.Root()
  root.resolvePath = (_, target) => new URL(`../../proto/${target}`, import.meta.url).pathname
  return root
    .loadSync("org/evochora/datapipeline/api/contracts/tickdata_contracts.proto")
    .lookupType("org.evochora.datapipeline.api.contracts.TickData")
}

const encode = (payload: Payload) => {
  const messages = recorded(payload).map((bytes) => fromBinary(TickDataSchema, bytes))
  return passOver(messages, Encoder.make(TickDataSchema))
}

const decode = (payload: Payload) => passOver(recorded(payload), Decoder.make(TickDataSchema))

const casesOf = (payload: Payload): ReadonlyArray<Case> => [
  {
    name: `encode ${payload}, toBinary`,
    settings: { payload },
    peer: "toBinary",
    ours: "compiled encoder",
    goal: { of: "speed", atLeast: 2.5 },
    turns: inTurns(payload, () => {
      const messages = recorded(payload).map((bytes) => fromBinary(TickDataSchema, bytes))
      return { peer: passOver(messages, (each) => toBinary(TickDataSchema, each)), ours: encode(payload) }
    })
  },
  {
    name: `encode ${payload}, protobufjs`,
    settings: { payload },
    peer: "protobufjs",
    ours: "compiled encoder",
    goal: { of: "speed", atLeast: 1.4 },
    turns: inTurns(payload, () => {
      const type = protobufjsType()
      const messages = recorded(payload).map((bytes) => type.decode(bytes))
      return { peer: passOver(messages, (each) => type.encode(each).finish()), ours: encode(payload) }
    })
  },
  {
    name: `decode ${payload}, fromBinary`,
    settings: { payload },
    peer: "fromBinary",
    ours: "compiled decoder",
    goal: { of: "speed", atLeast: 2 },
    turns: inTurns(payload, () => ({
      peer: passOver(recorded(payload), (bytes) => fromBinary(TickDataSchema, bytes)),
      ours: decode(payload)
    }))
  },
  {
    name: `decode ${payload}, protobufjs`,
    settings: { payload },
    peer: "protobufjs",
    ours: "compiled decoder",
    goal: { of: "speed", atLeast: 1 },
    turns: inTurns(payload, () => {
      const type = protobufjsType()
      return { peer: passOver(recorded(payload), (bytes) => type.decode(bytes)), ours: decode(payload) }
    })
  }
]

export const cases: ReadonlyArray<Case> = payloads.flatMap(casesOf)
