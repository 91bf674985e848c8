/**
 * The file that an action would write, as it stands: to show a person what changes.
 *
 * A courtesy of a command on the same machine. A service elsewhere, a workspace that is not here, a large file, a link
 * or a path out of the workspace can't be looked at, and no more than that is said. What decides is the exact text.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { constants } from "node:fs"
import { open, realpath } from "node:fs/promises"
import { resolve, sep } from "node:path"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Question from "./Question.ts"

export interface Place {
  /** Where the service answers. */
  readonly url: string
  readonly workspaceFolder: string
}

export const before = (
  place: Place,
  question: Pick<Question.Question, "arguments" | "tool">
): Effect.Effect<Question.Before> =>
  Effect.suspend(() => {
    const written = Question.fileWrite(question)
    if (written === null || !onThisMachine(place.url)) return Effect.succeed(undefined)
    return Effect.orElseSucceed(
      Effect.tryPromise(() => read(place.workspaceFolder, written.path)),
      () => undefined
    )
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const onThisMachine = (url: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname)

const read = async (workspaceFolder: string, path: string): Promise<Question.Before> => {
  const root = await realpath(resolve(workspaceFolder))
  const wished = resolve(root, path)
  if (!wished.startsWith(root + sep)) return undefined
  const place = await found(wished)
  if (place === null) return null
  if (!place.startsWith(root + sep)) return undefined
  const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await file.stat()
    return stats.isFile() && stats.size <= Bounds.fileBytesMax ? await file.readFile("utf8") : undefined
  } finally {
    await file.close()
  }
}

const found = async (path: string): Promise<string | null> => {
  try {
    return await realpath(path)
  } catch (error) {
    if (Predicate.hasProperty(error, "code") && error.code === "ENOENT") return null
    throw error
  }
}
