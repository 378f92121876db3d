/**
 * Generates the source of an encoder: for each message type a function `(message, b, p)` that writes the fields of
 * `message` into the bytes `b` from `p` on and returns the place after them.
 *
 * Fields are written like `toBinary` does: in the order of their numbers, unknown fields last. A length is written after
 * its content. Its reserved room has the size of the previous length at this place, which is usually right.
 */
import { ScalarType, type DescField, type DescMessage, type DescOneof } from "@bufbuild/protobuf"
import { quote } from "./generate.ts"
import * as Messages from "./messages.ts"
import { spare } from "./writing.ts"
import { packedSize, presenceOf, scalarOf, tagBytes, wireTypeOf, WireType } from "./wire.ts"

/** Some source, and the largest number of bytes that it writes. Without `bytes`, the code itself ensures room and spare. */
interface Part {
  readonly code: string
  readonly bytes?: number
}

const put = (bytes: ReadonlyArray<number>) => bytes.map((byte) => `b[p++]=${byte};`).join("")

const room = (bytes: number | string) => `if(b.length-p<${bytes})grow();`

/** The functions that write a scalar, by its type. */
const writers: Readonly<Record<ScalarType, string>> = {
  [ScalarType.INT32]: "int32",
  [ScalarType.UINT32]: "uint32",
  [ScalarType.SINT32]: "sint32",
  [ScalarType.FIXED32]: "fixed32",
  [ScalarType.SFIXED32]: "sfixed32",
  [ScalarType.INT64]: "int64",
  [ScalarType.UINT64]: "uint64",
  [ScalarType.SINT64]: "sint64",
  [ScalarType.FIXED64]: "fixed64",
  [ScalarType.SFIXED64]: "sfixed64",
  [ScalarType.FLOAT]: "float",
  [ScalarType.DOUBLE]: "double",
  [ScalarType.BOOL]: "bool",
  [ScalarType.STRING]: "string",
  [ScalarType.BYTES]: "byteString"
}

/** Writes the scalar that the variable `v` holds. */
const writeScalar = (type: ScalarType, v: string): string => {
  switch (type) {
    case ScalarType.BOOL:
      return `b[p++]=${v}?1:0;`
    case ScalarType.INT32:
    case ScalarType.UINT32:
      return `if(${v}===(${v}&127))b[p++]=${v};else p=${writers[type]}(b,p,${v});`
    default:
      return `p=${writers[type]}(b,p,${v});`
  }
}

const maximum = (type: ScalarType): number | undefined =>
  type === ScalarType.STRING || type === ScalarType.BYTES ? undefined : packedSize(type)

/** A part whose largest size is `bytes`, if that is known. */
const part = (code: string, bytes: number | undefined): Part => (bytes === undefined ? { code } : { code, bytes })

/** A tag and the scalar in `v`. */
const taggedScalar = (number: number, type: ScalarType, v: string): Part => {
  const tag = tagBytes(number, wireTypeOf(type))
  const size = maximum(type)
  return part(put(tag) + writeScalar(type, v), size === undefined ? undefined : size + tag.length)
}

/** The condition to write the scalar in `v`, for a field whose zero value means not set. */
const isSet = (type: ScalarType, v: string): string => {
  switch (type) {
    case ScalarType.BOOL:
      return `${v}!==false`
    case ScalarType.STRING:
      return `${v}!==""`
    case ScalarType.BYTES:
      return `!(${v} instanceof Uint8Array)||${v}.length>0`
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return `${v}!==0||Object.is(${v},-0)`
    default:
      return `${v}!==0&&${v}!=0`
  }
}

const each = (code: string) => `for(let i=0;i<n;i++){const v=l[i];${code}}`

/** Makes the source of one encoder. It has a variable for the guessed size of each length. */
export class EncoderSource {
  private readonly messages: ReadonlyArray<DescMessage>
  private guesses = 0

  constructor(messages: ReadonlyArray<DescMessage>) {
    this.messages = messages
  }

  /** The whole source. It returns the function for the first message type. */
  make(): string {
    const functions = this.messages.flatMap((message, index) => [
      this.messageFunction(message, index),
      ...(this.isWrapper(message) ? [this.wrapperFunction(message, index)] : [])
    ])
    const guesses = Array.from({ length: this.guesses }, (_, index) => `g${index}=1`)
    return [
      "const O=Object.prototype;",
      ...(guesses.length > 0 ? [`let ${guesses.join(",")};`] : []),
      ...functions,
      "return e0"
    ].join("\n")
  }

  private isWrapper(message: DescMessage): boolean {
    return this.messages.some(({ fields }) =>
      fields.some((field) => Messages.isMessageField(field) && field.message === message && Messages.isUnwrapped(field))
    )
  }

  private messageFunction(message: DescMessage, index: number): string {
    const fields = Messages.byNumber(message)
    const foreign = fields.length > 0 ? `if(m.$typeName!==${quote(message.typeName)})giveUp();` : ""
    const oneofs = new Set<DescOneof>()
    const parts = fields.map((field) => this.field(message, field, oneofs))
    const plain = fields.some((field) => presenceOf(field) !== "implicit")
      ? "const y=Object.getPrototypeOf(m)===O;"
      : ""
    return `function e${index}(m,b,p){${foreign}${plain}${this.join(parts)}const u=m.$unknown;if(u!==undefined)p=unknownFields(b,p,u);return p}`
  }

  /** Writes the only field of a wrapper, given its value. */
  private wrapperFunction(message: DescMessage, index: number): string {
    const [field] = message.fields
    const parts = field === undefined ? [] : [this.implicit(field, "v")]
    return `function w${index}(v,b,p){${this.join(parts)}return p}`
  }

