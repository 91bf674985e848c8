/** The tables of an empty store, written in lots, and one plain table to compare with. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as Journal from "#layers/profiles/Journal.ts"
import * as Settings from "#layers/profiles/Settings.ts"
import * as StoreOutside from "#layers/profiles/StoreOutside.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Server from "./server.ts"
import { kindAndKey, nameOf, type Tables } from "./history.ts"

export type Database = "PostgreSQL" | "PGlite"

/** Rows of one statement: as `keelson verify` writes what it rebuilds. */
const lot = 5_000
/** Rows of one plain INSERT: a statement takes at most 65,535 parameters. */
const plainLot = 1_000

/** The store that a service would open, with every index it declares. */
export const make = Effect.fnUntraced(function* (database: Database) {
  const databaseUrl = database === "PGlite" ? null : yield* Server.make()
  const settings: Settings.Settings = {
    ...Settings.defaults,
    dataFolder: yield* TemporaryFolder.make,
    databaseUrl: databaseUrl === null ? null : Redacted.make(databaseUrl),
    databaseSchema: `bench_${process.pid}`
  }
  const context = yield* Effect.orDie(Layer.build(Journal.journal(settings).pipe(Layer.provide(NodeDigest.layer))))
  return yield* Effect.gen(function* () {
    const sql = yield* SqlClient
    const ask = <A extends object>(text: string, values: ReadonlyArray<unknown> = []) => sql.unsafe<A>(text, values)
    const s = StoreOutside.schemaOf(settings)
    yield* ask(`CREATE TABLE ${s}.floor (kind text, key text, body jsonb, position bigint, PRIMARY KEY (kind, key))`)
    const runPromise = Effect.runPromiseWith(yield* Effect.context<never>())
    const within = (work: Effect.Effect<unknown, unknown>) =>
      runPromise(Effect.orDie(Effect.asVoid(sql.withTransaction(work))))
    return {
      empty: () => runPromise(Effect.orDie(Effect.asVoid(ask(`TRUNCATE ${s}."row", ${s}.counter, ${s}.floor`)))),
      write: ({ counters, rows }: Tables) =>
        within(
          Effect.gen(function* () {
            for (const some of lots([...rows], lot)) {
              const lines = some.map(([name, body]) => [...kindAndKey(name), body])
              yield* ask(insertRows(s), [JSON.stringify(lines)])
            }
            for (const some of lots([...counters], lot)) yield* ask(insertCounters(s), [JSON.stringify(some)])
          })
        ),
      floor: ({ counters, rows }: Tables) =>
        within(
          Effect.forEach(
            lots([...rows, ...[...counters].map(([name, n]) => [`counter ${name}`, `${n}`] as const)], plainLot),
            (some) =>
              ask(
                `INSERT INTO ${s}.floor VALUES ${some.map((_, index) => places(index)).join(", ")}`,
                some.flatMap(([name, body]) => [...kindAndKey(name), body, 1n])
              )
          )
        ),
      read: (): Promise<Tables> => runPromise(Effect.orDie(readFrom(s, ask)))
    }
  }).pipe(Effect.orDie, Effect.provideContext(context))
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const lots = <A>(all: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))

const places = (index: number): string => `(${[1, 2, 3, 4].map((column) => `$${index * 4 + column}`).join(", ")})`

const insertRows = (s: string): string => `
  INSERT INTO ${s}."row" (kind, key, body, position)
  SELECT e ->> 0, e ->> 1, (e ->> 2)::jsonb, 1 FROM jsonb_array_elements($1::jsonb) e`

const insertCounters = (s: string): string => `
  INSERT INTO ${s}.counter (name, n) SELECT e ->> 0, (e ->> 1)::bigint FROM jsonb_array_elements($1::jsonb) e`

const readFrom = Effect.fnUntraced(function* (
  s: string,
  ask: <A extends object>(text: string) => Effect.Effect<ReadonlyArray<A>, unknown>
) {
  const rows = yield* ask<{ kind: string; key: string; body: Canonical.Json }>(`SELECT kind, key, body FROM ${s}."row"`)
  const counters = yield* ask<{ name: string; n: bigint }>(`SELECT name, n FROM ${s}.counter`)
  const tables: Tables = {
    rows: new Map(rows.map(({ body, key, kind }) => [nameOf(kind, key), Canonical.encode(body)])),
    counters: new Map(counters.map(({ n, name }) => [name, Number(n)]))
  }
  return tables
})
