/**
 * Node's own compile cache for the program's modules: a start reads what an earlier one compiled.
 *
 * Owns where it lies and whom it is shared with. Does not own its contents: Node keys them by its version, the user and
 * a module's text, writes them when a process ends, and leaves out what does not fit.
 *
 * What lies there is run, so it lies among the packages, in `node_modules/.keelson`: who can write there can change the
 * program itself. A folder that is another user's, or that others can write to, is left alone, and nothing that fails
 * here ends a start.
 *
 * Imports Node's modules alone, for it has to be there before anything that it is to keep.
 */
import { existsSync, lstatSync, mkdirSync } from "node:fs"
import { enableCompileCache, getCompileCacheDir } from "node:module"
import { basename, dirname, join } from "node:path"

/**
 * Where the modules in `folder` are kept: among the packages that Node finds first from there. `null` where there are
 * none, or where it can't be `user`'s alone.
 */
export const privateFolder = (folder: string, user = process.getuid?.()): string | null => {
  const packages = packagesOf(folder)
  if (packages === null) return null
  const kept = join(packages, ".keelson")
  try {
    // Else who installed them could not remove them.
    if (lstatSync(packages).uid !== user) return null
    mkdirSync(kept, { recursive: true, mode: 0o700 })
    const found = lstatSync(kept)
    return found.isDirectory() && found.uid === user && (found.mode & 0o022) === 0 ? kept : null
  } catch {
    return null
  }
}

/** Modules that are loaded from now on come from the cache, or go into it. A cache that Node was told to use stays. */
export const enable = (folder: string): void => {
  const kept = getCompileCacheDir() === undefined ? privateFolder(folder) : null
  if (kept !== null) enableCompileCache(kept)
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const packagesOf = (folder: string): string | null => {
  if (basename(folder) === "node_modules") return folder
  const here = join(folder, "node_modules")
  if (existsSync(here)) return here
  const above = dirname(folder)
  return above === folder ? null : packagesOf(above)
}
