/**
 * Tells the user what to do when Node is too old. Imports nothing, so that it runs on any Node with modules.
 */

/** The oldest Node that runs tickvault. */
const oldest: readonly [major: number, minor: number] = [22, 19]

/** The problem with this version of Node and its solution. `undefined` when the version is new enough. */
export const complaint = (version: string): string | undefined => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return undefined
  return (
    `tickvault needs Node ${oldest.join(".")} or newer, and this is Node ${version}.\n` +
    "In a checkout, `npm start` and `npm run tickvault` bring their own; elsewhere install a newer Node, " +
    "or run `npx --package=node@24 --package=tickvault tickvault`."
  )
}
