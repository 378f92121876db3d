import type * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as Checksum from "../../src/domain/Checksum.ts"
import * as TestLetter from "../../src/testing/TestLetter.ts"

export const { extended, make: letter, noSpace } = TestLetter

/** The name of the file for `one`. */
export const fileOf = ({ bytes, id }: DeadLetter.DeadLetter) => `${id}.${Checksum.toHex(Checksum.of(bytes))}.pb`