  /** Joins parts. One check ensures room for consecutive parts of known size. */
  private join(parts: ReadonlyArray<Part>): string {
    let source = ""
    let open = true
    for (let index = 0; index < parts.length; index++) {
      if (open || parts[index]?.bytes !== undefined) {
        let bytes = 0
        let next = index
        for (; parts[next]?.bytes !== undefined; next++) bytes += parts[next]?.bytes ?? 0
        source += room(bytes + spare)
        for (; index < next; index++) source += parts[index]?.code ?? ""
        open = false
      }
      source += parts[index]?.code ?? ""
    }
    return open ? room(spare) + source : source
  }

  private field(message: DescMessage, field: DescField, oneofs: Set<DescOneof>): Part {
    const property = `m[${quote(field.localName)}]`
    if (field.fieldKind === "list") return this.list(field, property)
    if (field.fieldKind === "map") return this.map(field, property)
    if (field.oneof !== undefined) {
      const oneof = `o${message.oneofs.indexOf(field.oneof)}`
      const first = oneofs.has(field.oneof) ? "" : `const ${oneof}=m[${quote(field.oneof.localName)}];`
      oneofs.add(field.oneof)
      const { bytes, code } = this.singular(field, "v")
      return part(`${first}if(${oneof}.case===${quote(field.localName)}){const v=${oneof}.value;${code}}`, bytes)
    }
    if (presenceOf(field) === "implicit") {
      const { bytes, code } = this.implicit(field, "v")
      return part(`{const v=${property};${code}}`, bytes)
    }
    const { bytes, code } = this.singular(field, "v")
    const missing = presenceOf(field) === "required" ? "else giveUp();" : ""
    const name = quote(field.localName)
    const present = `v!==undefined&&(y&&O[${name}]===undefined||hasOwn(m,${name}))`
    return part(`{const v=${property};if(${present}){${code}}${missing}}`, bytes)
  }

  /** Writes the value in `v` unless it is zero. */
  private implicit(field: DescField, v: string): Part {
    const { bytes, code } = this.singular(field, v)
    const zero = field.fieldKind === "enum" ? field.enum.values[0]?.number : undefined
    const condition = zero === undefined ? isSet(scalarOf(field), v) : `${v}!==${zero}`
    return part(`if(${condition}){${code}}`, bytes)
  }

  /** Writes the value in `v`. */
  private singular(field: DescField, v: string): Part {
    return Messages.isMessageField(field)
      ? { code: this.child(field, v) }
      : taggedScalar(field.number, scalarOf(field), v)
  }

  /** Writes the message in `v` with its tag and length. */
  private child(field: Messages.MessageField, v: string, number = field.number): string {
    const index = this.messages.indexOf(field.message)
    const guess = `g${this.guesses++}`
    const name = Messages.isUnwrapped(field) ? "w" : "e"
    const value = Messages.isJson(field) ? `toStruct(${v})` : v
    return (
      `{${put(tagBytes(number, WireType.LengthDelimited))}const s=p,g=${guess};p=${name}${index}(${value},b,s+g);` +
      `const n=p-s-g;if(n<128&&g===1)b[s]=n;else{p=length(b,s,p,g);${guess}=varintSize(n)}}`
    )
  }

  private list(field: DescField & { fieldKind: "list" }, property: string): Part {
    const open = `{const l=${property},n=l.length;`
    if (Messages.isMessageField(field)) return { code: `${open}${each(this.child(field, "v"))}}` }
    const type = scalarOf(field)
    if (!field.packed) {
      const { bytes = 5, code } = taggedScalar(field.number, type, "v")
      return { code: `${open}${room(spare)}${each(`${code}${room(spare + bytes)}`)}}` }
    }
    const content = room(`n*${packedSize(type)}+${spare}`) + each(writeScalar(type, "v"))
    return {
      code:
        `${open}if(n!==0){if(!(n>0))giveUp();${put(tagBytes(field.number, WireType.LengthDelimited))}` +
        `const s=p,g=n<128?1:varintSize(n);p+=g;${content}const w=p-s-g;if(w<128&&g===1)b[s]=w;else p=length(b,s,p,g)}}`
    }
  }

  private map(field: DescField & { fieldKind: "map" }, property: string): Part {
    const value = Messages.isMessageField(field)
      ? this.child(field, "v", 2)
      : room(spare + 11) + taggedScalar(2, scalarOf(field), "v").code
    const key = room(spare + 20) + this.key(field.mapKey)
    return {
      code:
        `{const r=${property},q=Object.keys(r);for(let i=0;i<q.length;i++){${room(spare)}` +
        `${put(tagBytes(field.number, WireType.LengthDelimited))}const s=p++,t=q[i],v=r[t];` +
        `${key}${room(spare)}${value}p=length(b,s,p,1)}}`
    }
  }

  /** Writes the map key of the property name `t`. */
  private key(type: ScalarType): string {
    const { code } = taggedScalar(1, type, "k")
    switch (type) {
      case ScalarType.STRING:
        return taggedScalar(1, type, "t").code
      case ScalarType.BOOL:
        return `{const k=t!=="false"&&t!=="";${code}}`
      case ScalarType.INT64:
      case ScalarType.UINT64:
      case ScalarType.SINT64:
      case ScalarType.FIXED64:
      case ScalarType.SFIXED64:
        return `{const k=BigInt(t);${code}}`
      default:
        return `{const k=Number.parseInt(t);${code}}`
    }
  }
}
