/** To be imported before a program: `tickvault/...` leads to the sources, as it does in the tests. */
// @effect-diagnostics nodeBuiltinImport:off
import { registerHooks } from "node:module"

registerHooks({
  resolve: (specifier, context, next) =>
    next(
      specifier.startsWith("tickvault/")
        ? new URL(`../../src/${specifier.slice("tickvault/".length)}.ts`, import.meta.url).href
        : specifier,
      context
    )
})
