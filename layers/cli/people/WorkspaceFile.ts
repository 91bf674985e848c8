/**
 * The file that an action would write, as it stands: to show a person what changes.
 *
 * A courtesy of a command on the same machine: no file, a large one, a link or a path out of the workspace shows the
 * whole content instead. What decides is the exact text beside it.
 */
import * as Effect from "effect/Effect"
import { open, realpath } from "node:fs/promises"
import { constants } from "node:fs"
import { resolve, sep } from "node:path"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Question from "./Question.ts"

export const before = (
  workspaceFolder: string,
  question: Pick<Question.Question, "arguments" | "tool">
): Effect.Effect<string | undefined> =>
  Effect.suspend(() => {
    const written = Question.fileWrite(question)
    if (written === null) return Effect.succeed(undefined)
    return Effect.orElseSucceed(
      Effect.tryPromise(() => read(workspaceFolder, written.path)),
      () => undefined
    )
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const read = async (workspaceFolder: string, path: string): Promise<string | undefined> => {
  const root = await realpath(resolve(workspaceFolder))
  const place = await realpath(resolve(root, path))
  if (!place.startsWith(root + sep)) return undefined
  const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await file.stat()
    return stats.isFile() && stats.size <= Bounds.fileBytesMax ? await file.readFile("utf8") : undefined
  } finally {
    await file.close()
  }
}
