/**
 * Questions over rows as SQL.
 *
 * Owns the expressions that declared indexes and questions share: PostgreSQL uses an index only for the very
 * expression it was declared on. Values are compared as JSON, so the text "5" is not the number 5.
 */
import type { RowIndex, RowsQuery } from "#src/ports/EventStore.ts"
import { JournalDefect } from "./Preparation.ts"

export interface Statement {
  readonly text: string
  readonly values: ReadonlyArray<unknown>
}

/** A number in a body's field, or NULL where the field is missing or no number. `field` is checked by its declaration. */
export const numberOf = (field: string): string =>
  `(CASE WHEN jsonb_typeof(body -> '${field}') = 'number' THEN (body ->> '${field}')::double precision END)`

/** Throws `JournalDefect` where a field is asked for that no `RowIndex` declares: it would scan the table. */
export const checkQuery = (query: RowsQuery, declared: ReadonlyArray<RowIndex>): void => {
  const has = (field: string, types: ReadonlyArray<RowIndex["type"]>) =>
    declared.some((index) => index.kind === query.kind && index.field === field && types.includes(index.type))
  const miss = (field: string) => new JournalDefect(`no index is declared on ${query.kind}.${field}`)
  for (const field of Object.keys(query.where ?? {})) if (!has(field, ["text", "number"])) throw miss(field)
  for (const field of [query.atMost?.field, query.orderBy]) {
    if (field !== undefined && !has(field, ["number"])) throw miss(field)
  }
}

/** The question as one statement. Fields and kind have passed `checkQuery`, or the kind stands as a parameter. */
export const listStatement = (table: string, query: RowsQuery, limit: number): Statement => {
  const values: Array<unknown> = []
  const value = (given: unknown): string => `$${values.push(given)}`
  const declared = query.where !== undefined || query.atMost !== undefined || query.orderBy !== undefined
  // A partial index serves a literal kind only.
  const conditions = [`kind = ${declared ? `'${query.kind}'` : value(query.kind)}`]
  for (const [field, wanted] of Object.entries(query.where ?? {})) {
    conditions.push(`(body -> '${field}') = ${value(JSON.stringify(wanted))}::jsonb`)
  }
  if (query.atMost !== undefined) {
    conditions.push(`${numberOf(query.atMost.field)} <= ${value(query.atMost.value)}::double precision`)
  }
  const down = query.descending === true
  const order = query.orderBy === undefined ? ["key"] : [numberOf(query.orderBy), "key"]
  if (query.orderBy !== undefined) conditions.push(`${numberOf(query.orderBy)} IS NOT NULL`)
  if (query.after !== undefined) {
    const from =
      query.orderBy === undefined
        ? value(query.after.key)
        : `${value(query.after.value ?? 0)}::double precision, ${value(query.after.key)}`
    conditions.push(`(${order.join(", ")}) ${down ? "<" : ">"} (${from})`)
  }
  const text =
    `SELECT kind, key, body, position FROM ${table} WHERE ${conditions.join(" AND ")} ` +
    `ORDER BY ${order.map((by) => `${by} ${down ? "DESC" : "ASC"}`).join(", ")} LIMIT ${value(limit)}`
  return { text, values }
}
