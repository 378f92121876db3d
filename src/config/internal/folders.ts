/** The folders of resources: their defaults, and the check that dead letters have their own. */
import type { Report } from "../ConfigError.ts"
import type { FolderOption, ResourceKind } from "../Kind.ts"
import type { Document, Draft, Setting } from "./document.ts"
import { describe } from "../../domain/ValueText.ts"

type Resource = Draft<ResourceKind>

/** The resources with a folder, and the option that names it. */
const withFolder = ({
  resources
}: Document): ReadonlyArray<{ readonly draft: Resource; readonly folder: FolderOption }> =>
  resources.flatMap((draft) => (draft.kind.folder === undefined ? [] : [{ draft, folder: draft.kind.folder }]))

/** The configured folder, or else the default of the kind. */
const settingOf = (draft: Resource, { fallback, option }: FolderOption): Setting =>
  draft.options.get(option) ?? { value: fallback, source: "default", path: draft.path }

/** Sets the default of each resource that needs its own subfolder: it is in the folder of the first storage. */
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
 * Refuses a folder of dead letters that another resource uses too. Otherwise two queues would count each other's letters,
 * and a storage would treat them as runs.
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
