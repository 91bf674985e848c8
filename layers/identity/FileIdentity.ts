/**
 * One owner, one token, one file: who stands at the door of a laptop's service.
 *
 *   no <folder>/owner.token --first start--> minted, 0600 --every start--> read, kept as a hash
 *
 * Owns the owner's token. Does not own further people and agents (`JournalIdentity`), or showing the token: the
 * command that starts the service prints it on a terminal only.
 *
 * To replace a token, stop the service, remove the file, start again.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { join } from "node:path"
import { PrincipalId } from "#src/kernel/Ids.ts"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { damaged, type PrivateFileError, PrivateFiles } from "#src/ports/PrivateFiles.ts"
import * as StaticIdentity from "./StaticIdentity.ts"
import * as Token from "./Token.ts"

export interface Options {
  /** The data folder. Others may not write into it; the token's file is 0600 in any case. */
  readonly folder: string
}

export interface OwnerToken {
  readonly token: Redacted.Redacted<string>
  readonly path: string
  /** True where this very call made it. */
  readonly minted: boolean
}

export const owner: Principal = { actor: { kind: "HUMAN", id: PrincipalId.make("owner") }, roles: ["owner"] }

/** The owner's token, minted where there is none. Of two first starts at once, both get the same one. */
export const ensureOwnerToken = Effect.fnUntraced(function* ({ folder }: Options) {
  const files = yield* PrivateFiles
  yield* files.ensureFolder(folder, "ToWriters")
  yield* files.removeStale(folder)
  return yield* readOwnerToken({ folder }).pipe(
    Effect.catchIf(
      (error) => error.reason === "Missing",
      () =>
        Effect.suspend(() => {
          const token = Token.mint()
          return files.create(folder, fileName, `${Redacted.value(token)}\n`).pipe(
            Effect.as<OwnerToken>({ token, path: join(folder, fileName), minted: true }),
            Effect.catchIf(
              (error) => error.reason === "Exists",
              () => readOwnerToken({ folder })
            )
          )
        })
    )
  )
})

/** The owner's token as it lies there; fails `Missing` where the service never started. For commands beside the service. */
export const readOwnerToken = Effect.fnUntraced(function* ({ folder }: Options) {
  const files = yield* PrivateFiles
  const path = join(folder, fileName)
  const text = (yield* files.read(folder, fileName)).trimEnd()
  if (!Token.isWellFormed(text)) return yield* damaged(path, "remove it, and the next start makes a new one")
  const found: OwnerToken = { token: Redacted.make(text, { label: "token" }), path, minted: false }
  return found
})

export const layer = (options: Options): Layer.Layer<Identity, PrivateFileError, PrivateFiles> =>
  Layer.effect(
    Identity,
    Effect.map(ensureOwnerToken(options), ({ token }) => StaticIdentity.make([{ token, principal: owner }]))
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const fileName = "owner.token"
