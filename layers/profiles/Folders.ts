/**
 * Folders that settings name, begun before whoever owns them makes the rest.
 *
 * Node's own `mkdir` with `recursive` never ends where a file system says of a folder that is there that it is not there
 * (`/proc`, a link that leads nowhere): it makes the parent, which is there, and tries again, for ever. Without `recursive`
 * it says so.
 */
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { FolderLocked } from "#layers/sql-client/FolderLock.ts"
import * as SystemCode from "#src/kernel/SystemCode.ts"

/** Makes the topmost folder on this way that is missing, for this user alone; nothing where all are there. */
export const begin = (folder: string): Effect.Effect<void, FolderLocked> =>
  Effect.try({
    try: () => {
      const first = firstMissing(resolve(folder))
      if (first !== null) makeOne(first)
    },
    catch: (cause) =>
      new FolderLocked({
        folder,
        holderPid: null,
        detail: `${folder} can't be made (${SystemCode.of(cause) ?? String(cause)})`,
        retryable: false
      })
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const firstMissing = (path: string): string | null => {
  let missing: string | null = null
  for (let at = path; !existsSync(at) && at !== dirname(at); at = dirname(at)) missing = at
  return missing
}

const makeOne = (path: string): void => {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (cause) {
    // Somebody else was faster. What can't be made and is not there either is a link that leads nowhere.
    if (!existsSync(path)) throw cause
  }
}
