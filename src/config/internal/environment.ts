/** Finds the pipeline's variables in the current `ConfigProvider`: the environment of the process, or that of a test. */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

type Path = ReadonlyArray<string | number>

/** A provider takes numbers in names for items of lists. No component has a number as high as this. */
const maxItems = 1000

const childrenOf = (node: ConfigProvider.Node): Path => {
  switch (node._tag) {
    case "Value":
      return []
    case "Record":
      return [...node.keys]
    case "Array":
      return Array.from({ length: Math.min(node.length, maxItems) }, (_, index) => index)
  }
}

const collect = (
  provider: ConfigProvider.ConfigProvider,
  path: Path
): Effect.Effect<ReadonlyArray<readonly [string, string]>, ConfigProvider.SourceError> =>
  Effect.gen(function* () {
    const node = yield* provider.load([...path])
    if (node === undefined) return []
    const below = yield* Effect.forEach(childrenOf(node), (segment) => collect(provider, [...path, segment]))
    const own = node.value === undefined ? [] : [[path.join("_"), node.value] as const]
    return [...own, ...below.flat()]
  })

/** The variables whose names begin with `TICKVAULT_`, from the current `ConfigProvider`. */
export const environment: Effect.Effect<Readonly<Record<string, string>>, ConfigProvider.SourceError> = Effect.gen(
  function* () {
    const provider = yield* ConfigProvider.ConfigProvider
    return Object.fromEntries(yield* collect(provider, ["TICKVAULT"]))
  }
)
