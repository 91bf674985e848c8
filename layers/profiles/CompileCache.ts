/**
 * Node's own compile cache for the program's modules: a start reads what an earlier one compiled.
 *
 * Owns where it lies and whom it is shared with. Does not own its contents: Node keys them by its version, the user and
 * a module's text, writes them when a process ends, and leaves out what does not fit.
 *
 * What lies there is run, so it lies beside the packages, in `node_modules/.cache/keelson`: who can write there can
 * change the program itself. A folder that is another user's, or that others can write to, is left alone, and nothing
 * that fails here ends a start.
 *
 * Imports Node's modules alone, for it has to be there before anything that it is to keep.
 */
import { lstatSync, mkdirSync } from "node:fs"
import { enableCompileCache, getCompileCacheDir } from "node:module"
import { basename, dirname, join } from "node:path"

/**
 * Where modules of the package at `root` are kept, once the folder is there and `user`'s alone; `null` where it
 * can't be, or where there is no `node_modules` to put it into.
 */
export const privateFolder = (root: string, user = process.getuid?.()): string | null => {
  const above = dirname(root)
  const packages = basename(above) === "node_modules" ? above : join(root, "node_modules")
  const folder = join(packages, ".cache/keelson")
  try {
    if (!lstatSync(packages).isDirectory()) return null
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const found = lstatSync(folder)
    const ours = found.isDirectory() && found.uid === user && (found.mode & 0o022) === 0
    return ours ? folder : null
  } catch {
    return null
  }
}

/** Modules that are loaded from now on come from the cache, or go into it. A cache that Node was told to use stays. */
export const enable = (root: string): void => {
  const folder = getCompileCacheDir() === undefined ? privateFolder(root) : null
  if (folder !== null) enableCompileCache(folder)
}
