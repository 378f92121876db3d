/**
 * Generates the source of a decoder: for each message type a function `(b, p, e, r)`. It decodes the bytes `b` from `p` up
 * to `e`. `r` is the greatest nesting depth, including this message.
 *
 * For the bytes of an encoder, the result is that of `fromBinary`: the same properties and the same prototype. Nothing is
 * read beyond `e`, so `p` is `e` at the end. Values stay in variables until the message is whole, so that the object gets
 * its final shape at once.
 */
import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf"
import { quote } from "./generate.ts"
import * as Messages from "./messages.ts"
import { presenceOf, scalarOf, tag, wireTypeOf, WireType } from "./wire.ts"

/** Reads a length into the declared variable `n`. The bytes of that length must end before `e`. */
const readLength = (e: string) =>
  `if(p===${e})giveUp();n=b[p++];if(n>127){n=length(b,p-1,${e});p=state.at}else if(n>${e}-p)giveUp();`

const readVarint = (e: string) => `if(p===${e})giveUp();v=b[p++];if(v>127){v=varint32(b,p-1,${e});p=state.at`

const readCall = (name: string, e: string) => `v=${name}(b,p,${e});p=state.at;`

const isLong = (type: ScalarType): boolean =>
  type === ScalarType.INT64 ||
  type === ScalarType.UINT64 ||
  type === ScalarType.SINT64 ||
  type === ScalarType.FIXED64 ||
  type === ScalarType.SFIXED64

/** Functions of the same name as the scalar. */
const calls: Readonly<Partial<Record<ScalarType, string>>> = {
  [ScalarType.INT64]: "int64",
  [ScalarType.UINT64]: "uint64",
  [ScalarType.SINT64]: "sint64",
  [ScalarType.FIXED64]: "fixed64",
  [ScalarType.SFIXED64]: "sfixed64",
  [ScalarType.FIXED32]: "fixed32",
  [ScalarType.SFIXED32]: "sfixed32",
  [ScalarType.FLOAT]: "float",
  [ScalarType.DOUBLE]: "double"
}

const isPackable = (type: ScalarType): boolean => wireTypeOf(type) !== WireType.LengthDelimited

/** A literal of the default value of a scalar. */
const zero = (type: ScalarType, asString = false): string => {
  if (isLong(type)) return asString ? `"0"` : "0n"
  if (type === ScalarType.STRING) return `""`
  if (type === ScalarType.BYTES) return "new Uint8Array(0)"
  return type === ScalarType.BOOL ? "false" : "0"
}

const longAsString = (field: DescField): boolean => "longAsString" in field && field.longAsString

/** Makes the source of one decoder. */
export class DecoderSource {
  private readonly messages: ReadonlyArray<DescMessage>
  private readonly hasPrototype: (message: DescMessage) => boolean
  private readonly constants: Array<string> = []

  constructor(messages: ReadonlyArray<DescMessage>, hasPrototype: (message: DescMessage) => boolean) {
    this.messages = messages
    this.hasPrototype = hasPrototype
  }

  /** The whole source. It returns the function for the first message type. It uses `samples`: one sample of each type. */
  make(): string {
    const functions = this.messages.map((message, index) => this.messageFunction(message, index))
    return [...this.constants, ...functions, "return d0"].join("\n")
  }

  private messageFunction(message: DescMessage, index: number): string {
    const fields = Messages.byNumber(message)
    const oneofs = message.oneofs.map((_, each) => `,o${each}`).join("")
    const variables = fields.map((field, each) => `,f${each}=${this.initial(field, index)}`).join("")
    const cases = fields.map((field, each) => this.field(message, field, `f${each}`)).join("")
    const numbers = fields.map(({ number }) => `case ${number}:`).join("")
    const foreign = numbers === "" ? "" : `switch(t>>>3){${numbers}giveUp()}`
    return (
      `function d${index}(b,p,e,r){if(r<1)giveUp();let u,v,n,t${oneofs}${variables};` +
      `while(p<e){t=b[p++];if(t>127){t=tag(b,p-1,e);p=state.at}switch(t){${cases}` +
      `default:${foreign}u=unknownField(b,p,e,t,u);p=state.at}}` +
      `${this.result(message, index, fields)}if(u!==undefined)m.$unknown=u;return m}`
    )
  }

