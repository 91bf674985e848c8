/**
 * A store looked through from outside: the client of a deployment, without migrations, actors or doors.
 *
 * Composes; the walk is `event-store/SqlVerify`. Nothing is created: where there is no store, that is said.
 */
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as SqlVerify from "#layers/event-store/SqlVerify.ts"
import * as FileKeyRing from "#layers/key-ring/FileKeyRing.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as Rebuild from "#src/gateway/Rebuild.ts"
import type { WrappedKey } from "#src/kernel/Append.ts"
import type { Settings } from "./Settings.ts"
import * as Signed from "./Signed.ts"
import * as StoreOutside from "./StoreOutside.ts"

export interface Verification extends SqlVerify.Report {
  /** Wrapped keys that were unwrapped; null where the wrapping keys are not here. */
  readonly keys: number | null
  /** Events that the checkpoint covers; null where none was named. */
  readonly signed: number | null
}

export interface Options extends Pick<SqlVerify.Options, "onProgress" | "problemsMax"> {
  /** A file with a checkpoint to hold the journal against. */
  readonly checkpoint?: string | null
  /** A file with the public keys that it must be signed with; those of the data folder unless told. */
  readonly keys?: string | null
}

export const verify = Effect.fnUntraced(function* (settings: Settings, options: Options) {
  const { onProgress, problemsMax } = options
  const { checkpoint = null, keys: judges = null } = options
  const signed = checkpoint === null ? null : yield* believed(settings, checkpoint, judges)
  const keys = yield* keyCheck(resolve(settings.dataFolder, "keys"))
  const report = yield* StoreOutside.using(
    settings,
    Effect.gen(function* () {
      return yield* SqlVerify.verify({
        onProgress,
        problemsMax,
        schema: StoreOutside.schemaOf(settings),
        rebuild: yield* Rebuild.make,
        ...(signed === null ? {} : { signed }),
        ...(keys === null ? {} : { checkKey: keys.check })
      })
    })
  )
  const verification: Verification = {
    ...report,
    keys: keys === null ? null : keys.checked(),
    signed: signed?.size ?? null
  }
  return verification
}, Effect.scoped)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const believed = Effect.fnUntraced(function* (settings: Settings, file: string, keys: string | null) {
  const { root, size } = yield* Signed.checkpoint(file, yield* Signed.keys(settings, keys))
  return { size, root, leaves: yield* Signed.leaves(settings, file, { size, root }) }
})

/** Unwraps every data key, where the wrapping keys lie in the data folder. */
const keyCheck = Effect.fnUntraced(function* (folder: string) {
  if (!existsSync(folder)) return null
  const { unwrap } = yield* FileKeyRing.make({ folder, createIfEmpty: false }).pipe(
    Effect.provide(NodePrivateFiles.layer)
  )
  let checked = 0
  return {
    checked: () => checked,
    check: (wrapped: WrappedKey) =>
      unwrap(wrapped).pipe(
        Effect.match({
          onFailure: (error) => error.detail,
          onSuccess: (key) => {
            checked += 1
            key.destroy()
            return null
          }
        })
      )
  }
})
