/** A tracer that keeps its spans, and a short way to look at a trace. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** Whether a span is a child of `parent`. */
export const isChildOf = (parent: Tracer.Span) => (span: Tracer.Span) =>
  Option.isSome(span.parent) && span.parent.value.spanId === parent.spanId

/** Makes the tracer, with the spans that it has seen begin, in that order. */
export const makeTracer = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, record: Effect.provideService(Tracer.Tracer, tracer) }
}

/** The trace below `root`, a line a span, indented: its name, how it ended when it failed, and its attributes. */
export const traceOf = (spans: ReadonlyArray<Tracer.Span>, root: Tracer.Span, depth = 0): ReadonlyArray<string> => {
  const { attributes, name, status } = root
  const failed = status._tag === "Ended" && status.exit._tag === "Failure" ? " FAILED" : ""
  const facts = [...attributes].map(([key, value]) => ` ${key}=${String(value)}`).join("")
  const below = spans.filter(isChildOf(root)).flatMap((span) => traceOf(spans, span, depth + 1))
  return [`${"  ".repeat(depth)}${name}${failed}${facts}`, ...below]
}
