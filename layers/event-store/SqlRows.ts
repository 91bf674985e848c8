/** `Rows` over the table that the journal writes with its events. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { type Row, type RowIndex, Rows } from "#src/ports/EventStore.ts"
import { JournalDefect, rowName } from "./Preparation.ts"
import * as ReadBatches from "./ReadBatches.ts"
import { checkQuery, listStatement } from "./RowsSql.ts"
import type { Ask } from "./SqlEventStore.ts"

export const make = (schema: string, declared: ReadonlyArray<RowIndex>, ask: Ask): Rows["Service"] => {
  const table = `${schema}."row"`
  const get = ReadBatches.make<Name, Row | null>({
    keysMax: rowsMax,
    read: (names) =>
      Effect.map(ask<Stored>("get", ...getStatement(table, names)), (found) => {
        const rows = new Map(found.map((row) => [nameOf(row), row]))
        return names.map((name) => {
          const row = rows.get(nameOf(name))
          return Exit.succeed(row === undefined ? null : toRow(row))
        })
      })
  })
  return Rows.of({
    get: (kind, key) => (isStorable(kind) && isStorable(key) ? get({ kind, key }) : Effect.succeed(null)),
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

/** Rows that one statement asks for by name. */
const rowsMax = 64

interface Name {
  readonly kind: string
  readonly key: string
}

const nameOf = ({ key, kind }: Name): string => rowName(kind, key)

/** No row's name holds a line break (`Preparation`), which stands between names here, nor what text can't hold. */
const isStorable = (text: string): boolean => !/[\n\0]/.test(text)

/** Each name by its index; the lateral look keeps the planner from reading the whole table instead. */
const getStatement = (table: string, names: ReadonlyArray<Name>): [text: string, values: ReadonlyArray<unknown>] => {
  const [first] = names
  if (names.length === 1 && first !== undefined) {
    return [`SELECT kind, key, body, position FROM ${table} WHERE kind = $1 AND key = $2`, [first.kind, first.key]]
  }
  const lines = (of: (name: Name) => string) => names.map(of).join("\n")
  return [
    `SELECT d.kind, d.key, d.body, d.position
     FROM unnest(string_to_array($1, E'\\n'), string_to_array($2, E'\\n')) AS w (kind, key)
     CROSS JOIN LATERAL (
       SELECT kind, key, body, position FROM ${table} r WHERE r.kind = w.kind AND r.key = w.key OFFSET 0
     ) d`,
    [lines(({ kind }) => kind), lines(({ key }) => key)]
  ]
}

interface Stored extends Name {
  readonly body: { readonly [field: string]: Json }
  readonly position: bigint
}

const toRow = ({ kind, key, body, position }: Stored): Row => ({ kind, key, body, position: Number(position) })
