/** `Rows` over the table that the journal writes with its events. */
import * as Effect from "effect/Effect"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { type Row, type RowIndex, Rows } from "#src/ports/EventStore.ts"
import { JournalDefect } from "./Preparation.ts"
import { checkQuery, listStatement } from "./RowsSql.ts"
import type { Ask } from "./SqlEventStore.ts"

export const make = (schema: string, declared: ReadonlyArray<RowIndex>, ask: Ask): Rows["Service"] => {
  const table = `${schema}."row"`
  return Rows.of({
    get: (kind, key) =>
      Effect.map(
        ask<Stored>("get", `SELECT kind, key, body, position FROM ${table} WHERE kind = $1 AND key = $2`, [kind, key]),
        (rows) => (rows[0] === undefined ? null : toRow(rows[0]))
      ),
    list: (query) =>
      Effect.suspend(() => {
        checkQuery(query, declared)
        const statement = listStatement(table, query, Math.min(Math.max(0, query.limit), Bounds.readLimitMax))
        return Effect.map(ask<Stored>("list", statement.text, statement.values), (rows) => rows.map(toRow))
      }),
    counter: (name) =>
      Effect.map(ask<{ n: bigint }>("counter", `SELECT n FROM ${schema}.counter WHERE name = $1`, [name]), (rows) =>
        Number(rows[0]?.n ?? 0)
      ),
    counters: (prefix) =>
      Effect.map(
        ask<{ name: string; n: bigint }>(
          "counters",
          `SELECT name, n FROM ${schema}.counter WHERE name >= $1 AND starts_with(name, $1) ORDER BY name LIMIT $2`,
          [prefix, Bounds.countersMax + 1]
        ),
        (rows) => {
          if (rows.length > Bounds.countersMax) throw new JournalDefect(`more than ${Bounds.countersMax} counters`)
          return rows.map(({ name, n }) => [name, Number(n)] as const)
        }
      )
  })
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Stored {
  readonly kind: string
  readonly key: string
  readonly body: { readonly [field: string]: Json }
  readonly position: bigint
}

const toRow = ({ kind, key, body, position }: Stored): Row => ({ kind, key, body, position: Number(position) })
