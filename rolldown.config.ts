// @effect-diagnostics nodeBuiltinImport:off
/**
 * Makes the command line of `src/main.ts` and all that it needs: a few files, which start more than twice as fast as
 * several hundred modules that have to be found one by one.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { defineConfig, type Plugin } from "rolldown"

/** The package that a module belongs to, if it is not this one's own. */
const packageOf = (id: string): string | undefined => {
  if (!id.includes("/node_modules/")) return undefined
  let folder = dirname(id.replace(/^\0/u, ""))
  while (!existsSync(join(folder, "package.json")) || !/\/node_modules\/(?:@[^/]+\/)?[^/]+$/u.test(folder)) {
    folder = dirname(folder)
  }
  return folder
}

/** Puts the terms of every package that the output has code of beside it, as they ask for. */
const notices: Plugin = {
  name: "notices",
  generateBundle(_, bundle) {
    const modules = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? file.moduleIds : []))
    const folders = new Set(modules.flatMap((id) => packageOf(id) ?? []))
    const texts = [...folders].sort().map((folder) => {
      const { license, name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
        string,
        string
      >
      const files = readdirSync(folder).filter((file) => /^(?:licen[cs]e|notice)/iu.test(file))
      const terms = files.map((file) => readFileSync(join(folder, file), "utf8").trim())
      return [`# ${name} ${version}: ${license}`, ...terms].join("\n\n")
    })
    this.emitFile({ type: "asset", fileName: "bin/THIRD-PARTY-NOTICES.md", source: `${texts.join("\n\n")}\n` })
  }
}

export default defineConfig({
  input: "src/main.ts",
  // It finds its own modules by names that it puts together.
  external: ["@pushcorn/hocon-parser"],
  platform: "node",
  plugins: [notices],
  output: { dir: "dist", format: "esm", entryFileNames: "main.js", chunkFileNames: "bin/[name]-[hash].js" }
})
