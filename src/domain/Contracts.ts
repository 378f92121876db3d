/**
 * The messages of the wire contract: their types, and the schemas for creating, encoding and decoding them with
 * `@bufbuild/protobuf`.
 *
 * ```ts
 * import { create } from "@bufbuild/protobuf"
 * import { TickDataSchema } from "tickvault/domain/Contracts"
 *
 * export const tick = create(TickDataSchema, { simulationRunId: "run-1", tickNumber: 1n, rngState: new Uint8Array(64) })
 * ```
 */
export * from "../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
export * from "../gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
export * from "../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
