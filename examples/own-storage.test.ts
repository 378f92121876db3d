import { it } from "@effect/vitest"
import * as StorageContract from "tickvault/testing/StorageContract"
import { layer } from "./own-storage.ts"

// Each case is an Effect that dies where the storage breaks the contract: any test runner can run it.
for (const { effect, name } of StorageContract.cases(layer(":memory:"))) it.effect(name, () => effect)
