/**
 * The instruction set: the meaning of a `code` molecule's value, its operands, and its cost.
 *
 * Operands are the values of the `data` molecules in the cells after the instruction, one molecule each. Any number is a
 * valid register (by its low bits) and a valid address (it wraps around the genome). So most mutated programs still run.
 */

/** The meaning of an operand: a register, a plain number, or a distance from the instruction. */
export type Operand = "register" | "number" | "address"

export interface Instruction {
  readonly name: Name
  readonly operands: ReadonlyArray<Operand>
  /** Energy units, spent whether the instruction succeeds or fails. */
  readonly cost: number
}

/** By opcode. `NOP` is 0: an own cell without a molecule does nothing. */
const table = [
  ["NOP", 1],
  ["SETI", 1, "register", "number"],
  ["ADDI", 1, "register", "number"],
  ["MOVR", 1, "register", "register"],
  ["RAND", 1, "register", "number"],
  ["RDIR", 1, "register"],
  ["SENS", 1, "register"],
  ["STEP", 1, "register"],
  ["EAT", 1],
  ["BITE", 2],
  ["BILD", 4],
  ["SWDP", 1],
  ["JMP", 1, "address"],
  ["JZER", 1, "register", "address"],
  ["JPOR", 1, "number", "address"],
  ["LOOP", 1, "address"],
  ["CALL", 1, "register", "address"],
  ["RET", 1],
  ["PUSH", 1, "register"],
  ["POP", 1, "register"],
  ["PSHL", 1],
  ["POPL", 1],
  ["MARK", 1],
  ["HOME", 1],
  ["ALOC", 3],
  ["COPY", 1],
  ["DIVD", 8]
] as const

export type Name = (typeof table)[number][0]

export const instructions: ReadonlyArray<Instruction> = table.map(([name, cost, ...operands]) => ({
  name,
  cost,
  operands
}))

export const opcodeOf = (name: string): number => instructions.findIndex((instruction) => instruction.name === name)

/** The largest number of operands of an instruction. */
export const maxOperands = Math.max(...instructions.map((instruction) => instruction.operands.length))