  private isAlwaysThere(field: DescField): boolean {
    return field.oneof === undefined && field.fieldKind !== "message" && presenceOf(field) === "implicit"
  }

  /** The first value of the field's variable: the value in the message when the field is not read. */
  private initial(field: DescField, index: number): string {
    if (!this.isAlwaysThere(field) || field.fieldKind === "list" || field.fieldKind === "map") return "undefined"
    if (field.fieldKind === "enum") return String(field.enum.values[0]?.number ?? 0)
    if (field.scalar !== ScalarType.BYTES) return zero(scalarOf(field), longAsString(field))
    return this.constant(`samples[${index}][${quote(field.localName)}]`)
  }

  private constant(value: string): string {
    const name = `c${this.constants.length}`
    this.constants.push(`const ${name}=${value};`)
    return name
  }

  /** Makes the message `m` from the variables. */
  private result(message: DescMessage, index: number, fields: ReadonlyArray<DescField>): string {
    const isThere: Array<readonly [name: string, value: string]> = [["$typeName", quote(message.typeName)]]
    for (const member of message.members) {
      if (member.kind === "oneof") {
        const name = `o${message.oneofs.indexOf(member)}`
        isThere.push([member.localName, `${name}===undefined?{case:undefined}:${name}`])
        continue
      }
      const name = `f${fields.indexOf(member)}`
      if (member.fieldKind === "list") isThere.push([member.localName, `${name}===undefined?[]:${name}`])
      else if (member.fieldKind === "map") isThere.push([member.localName, `${name}===undefined?{}:${name}`])
      else if (this.isAlwaysThere(member)) isThere.push([member.localName, name])
    }
    const optional = fields.flatMap((field, each) =>
      field.oneof !== undefined || this.isAlwaysThere(field) || field.fieldKind === "list" || field.fieldKind === "map"
        ? []
        : [`if(f${each}!==undefined)m[${quote(field.localName)}]=f${each};`]
    )
    if (!this.hasPrototype(message)) {
      const properties = isThere.map(([name, value]) => `${quote(name)}:${value}`)
      return `const m={${properties.join(",")}};${optional.join("")}`
    }
    this.constants.push(`function C${index}(){}C${index}.prototype=Object.getPrototypeOf(samples[${index}]);`)
    return `const m=new C${index}();${isThere.map(([name, value]) => `m[${quote(name)}]=${value};`).join("")}${optional.join("")}`
  }

  /** The cases of the tags that the field may have. */
  private field(message: DescMessage, field: DescField, f: string): string {
    if (field.fieldKind === "list") return this.list(field, f)
    if (field.fieldKind === "map") return this.map(field, f)
    const wireType = Messages.isMessageField(field) ? WireType.LengthDelimited : wireTypeOf(scalarOf(field))
    const open = `case ${tag(field.number, wireType)}:{`
    if (field.oneof !== undefined) {
      const o = `o${message.oneofs.indexOf(field.oneof)}`
      const name = quote(field.localName)
      const again = Messages.isMessageField(field) ? `if(${o}!==undefined&&${o}.case===${name})giveUp();` : ""
      return `${open}${again}${this.value(field, "e")}${o}={case:${name},value:v};break}`
    }
    const again = Messages.isMessageField(field) ? `if(${f}!==undefined)giveUp();` : ""
    return `${open}${again}${this.value(field, "e")}${f}=v;break}`
  }

  /** Reads a value of the field, or an item of its list, or a value of its map, that ends before `e`, into `v`. */
  private value(field: DescField, e: string): string {
    if (Messages.isMessageField(field)) return this.child(field, e)
    const scalar = this.scalar(scalarOf(field), field.utf8Validation, e)
    if (field.fieldKind === "enum" && !field.enum.open) {
      const cases = new Set(field.enum.values.map(({ number }) => `case ${number}:`))
      return `${scalar}switch(v){${[...cases].join("")}break;default:giveUp()}`
    }
    return longAsString(field) && field.fieldKind !== "map" ? `${scalar}v=String(v);` : scalar
  }

