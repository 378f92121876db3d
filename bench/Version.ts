// @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
/**
 * A built checkout of tickvault with the Effect that it runs on, so that another version can be the peer of this one.
 *
 * It is used only through the entry of its package and its command line, which stay when modules move.
 */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type * as NodeServices from "@effect/platform-node/NodeServices"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Logger from "effect/Logger"
import type * as Tickvault from "../src/index.ts"
import type { Measured } from "./Measured.ts"

export interface Version {
  readonly Effect: typeof Effect
  readonly Layer: typeof Layer
  readonly Logger: typeof Logger
  readonly NodeServices: typeof NodeServices
  readonly tickvault: typeof Tickvault
  /** The file of its command line. */
  readonly main: string
}

/** Does the work once with a version. `folder` is empty, on the measured disk, and removed afterwards. */
export type VersionTurn = (version: Version, folder: string) => Promise<Measured>

/** This checkout. */
export const own = fileURLToPath(new URL("..", import.meta.url))

/** The files of the version in `checkout`. Throws when it isn't one or isn't built. */
export const files = (checkout: string): { readonly entry: string; readonly main: string } => {
  const root = resolve(checkout)
  const manifest = join(root, "package.json")
  if (!existsSync(manifest)) throw new Error(`${root} is not a checkout of tickvault: it has no package.json`)
  const { bin, exports, name } = JSON.parse(readFileSync(manifest, "utf8")) as {
    readonly name?: string
    readonly bin?: { readonly tickvault: string }
    readonly exports?: { readonly ".": { readonly default: string } }
  }
  if (name !== "tickvault" || bin === undefined || exports === undefined)
    throw new Error(`${root} is not a checkout of tickvault: its package.json has another name`)
  const found = { entry: join(root, exports["."].default), main: join(root, bin.tickvault) }
  for (const file of Object.values(found))
    if (!existsSync(file)) throw new Error(`${file} is missing: run "npm ci && npm run build" in ${root}`)
  return found
}

/** Loads the version in `checkout`. */
export const load = async (checkout: string): Promise<Version> => {
  const { entry, main } = files(checkout)
  const { resolve: found } = createRequire(entry)
  const module = async (name: string): Promise<unknown> => import(pathToFileURL(found(name)).href)
  return {
    Effect: (await module("effect/Effect")) as Version["Effect"],
    Layer: (await module("effect/Layer")) as Version["Layer"],
    Logger: (await module("effect/Logger")) as Version["Logger"],
    NodeServices: (await module("@effect/platform-node/NodeServices")) as Version["NodeServices"],
    tickvault: (await import(pathToFileURL(entry).href)) as Version["tickvault"],
    main
  }
}
