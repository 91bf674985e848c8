/** A folder (0700) that is gone when its scope closes. */
import * as Effect from "effect/Effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const make = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "keelson-test-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)
