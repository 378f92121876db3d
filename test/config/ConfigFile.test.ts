// @module-tag integration
// The parser opens files and addresses by itself: what it does is watched where it would happen.
// @effect-diagnostics nodeBuiltinImport:off
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import fs from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { vi } from "vitest"
import * as ConfigFile from "../../src/config/ConfigFile.ts"

const write = Effect.fnUntraced(function* (name: string, content: string | Uint8Array) {
  const files = yield* FileSystem.FileSystem
  const file = `${yield* files.makeTempDirectoryScoped({ prefix: "tickvault-config-" })}/${name}`
  yield* files.writeFile(file, typeof content === "string" ? new TextEncoder().encode(content) : content)
  return file
})

const read = (name: string, content: string | Uint8Array) =>
  Effect.flatMap(write(name, content), ConfigFile.read).pipe(Effect.provide(NodeServices.layer))

const value = (name: string, content: string) => Effect.map(read(name, content), (file) => file.value)

const hocon = (content: string) => value("x.conf", content)

const error = (name: string, content: string | Uint8Array) => Effect.flip(read(name, content))

const reason = (file: string) => Effect.map(Effect.flip(ConfigFile.read(file)), (failure) => failure.reason)

describe("a file", () => {
  it.effect("is read by its extension", () =>
    Effect.gen(function* () {
      const expected = { a: { b: [1, "x"] } }
      for (const [name, content] of [
        ["x.conf", "a { b = [1, x] }"],
        ["x.HOCON", "a.b = [1, x]"],
        ["x.yaml", "a:\n  b: [1, x]"],
        ["x.yml", "a: { b: [1, x] }"],
        ["x.json", '{"a": {"b": [1, "x"]}}']
      ] as const) {
        assert.deepStrictEqual(yield* value(name, content), expected, name)
      }
    })
  )

  it.effect("is refused when it is named otherwise, missing, unreadable, empty or too large", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = `${yield* files.makeTempDirectoryScoped()}/folder.conf`
      yield* files.makeDirectory(directory)
      assert.strictEqual(yield* reason("x.toml"), "extension")
      assert.strictEqual(yield* reason("conf"), "extension")
      assert.strictEqual(yield* reason(`${directory}/none.conf`), "missing")
      assert.strictEqual(yield* reason(directory), "unreadable")
      for (const [name, content] of [
        ["x.conf", " \n# nothing\n"],
        ["x.json", "{}"],
        ["x.yaml", "# nothing"],
        ["x.yaml", ""]
      ] as const) {
        assert.strictEqual((yield* error(name, content)).reason, "empty", content)
      }
      const full = new Uint8Array(ConfigFile.maxBytes).fill(0x20)
      assert.strictEqual((yield* error("x.conf", full)).reason, "empty")
      assert.strictEqual((yield* error("x.conf", new Uint8Array([...full, 0x20]))).reason, "too-large")
      assert.strictEqual((yield* error("x.conf", new Uint8Array([0x61, 0x3d, 0xff]))).reason, "syntax")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("is named in the error, with the line of a syntax error and the ways out", () =>
    Effect.gen(function* () {
      const extension = yield* Effect.flip(ConfigFile.read("x.toml"))
      assert.include(extension.message, "allowed are .conf, .hocon, .yaml, .yml, .json")
      for (const [name, content, expected] of [
        ["x.conf", 'a = 1\nb = "open\n', /x\.conf:2: Quoted string not closed!$/u],
        ["x.conf", "a {\n  b = [1\n", /x\.conf:2: `\[` is not closed$/u],
        ["x.conf", "a = 1\n}\n", /x\.conf:2: `\}` closes nothing$/u],
        ["x.conf", "a = 1\nb = queue-in:c\n", /x\.conf:2: unexpected text: quote a value that contains ":" or "="$/u],
        ["x.yaml", "a:\n  - b\n c: d", /x\.yaml:3: is not YAML: Unexpected indentation/u],
        ["x.json", '{"a": 1,}', /x\.json: is not JSON: /u]
      ] as const) {
        const failure = yield* error(name, content)
        assert.strictEqual(failure.reason, "syntax")
        assert.match(failure.message, expected)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("may begin with a byte order mark", () =>
    Effect.gen(function* () {
      for (const [name, content] of [
        ["x.conf", "\uFEFFa = 1"],
        ["x.yaml", "\uFEFFa: 1"],
        ["x.json", '\uFEFF{"a": 1}']
      ] as const) {
        assert.deepStrictEqual(yield* value(name, content), { a: 1 })
      }
    })
  )
})

describe("HOCON", () => {
  it.effect("has paths, dashes, comments, bare words and both signs", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* hocon('a-b.c = 1 # one\na-b.d : two words // three\n"e" = "#4", f = 0.5\ng\n{ h = true }\ni = null'),
        { "a-b": { c: 1, d: "two words" }, e: "#4", f: "0.5", g: { h: true }, i: null }
      )
    })
  )

  it.effect("merges objects, appends with += and takes the last of two values", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* hocon(
          "x { a = 1, b { c = 1 } }\nx { b { d = 2 } }\nx.a = 3\nl = [1]\nl += 2\nm = [1] [2]\nn = {o = 1} {p = 2}"
        ),
        { x: { a: 3, b: { c: 1, d: 2 } }, l: [1, "2"], m: [1, 2], n: { o: 1, p: 2 } }
      )
    })
  )

  it.effect("has lists without commas, triple quotes, escapes and Windows line ends", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* hocon('a = [\r\n  1\r\n  2,\r\n]\r\nb = """x\n"y" \\n"""\r\nc = "\\u0041\\n"'), {
        a: [1, 2],
        b: 'x\n"y" \\n',
        c: "A\n"
      })
    })
  )

  it.effect("substitutes values of the same file", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* hocon(
          "root = /data\ndir = ${root}/sub\nbase { n = 1 }\ncopy = ${base} { m = ${base.n} }\nl = [${root}]\nl = ${?l} [x]"
        ),
        { root: "/data", dir: "/data/sub", base: { n: 1 }, copy: { n: 1, m: 1 }, l: ["/data", "x"] }
      )
    })
  )

  it.effect("doesn't read environment variables, and says where they belong", () =>
    Effect.gen(function* () {
      const { env } = process
      const asked: Array<PropertyKey> = []
      const get = (target: NodeJS.ProcessEnv, name: string) => {
        asked.push(name)
        return target[name]
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => void (process.env = new Proxy({ ...env, TICKVAULT_PROBE: "from the environment" }, { get }))),
        () => Effect.sync(() => void (process.env = env))
      )
      for (const content of [
        "a = ${TICKVAULT_PROBE}",
        "a = ${?TICKVAULT_PROBE}",
        "a = /data\na = ${?TICKVAULT_PROBE}"
      ]) {
        const failure = yield* error("x.conf", content)
        assert.include(failure.message, "${TICKVAULT_PROBE} names no value of this file")
        assert.include(failure.message, "set an option with TICKVAULT_<COMPONENT>_<OPTION>")
      }
      assert.deepStrictEqual(yield* hocon("a = ${TICKVAULT_PROBE}\nTICKVAULT_PROBE = 1"), { a: 1, TICKVAULT_PROBE: 1 })
      assert.notInclude(asked, "TICKVAULT_PROBE")
    })
  )

  it.effect("refuses include in every form, and opens no file", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      yield* files.writeFileString(`${directory}/other.conf`, "stolen = 1")
      yield* files.writeFileString(`${directory}/other.js`, "globalThis.tickvaultProbe = 1; module.exports = { a: 1 }")
      const content = (include: string) => include.replace("FILE", `${directory}/other`)
      const exists = vi.spyOn(fs, "existsSync")
      const readSync = vi.spyOn(fs, "readFileSync")
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.restoreAllMocks()))
      yield* hocon("a = 1")
      exists.mockClear()
      readSync.mockClear()
      for (const include of [
        'include "FILE.conf"',
        'a { include required(file("FILE.conf")) }',
        'a = include "FILE.conf"',
        'include "FILE"',
        'require "FILE.js"',
        'a = 1, include"FILE.js"',
        'include classpath("FILE.conf")',
        "include { url = FILE }",
        "@FILE.conf",
        'a = @"FILE.js"',
        'x = include\n${x} "FILE.conf"',
        '[include "FILE.conf"]'
      ]) {
        assert.strictEqual((yield* error("x.conf", content(include))).reason, "syntax", include)
      }
      const touched = [...exists.mock.calls, ...readSync.mock.calls].filter(([path]) => String(path).includes("other"))
      assert.deepStrictEqual(touched, [])
      assert.notProperty(globalThis, "tickvaultProbe")
      assert.include((yield* error("x.conf", 'include "y"')).message, "a configuration is one file")
      assert.deepStrictEqual(yield* hocon('a = to "include" all, b = "include", c = included'), {
        a: "to include all",
        b: "include",
        c: "included"
      })
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("refuses to include an address, and connects to none", () =>
    Effect.gen(function* () {
      let requests = 0
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const made = createServer((_, response) => {
            requests++
            response.end("a = 1")
          }).listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
        }),
        (made) => Effect.sync(() => made.close())
      )
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.conf`
      for (const content of [
        `include url("${url}")`,
        `include "${url}"`,
        `a = include "${url}"`,
        `include { url = "${url}" }`
      ]) {
        assert.strictEqual((yield* error("x.conf", content)).reason, "syntax")
      }
      assert.strictEqual(requests, 0)
      yield* Effect.promise(() => fetch(url))
      assert.strictEqual(requests, 1)
    })
  )

  it.effect("runs no code and applies no transform", () =>
    Effect.gen(function* () {
      for (const content of [
        'a = [1] | eval { expr = "globalThis.tickvaultProbe = 1" }',
        'a = "globalThis.tickvaultProbe = 1" |eval',
        "a = | hash",
        '"{globalThis.tickvaultProbe = 1}" = 1',
        'a { "*{globalThis.tickvaultProbe = 1}" = 1 }',
        'a = ${"{globalThis.tickvaultProbe = 1}"}',
        'a = 1\nb = ${a."{globalThis.tickvaultProbe = 1}"}',
        'k = "{globalThis.tickvaultProbe = 1}"\n${k} = 1',
        'k = "{globalThis.tickvaultProbe = 1}"\na = ${${k}}',
        "k = x\na = [1], ${k} = 2"
      ]) {
        assert.strictEqual((yield* error("x.conf", content)).reason, "syntax", content)
      }
      assert.notProperty(globalThis, "tickvaultProbe")
      assert.deepStrictEqual(yield* hocon('a = "x | y", b = x|y'), { a: "x | y", b: "x|y" })
    })
  )

  it.effect("can't change a prototype", () =>
    Effect.gen(function* () {
      for (const content of [
        "__proto__ { tickvaultProbe = 1 }",
        "a.__proto__.tickvaultProbe = 1",
        'a { "__proto__" : { tickvaultProbe : 1 } }',
        '"__pro""to__" { tickvaultProbe = 1 }',
        '__pro# c\n"to__" { tickvaultProbe = 1 }',
        "constructor.prototype { tickvaultProbe = 1 }",
        "constructor { prototype { tickvaultProbe = 1 } }",
        'p = "__proto__"\n${p} { tickvaultProbe = 1 }',
        "a = ${__proto__}\na.tickvaultProbe = 1",
        "a = ${constructor.prototype}"
      ]) {
        assert.strictEqual((yield* error("x.conf", content)).reason, "syntax", content)
        assert.notProperty({}, "tickvaultProbe", content)
      }
    })
  )

  it.effect("gives up on substitutions that never end", () =>
    Effect.gen(function* () {
      for (const content of [
        "a = ${b}\nb = ${a}",
        "b = { x = ${a} }\na = { y = ${b} }",
        "a = ${a}x",
        "a { b = ${a} }"
      ]) {
        assert.strictEqual((yield* error("x.conf", content)).reason, "syntax", content)
      }
    })
  )
})
