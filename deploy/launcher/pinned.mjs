/**
 * A Node that is pinned by a small lockfile in a folder of its own: where it stands, and whether it is the one.
 *
 * Owns: the look at that folder. Does not own: which Node is chosen (`decide.mjs`), bringing it (`install.mjs`).
 * Invariants: reads two small files and starts nothing; what npm's record gives another integrity is not there.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { readLock } from "./install.mjs"

/**
 * @param {string} home the folder with package.json and lockfile
 * @param {{ readonly name: string, readonly executable: string }} choice the package, and the program inside
 */
export const pinnedNode = (home, choice) => {
  const executable = path.join(home, "node_modules", choice.name, choice.executable)
  const key = `node_modules/${choice.name}`
  const wanted = readLock(path.join(home, "package-lock.json"))?.packages?.[key]
  const installed = readLock(path.join(home, "node_modules/.package-lock.json"))?.packages?.[key]
  const isThere = installed !== undefined && installed.integrity === wanted?.integrity && fs.existsSync(executable)
  return { executable, version: String(wanted?.version), isThere }
}
