/** The folders of resources: their defaults, and that dead letters share none. */
import type { Report } from "../ConfigError.ts"
import type { FolderOption, ResourceKind } from "../Kind.ts"
import type { Document, Draft, Setting } from "./document.ts"
import { describe } from "../../domain/ValueText.ts"

type Resource = Draft<ResourceKind>

/** The resources with a folder, and which option names it. */
const withFolder = ({
  resources
}: Document): ReadonlyArray<{ readonly draft: Resource; readonly folder: FolderOption }> =>
  resources.flatMap((draft) => (draft.kind.folder === undefined ? [] : [{ draft, folder: draft.kind.folder }]))

/** The folder as it was set, else the kind's own default. */
const settingOf = (draft: Resource, { fallback, option }: FolderOption): Setting =>
  draft.options.get(option) ?? { value: fallback, source: "default", path: draft.path }

/** Gives those that want a subfolder of their own one in the folder of the first storage, unless theirs is set. */
export const setDefaults = (document: Document): void => {
  const all = withFolder(document)
  const storage = all.find(({ draft }) => draft.kind.role === "storage")
  if (storage === undefined) return
  const root = settingOf(storage.draft, storage.folder)
  if (typeof root.value !== "string" || root.value === "") return
  const source = root.source.startsWith("command line") ? root.source : "default"
  for (const { draft, folder } of all) {
    if (folder.subfolder === undefined || draft.options.has(folder.option)) continue
    const value = `${root.value.replace(/\/+$/u, "")}/${folder.subfolder}`
    draft.options.set(folder.option, { value, source, path: `${draft.path}.options.${folder.option}` })
  }
}

const normal = ({ value }: Setting): string | undefined =>
  typeof value === "string" ? value.replace(/^\.\//u, "").replace(/\/+$/u, "") : undefined

/**
 * Refuses a folder of dead letters that is also something else's: two queues would count each other's letters, and a
 * storage take them for runs.
 */
export const checkSeparate = (document: Document, report: Report): void => {
  const all = withFolder(document)
  const taken = new Map<string, string>()
  for (const { draft, folder } of all.filter((each) => each.folder.subfolder === undefined)) {
    const directory = normal(settingOf(draft, folder))
    if (directory !== undefined) taken.set(directory, draft.name)
  }
  for (const { draft, folder } of all.filter((each) => each.folder.subfolder !== undefined)) {
    const setting = draft.options.get(folder.option)
    const directory = setting === undefined ? undefined : normal(setting)
    if (setting === undefined || directory === undefined) continue
    const owner = taken.get(directory)
    taken.set(directory, draft.name)
    if (owner === undefined) continue
    const message = `is the directory of \`${owner}\` too: dead letters need one of their own`
    report({ path: setting.path, found: describe(setting.value), message, source: setting.source })
  }
}
