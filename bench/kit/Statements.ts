/**
 * What the database did for each operation, by its own `pg_stat_statements`: elapsed time, waits for locks and for a
 * processor included.
 *
 * Counted once the service has started. PostgreSQL counts what runs within a statement: a commit's wait for the disk
 * stands in no row. Counting costs the database a little, so runs whose figures are kept do without.
 */
import * as Effect from "effect/Effect"
import type pg from "pg"
import { table } from "./statistics.ts"

/** Of a bench's options. */
export interface Wish {
  readonly statements?: boolean
}

/** Of a bench's report. */
export interface Counted {
  /** The most expensive first; only where that was asked for. */
  readonly statements?: ReadonlyArray<Statement>
}

export interface Statement {
  readonly text: string
  readonly callsPerOperation: number
  readonly rowsPerOperation: number
  readonly microsPerOperation: number
}

/** For the server's start: what runs within a function is counted too. */
export const options = ({ statements = false }: Wish) =>
  statements ? { database: "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = all" } : {}

/** Once the service has started. A server that was started elsewhere must have loaded it. */
export const begin = (wish: Wish, pool: pg.Pool): Effect.Effect<void> =>
  Effect.promise(async () => {
    if (wish.statements !== true) return
    await pool.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    await pool.query("SELECT pg_stat_statements_reset()")
  })

/** Of statements on the tables of that schema, and of those that begin and end a transaction. */
export const counted = (
  wish: Wish,
  pool: pg.Pool,
  { operations, schema }: { readonly operations: number; readonly schema: string }
): Effect.Effect<Counted> =>
  Effect.promise(async () => {
    if (wish.statements !== true) return {}
    const { rows } = await pool.query<{ query: string; calls: number; rows: number; micros: number }>(
      `SELECT query, calls::float8, rows::float8, total_exec_time * 1000 AS micros FROM pg_stat_statements
       WHERE query NOT LIKE '%' || $2 || '%' AND query NOT LIKE '%pg_%'
         AND (query LIKE '%' || $1 || '%' OR query IN ('BEGIN', 'COMMIT'))
       ORDER BY total_exec_time DESC LIMIT ${most}`,
      [schema, `${schema}_floor`]
    )
    const statements = rows.map(({ calls, micros, query, rows: touched }): Statement => ({
      text: query.replaceAll(schema, "keelson").replace(/\s+/g, " ").trim(),
      callsPerOperation: calls / operations,
      rowsPerOperation: touched / operations,
      microsPerOperation: micros / operations
    }))
    return { statements }
  })

/** For the end of a bench's table. */
export const lines = ({ statements }: Counted): ReadonlyArray<string> =>
  statements === undefined
    ? []
    : [
        "",
        table(
          ["for each operation", "calls", "rows", "µs elapsed"],
          statements.map(({ callsPerOperation, microsPerOperation, rowsPerOperation, text }) => [
            text.slice(0, textUnits),
            callsPerOperation.toFixed(3),
            rowsPerOperation.toFixed(2),
            microsPerOperation.toFixed(1)
          ])
        )
      ]

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const most = 12
const textUnits = 80
