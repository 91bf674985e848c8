/**
 * The floor that every figure is a ratio to: the plain `pg` client, a named prepared statement, one durable single-row
 * INSERT per operation, from twenty connections.
 */
import * as Effect from "effect/Effect"
import pg from "pg"

export const callers = 20

/** About the size of one event. */
export const body = "x".repeat(700)

export const make = Effect.fnUntraced(function* (url: string, schema: string) {
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() => new pg.Pool({ connectionString: url, max: callers })),
    (open) => Effect.promise(() => open.end())
  )
  yield* Effect.promise(() => pool.query(`CREATE SCHEMA ${schema}`))
  yield* Effect.promise(() => pool.query(`CREATE TABLE ${schema}.floor (id text PRIMARY KEY, body text NOT NULL)`))
  const text = `INSERT INTO ${schema}.floor (id, body) VALUES ($1, $2)`
  const insert = (caller: number, count: number): Promise<void> =>
    pool.query({ name: "floor", text, values: [`${caller}-${count}`, body] }).then(() => undefined)
  return { insert, pool }
})
