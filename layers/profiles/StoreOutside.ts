/**
 * A deployment's store from outside: its SQL client, without migrations, actors or doors.
 *
 * Nothing is created: where there is no store, that is said. An embedded one must not be in use.
 */
import { statSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEngine from "#layers/sql-client/PgliteEngine.ts"
import * as PglitePgClient from "#layers/sql-client/PglitePgClient.ts"
import * as PostgresPgClient from "#layers/sql-client/PostgresPgClient.ts"
import * as SystemCode from "#src/kernel/SystemCode.ts"
import type { Settings } from "./Settings.ts"

/** There is nothing to look at where it was looked for. */
export class NoStore extends Schema.TaggedError<NoStore>()("NoStore", {
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.detail
  }
}

/** The schema that a deployment's journal lies in. */
export const schemaOf = ({ databaseSchema, databaseUrl }: Settings): string =>
  databaseUrl === null ? "keelson" : databaseSchema

/** Runs what asks the store, once a journal was found there. */
export const using = <A, E, R>(settings: Settings, ask: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const client = settings.databaseUrl === null ? embedded(settings) : server(settings.databaseUrl)
    const asked = Effect.andThen(
      Effect.flatMap(SqlClient, (sql) => present(sql, schemaOf(settings))),
      ask
    )
    return yield* Effect.provide(asked, [yield* client, NodeDigest.layer])
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const embedded = Effect.fnUntraced(function* ({ dataFolder }: Settings) {
  const folder = resolve(dataFolder, "journal")
  // An engine that is opened where there is no database makes one, which would be called clean.
  const missing = yield* Effect.sync(() => codeOf(join(folder, PgliteEngine.dataName)))
  if (missing === null) return PglitePgClient.layer({ folder })
  const isAbsent = missing === "ENOENT" || missing === "ENOTDIR"
  return yield* none(
    isAbsent
      ? `there is no store in ${resolve(dataFolder)}`
      : `this user can't look into ${resolve(dataFolder)} (${missing}), so whether there is a store is not known`
  )
})

/** Why a path can't be looked at, by the system's code; null where it can. */
const codeOf = (path: string): string | null => {
  try {
    statSync(path)
    return null
  } catch (cause) {
    return SystemCode.of(cause) ?? String(cause)
  }
}

const server = (url: NonNullable<Settings["databaseUrl"]>) =>
  Effect.succeed(PostgresPgClient.layer({ url, connectionsMax: 2, applicationName: "keelson verify" }))

const none = (detail: string) => Effect.fail(new NoStore({ detail, retryable: false }))

const present = Effect.fnUntraced(function* (sql: SqlClient, schema: string) {
  const [found] = yield* sql<{ name: string | null }>`SELECT to_regclass(${`${schema}.event`})::text AS name`
  if (found === undefined || found.name === null) return yield* none(`the schema ${schema} holds no journal of Keelson`)
})
