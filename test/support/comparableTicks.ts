// Reads what processes have stored. @effect-diagnostics nodeBuiltinImport:off
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import { TickDataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import { storedRuns } from "./storedRuns.ts"

/** The largest field of a time of capture: a tag of a byte and a varint. */
const maxTimeBytes = 11

const withoutTime = (payload: Uint8Array): string => {
  const bytes = toBinary(TickDataSchema, { ...fromBinary(TickDataSchema, payload), captureTimeMs: 0n })
  if (payload.length - bytes.length > maxTimeBytes) throw new Error("more than the time of capture was taken out")
  return Buffer.from(bytes).toString("base64")
}

/** Every tick of a run with what is in it beside the time of capture, in ascending order; one that is there twice comes twice. */
export const comparableTicks = (data: string, runId: string): ReadonlyArray<readonly [tick: bigint, bytes: string]> =>
  (storedRuns(data).get(runId)?.ticks ?? [])
    .map(({ payload, tick }) => [tick, withoutTime(payload)] as const)
    .sort(([left], [right]) => Number(left - right))
