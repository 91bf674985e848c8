/**
 * A store looked through from outside: the client of a deployment, without migrations, actors or doors.
 *
 * Composes; the walk is `event-store/SqlVerify`. Nothing is created: where there is no store, that is said.
 */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as SqlVerify from "#layers/event-store/SqlVerify.ts"
import * as FileKeyRing from "#layers/key-ring/FileKeyRing.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as PgliteEngine from "#layers/sql-client/PgliteEngine.ts"
import * as PglitePgClient from "#layers/sql-client/PglitePgClient.ts"
import * as PostgresPgClient from "#layers/sql-client/PostgresPgClient.ts"
import * as Rebuild from "#src/gateway/Rebuild.ts"
import type { WrappedKey } from "#src/kernel/Append.ts"
import type { Settings } from "./Settings.ts"

/** There is nothing to verify where it was looked for. */
export class NoStore extends Schema.TaggedError<NoStore>()("NoStore", {
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.detail
  }
}

export interface Verification extends SqlVerify.Report {
  /** Wrapped keys that were unwrapped; null where the wrapping keys are not here. */
  readonly keys: number | null
}

export const verify = Effect.fnUntraced(function* (
  settings: Settings,
  options: Pick<SqlVerify.Options, "onProgress" | "problemsMax">
) {
  const client = settings.databaseUrl === null ? embedded(settings) : server(settings.databaseUrl)
  const schema = settings.databaseUrl === null ? "keelson" : settings.databaseSchema
  const keys = yield* keyCheck(resolve(settings.dataFolder, "keys"))
  return yield* Effect.gen(function* () {
    yield* present(yield* SqlClient, schema)
    const report = yield* SqlVerify.verify({
      ...options,
      schema,
      rebuild: yield* Rebuild.make,
      ...(keys === null ? {} : { checkKey: keys.check })
    })
    return { ...report, keys: keys === null ? null : keys.checked() } as Verification
  }).pipe(Effect.provide([yield* client, NodeDigest.layer]))
}, Effect.scoped)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const embedded = Effect.fnUntraced(function* ({ dataFolder }: Settings) {
  const folder = resolve(dataFolder, "journal")
  // An engine that is opened where there is no database makes one, which would be called clean.
  if (existsSync(join(folder, PgliteEngine.dataName))) return PglitePgClient.layer({ folder })
  return yield* none(`there is no store in ${resolve(dataFolder)}`)
})

const server = (url: NonNullable<Settings["databaseUrl"]>) =>
  Effect.succeed(PostgresPgClient.layer({ url, connectionsMax: 2, applicationName: "keelson verify" }))

const none = (detail: string) => Effect.fail(new NoStore({ detail, retryable: false }))

const present = Effect.fnUntraced(function* (sql: SqlClient, schema: string) {
  const [found] = yield* sql<{ name: string | null }>`SELECT to_regclass(${`${schema}.event`})::text AS name`
  if (found === undefined || found.name === null) return yield* none(`the schema ${schema} holds no journal of Keelson`)
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
