/** A PostgreSQL of the bench's own, for as long as the scope. */
import * as Effect from "effect/Effect"
import * as PostgresServer from "#test/kit/PostgresServer.ts"

/** Answers its URL. `more` are lines for its configuration. */
export const make = Effect.fnUntraced(function* (more?: string) {
  const folder = yield* Effect.acquireRelease(Effect.sync(PostgresServer.makeRunFolder), (made) =>
    Effect.sync(() => PostgresServer.stop(made))
  )
  const found = yield* Effect.promise(() => PostgresServer.find(folder, more))
  if ("missing" in found) throw new Error(`SKIP postgres: ${PostgresServer.remedy} (${found.missing})`)
  return found.url
})
