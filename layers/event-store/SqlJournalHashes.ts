/** Positions and hashes by SQL, on a server or in PGlite: an index scan, without a word of the events. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import { SqlError } from "effect/sql/SqlError"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import { JournalHashes } from "#src/ports/JournalHashes.ts"
import * as SqlFailure from "./SqlFailure.ts"

export interface Options {
  readonly schema: string
  /** How long an answer is waited for; null where the engine runs in this very thread. */
  readonly timeoutMillis: number | null
}

export const layer = ({ schema, timeoutMillis }: Options): Layer.Layer<JournalHashes, never, SqlClient> =>
  Layer.effect(
    JournalHashes,
    Effect.map(SqlClient, (sql) => {
      const text = `SELECT position, hash FROM ${schema}.event WHERE position > $1 ORDER BY position LIMIT $2`
      return JournalHashes.of({
        after: (position, limit) => {
          const asked = sql.unsafe<{ readonly position: bigint; readonly hash: string }>(text, [
            BigInt(position),
            Math.min(Math.max(0, limit), Bounds.readLimitMax)
          ])
          return SqlFailure.within(timeoutMillis, asked).pipe(
            Effect.mapBoth({
              onSuccess: (rows) => rows.map((row) => ({ position: Number(row.position), hash: row.hash as Hash })),
              onFailure: (error) =>
                error instanceof SqlError
                  ? SqlFailure.toError("hashes", error)
                  : SqlFailure.unavailable("hashes", error.message)
            })
          )
        }
      })
    })
  )
