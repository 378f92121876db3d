/**
 * The genomes of the first organisms, in the assembly language of the world, and its assembler.
 *
 * A line is `label: INSTRUCTION operand...  ; comment`. Operands are registers (`D0`-`D3`, `P0`-`P1`, `F0`-`F1`),
 * numbers, and labels, which become distances from the instruction.
 */
import { Molecule } from "./cells.ts"
import { instructions, opcodeOf } from "./instructions.ts"
import { Registers } from "./organism.ts"

/** A molecule of a genome. */
export interface Gene {
  readonly type: number
  readonly value: number
}

export type Genome = ReadonlyArray<Gene>

export interface Program {
  readonly name: string
  readonly source: ReadonlyArray<string>
  readonly genome: Genome
  readonly programId: string
  /** Address of each label. */
  readonly labels: ReadonlyMap<string, number>
  /** Addresses where an instruction starts, each with the index of its source line. */
  readonly lines: ReadonlyArray<{ readonly address: number; readonly line: number }>
}

/** The number of each register, by its name in the assembly language. */
export const registerNames: ReadonlyMap<string, number> = new Map(
  Array.from({ length: Registers.all }, (_, index): [string, number] => {
    if (index < Registers.firstProcedure) return [`D${index}`, index]
    if (index < Registers.firstFormal) return [`P${index - Registers.firstProcedure}`, index]
    return [`F${index - Registers.firstFormal}`, index]
  })
)

/** The name of the procedure that starts at `address`. */
export const procName = (address: number): string => `P${address}`

/** The id of a genome: FNV-1a over its molecules, in hexadecimal. Equal genomes have the same id. */
export const programIdOf = (genome: Genome): string => {
  let hash = 0x811c9dc5
  const add = (byte: number) => {
    hash = Math.imul(hash ^ (byte & 0xff), 0x01000193)
  }
  for (const { type, value } of genome) {
    add(type)
    for (let shift = 0; shift < 32; shift += 8) add(value >>> shift)
  }
  return (hash >>> 0).toString(16).padStart(8, "0")
}

interface Line {
  readonly label: string | undefined
  readonly words: ReadonlyArray<string>
}

const parse = (text: string): Line => {
  const code = (text.split(";")[0] ?? "").trim()
  const label = /^(\w+):/u.exec(code)?.[1]
  const rest = label === undefined ? code : code.slice(label.length + 1)
  return { label, words: rest.trim().split(/\s+/u) }
}

// The programs below are the only input: an invalid word is a bug in this file.
const operandValue = (word: string, labels: ReadonlyMap<string, number>, from: number): number => {
  const label = labels.get(word)
  if (label !== undefined) return label - from
  const value = registerNames.get(word) ?? Number(word)
  if (!Number.isInteger(value)) throw new RangeError(`operand ${word} is neither register, label nor number`)
  return value
}

const assemble = (name: string, text: string): Program => {
  const source = text.trim().split("\n")
  const parsed = source.map(parse)
  const labels = new Map<string, number>()
  const lines: Array<{ readonly address: number; readonly line: number }> = []
  let address = 0
  for (const [line, { label, words }] of parsed.entries()) {
    if (label !== undefined) labels.set(label, address)
    lines.push({ address, line })
    address += words.length
  }
  const genome = parsed.flatMap(({ words }, line) => {
    const [mnemonic = "", ...operands] = words
    const value = opcodeOf(mnemonic)
    if (instructions[value]?.operands.length !== operands.length) throw new RangeError(`can't assemble ${mnemonic}`)
    const from = lines[line]?.address ?? 0
    return [
      { type: Molecule.code, value },
      ...operands.map((word) => ({ type: Molecule.data, value: operandValue(word, labels, from) }))
    ]
  })
  return { name, source, genome, programId: programIdOf(genome), labels, lines }
}

const grazer = assemble(
  "grazer",
  `
start: CALL D0 feed    ; D0 is the heading, and the procedure may change it
       JPOR 180 start
       ALOC
       COPY            ; runs until the whole genome is copied
       DIVD
feed:  SENS F0         ; turns to what it sees, else keeps its heading
       STEP F0
       EAT
       RET             ; fails after a birth, when nobody has called, and leads to the start
`
)

const roamer = assemble(
  "roamer",
  `
roam:  RDIR D0
       SETI P0 9
walk:  SENS D0
       STEP D0
       EAT
       LOOP walk
       SWDP            ; the other data pointer's turn
       JPOR 160 roam
       ALOC
       COPY
       DIVD            ; the end of the genome leads to its beginning
`
)

const settler = assemble(
  "settler",
  `
hunt:  SENS D0
       PUSH D0
       STEP D0
       EAT
       BITE            ; whoever owns the cell
       POP D0
       JPOR 200 hunt
       PSHL            ; comes back here
       BILD
       POPL
       ALOC
       COPY
       DIVD
`
)

/** The genomes of the initial organisms, used in rotation. */
export const ancestors: ReadonlyArray<Program> = [grazer, roamer, settler]

export const ancestor = (index: number): Program => ancestors[index % ancestors.length] ?? grazer