  private child(field: Messages.MessageField, e: string): string {
    const message = `d${this.messages.indexOf(field.message)}(b,p,p+n,r-1)`
    const [inner] = field.message.fields
    const value = Messages.isJson(field)
      ? `toJson(${message})`
      : Messages.isUnwrapped(field) && inner !== undefined
        ? `${message}[${quote(inner.localName)}]`
        : message
    return `${readLength(e)}v=${value};p+=n;`
  }

  private scalar(type: ScalarType, isStrict: boolean, e: string): string {
    switch (type) {
      case ScalarType.BOOL:
        return `if(p===${e})giveUp();v=b[p++];if(v>127)giveUp();v=v!==0;`
      case ScalarType.INT32:
        return `${readVarint(e)}}`
      case ScalarType.UINT32:
        return `${readVarint(e)};v>>>=0}`
      case ScalarType.SINT32:
        return `${readVarint(e)}}v=(v>>>1)^-(v&1);`
      case ScalarType.STRING:
        return `${readLength(e)}v=${isStrict ? "strictText" : "looseText"}(b,p,p+n,${this.constant("new LastText()")});p+=n;`
      case ScalarType.BYTES:
        return `${readLength(e)}v=b.subarray(p,p+n);p+=n;`
      default:
        return readCall(calls[type] ?? "giveUp", e)
    }
  }

  private list(field: DescField & { fieldKind: "list" }, f: string): string {
    const type = scalarOf(field)
    const wireType = Messages.isMessageField(field) ? WireType.LengthDelimited : wireTypeOf(type)
    const number = tag(field.number, wireType)
    const again = number < 128 ? `if(p<e&&b[p]===${number}){p++;continue}` : ""
    const one = `case ${number}:for(;;){${this.value(field, "e")}if(${f}===undefined)${f}=[v];else ${f}.push(v);${again}break}break;`
    if (Messages.isMessageField(field) || !isPackable(type)) return one
    const value = this.value(field, "q")
    // A short list literal allocates only its items. A growing list allocates more at its first push.
    const short = `${value}if(p===q)${f}=[v];else{const x=v;${value}if(p===q)${f}=[x,v];else{const y=v;${value}${f}=[x,y,v]}}`
    return (
      `${one}case ${tag(field.number, WireType.LengthDelimited)}:{${readLength("e")}const q=p+n;` +
      `if(${f}===undefined){if(n===0)${f}=[];else{${short}}}while(p<q){${value}${f}.push(v)}break}`
    )
  }

  private map(field: DescField & { fieldKind: "map" }, f: string): string {
    const valueType = Messages.isMessageField(field) ? WireType.LengthDelimited : wireTypeOf(scalarOf(field))
    const key = this.scalar(field.mapKey, field.utf8Validation, "q")
    const again = Messages.isMessageField(field) ? "if(w!==undefined)giveUp();" : ""
    const set = field.mapKey === ScalarType.STRING ? `setOwn(${f},k,w)` : `${f}[k]=w`
    return (
      `case ${tag(field.number, WireType.LengthDelimited)}:{${readLength("e")}const q=p+n;let k,w;` +
      `while(p<q){switch(b[p++]){case ${tag(1, wireTypeOf(field.mapKey))}:${key}k=v;break;` +
      `case ${tag(2, valueType)}:${again}${this.value(field, "q")}w=v;break;default:giveUp()}}` +
      `if(k===undefined)k=${zero(field.mapKey)};if(w===undefined)w=${this.mapDefault(field)};` +
      `if(${f}===undefined)${f}={};${set};break}`
    )
  }

  private mapDefault(field: DescField & { fieldKind: "map" }): string {
    if (field.mapKind === "enum") return String(field.enum.values[0]?.number ?? 0)
    if (!Messages.isMessageField(field)) return zero(scalarOf(field))
    const empty = `d${this.messages.indexOf(field.message)}(b,0,0,1)`
    return Messages.isJson(field) ? `toJson(${empty})` : empty
  }
}
