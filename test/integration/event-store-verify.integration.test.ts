/** `SqlVerify` names whatever was changed behind the journal's back, and says nothing about an honest store. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import * as SqlVerify from "#layers/event-store/SqlVerify.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { add, drop, put, type RowChange, type WrappedKey } from "#src/kernel/Append.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import type { Digest } from "#src/ports/Digest.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { chain, start, subject, wrappedKey } from "#test/kit/appends.ts"
import * as Postgres from "#test/kit/postgres.ts"
import { lots } from "#test/kit/randomAppends.ts"

/** Here an event's payload says which rows it changes. */
const rebuild = ({ envelope }: StoredEvent): ReadonlyArray<RowChange> =>
  envelope.payload["rows"] as unknown as ReadonlyArray<RowChange>

const payload = (...rows: ReadonlyArray<RowChange>) => ({ rows: rows as unknown as Json })

const sealedUnder = (name: string): Json => ({ sealed: { at: `${name}#1#/word`, box: "x", subject: name } })

/** Twelve streams with rows, drops, counters, refusals, keys and shredded subjects; and two cells. */
const history = Effect.gen(function* () {
  const store = yield* EventStore
  for (let index = 0; index < 12; index++) {
    const name = `history:${index}`
    const first = [put("thing", `t${index}`, { n: index, s: "a" }), add("things", 1)]
    const second = [put("thing", `t${index}`, { n: 1.5, s: "ö" }), add("changes", 2), put("other", name, {})]
    const third = [drop("thing", `t${index}`), add("things", -1)]
    const { appends } = chain(start(name), [
      { events: [{ ...payload(...first), word: sealedUnder(name) }], rows: first, keys: [wrappedKey(name)] },
      { events: [payload(), payload(...second), payload()], rows: second },
      { events: 0, key: `${name}/refused` },
      ...(index % 3 === 0 ? [{ events: [payload(...third)], rows: third, shred: [subject(name)] }] : [])
    ])
    yield* store.append(appends)
  }
  yield* store.setCell("restarts:clerk", null, "1")
  yield* store.setCell("restarts:clerk", "1", "2")
  yield* store.setCell("cursor:öffner", null, "7")
})

interface Tampered {
  readonly table: string
  readonly column: string
  /** How a row of the table is told from the others, as a condition. */
  readonly keys: ReadonlyArray<string>
  readonly type: "text" | "number" | "json"
}

const tampered: ReadonlyArray<Tampered> = [
  ...[
    "stream",
    "event_id",
    "type",
    "occurred_at",
    "actor_kind",
    "actor_id",
    "command_id",
    "correlation_id",
    "prev_hash",
    "hash",
    "body"
  ].map((column) => ({ table: "event", column, keys: ["position"], type: "text" as const })),
  { table: "event", column: "position", keys: ["stream", "version"], type: "number" },
  { table: "event", column: "version", keys: ["position"], type: "number" },
  { table: "stream_head", column: "stream", keys: ["hash"], type: "text" },
  { table: "stream_head", column: "version", keys: ["stream"], type: "number" },
  { table: "stream_head", column: "hash", keys: ["stream"], type: "text" },
  { table: "journal_head", column: "position", keys: ["one"], type: "number" },
  ...["principal", "key", "command_id", "stream", "subject", "digest", "answer", "hash"].map((column) => ({
    table: "receipt",
    column,
    keys: column === "hash" ? ["principal", "key"] : ["hash"],
    type: "text" as const
  })),
  { table: "receipt", column: "version", keys: ["hash"], type: "number" },
  { table: "receipt", column: "recorded_at_millis", keys: ["hash"], type: "number" },
  { table: "row", column: "kind", keys: ["key", "position"], type: "text" },
  { table: "row", column: "key", keys: ["kind", "position"], type: "text" },
  { table: "row", column: "body", keys: ["kind", "key"], type: "json" },
  { table: "row", column: "position", keys: ["kind", "key"], type: "number" },
  { table: "counter", column: "name", keys: ["n"], type: "text" },
  { table: "counter", column: "n", keys: ["name"], type: "number" },
  { table: "subject_key", column: "wrapped", keys: ["subject"], type: "text" },
  { table: "subject_key", column: "wrapping_version", keys: ["subject"], type: "number" },
  { table: "subject_key", column: "subject", keys: ["subject"], type: "text" },
  { table: "shredded", column: "subject", keys: ["subject"], type: "text" },
  { table: "cell", column: "name", keys: ["hash"], type: "text" },
  { table: "cell", column: "body", keys: ["name"], type: "text" },
  { table: "cell", column: "hash", keys: ["name"], type: "text" },
  { table: "migration", column: "id", keys: ["name"], type: "number" },
  { table: "migration", column: "name", keys: ["id"], type: "text" }
]

/** A table of one row needs no name for it; the pulse is written to see whether the store can be, and never read. */
const meaningless = ["journal_head.one", "pulse.one", "pulse.n"]

/** One character replaced by another one. */
const changedText = (text: string, pick: (below: number) => number): string => {
  const at = pick(text.length)
  const other = text[at] === "x" ? "y" : "x"
  return text.slice(0, at) + other + text.slice(at + 1)
}

class Schemas extends Context.Service<Schemas, string>()("test/Schema") {}

/** As the database's owner would: the protection taken off, one value changed, the protection put back. */
const asOwner = Effect.fnUntraced(function* (
  schema: string,
  table: string,
  change: string,
  values: ReadonlyArray<unknown>
) {
  const sql = yield* SqlClient
  yield* sql.unsafe(`ALTER TABLE ${schema}."${table}" DISABLE TRIGGER ALL`)
  yield* sql.unsafe(change, values).unprepared
  yield* sql.unsafe(`ALTER TABLE ${schema}."${table}" ENABLE TRIGGER ALL`)
  if (["event", "journal_head", "shredded"].includes(table)) {
    yield* sql.unsafe(`ALTER TABLE ${schema}."${table}" ENABLE ALWAYS TRIGGER protected`)
  }
})

const keyHolds = (key: WrappedKey) =>
  Effect.succeed(
    key.subject.startsWith("history:") && Equal.equals(key, wrappedKey(key.subject)) ? null : "it does not open"
  )

const verify = Effect.gen(function* () {
  return yield* SqlVerify.verify({ schema: yield* Schemas, rebuild, checkKey: keyHolds })
})

const tamper = (which: number, seed: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    const schema = yield* Schemas
    const { pick } = lots(seed)
    const { table, column, keys, type } = tampered[which]!
    const name = `${schema}."${table}"`
    const rows = yield* sql.unsafe<Record<string, unknown>>(`SELECT * FROM ${name} ORDER BY ${keys.join(", ")}`)
      .unprepared
    const row = rows[pick(rows.length)]!
    const old = row[column]
    const changed =
      type === "text"
        ? changedText(String(old), pick)
        : type === "number"
          ? Number(old) + 1_000
          : JSON.stringify({ ...(old as object), n: pick(1_000) + 0.25 })
    const cast = type === "json" ? "::jsonb" : type === "number" ? "::bigint" : ""
    const where = keys.map((key, index) => `${key} = $${index + 2}`).join(" AND ")
    yield* asOwner(schema, table, `UPDATE ${name} SET ${column} = $1${cast} WHERE ${where}`, [
      changed,
      ...keys.map((key) => row[key])
    ])
    const report = yield* verify
    const place = keys.map((key) => (key === column ? changed : row[key]))
    yield* asOwner(schema, table, `UPDATE ${name} SET ${column} = $1${cast} WHERE ${where}`, [
      type === "json" ? JSON.stringify(old) : old,
      ...place
    ])
    return { table, column, row, changed, report }
  })

/** True where the first problem points at what was changed, or at the place where it is missed. */
const names = ({ table, column, row, changed, report }: Effect.Success<ReturnType<typeof tamper>>): boolean => {
  const [first] = report.problems
  if (first === undefined) return false
  if (table === "event") {
    const position = Number(row["position"])
    return (
      first.table === "event" &&
      [position, position + 1, column === "position" ? changed : position].includes(first.position ?? 0)
    )
  }
  if (table === "journal_head") return first.table === "journal_head"
  // A subject that is not among the shredded any more has lost its key without an erasure.
  const missedAt = table === "shredded" ? "subject_key" : table
  const words = [row[column], changed, ...["key", "kind", "name", "id", "subject", "stream"].map((field) => row[field])]
  return report.problems.some(
    (problem) => problem.table === missedAt && words.some((word) => problem.name?.includes(String(word)))
  )
}

const suite = <E>(name: string, store: Layer.Layer<EventStore | SqlClient, E, Digest>, schema: string) =>
  describe(`verification on ${name}`, () => {
    const layer = Layer.effectDiscard(history).pipe(
      Layer.provideMerge(store),
      Layer.provideMerge(Layer.succeed(Schemas, schema)),
      Layer.provideMerge(NodeDigest.layer)
    )
    it.layer(layer, { timeout: 60_000 })((it) => {
      it.effect("finds nothing wrong in an honest store, and counts what it saw", () =>
        Effect.map(verify, (report) =>
          assert.deepStrictEqual(report, {
            events: 52,
            streams: 12,
            receipts: 40,
            rows: 20,
            counters: 2,
            problems: [],
            problemCount: 0
          })
        )
      )
      it.effect("is tried on every column that there is", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient
          const columns = yield* sql.unsafe<{ name: string }>(
            `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
             WHERE table_schema = $1 ORDER BY 1`,
            [schema]
          ).unprepared
          const tried = [...tampered.map(({ table, column }) => `${table}.${column}`), ...meaningless]
          assert.deepStrictEqual(columns.map(({ name }) => name).toSorted(), tried.toSorted())
        })
      )
      it.effect.prop(
        "names a changed character or number in any column of any table",
        [
          Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: tampered.length - 1 })),
          Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 }))
        ],
        ([which, seed]) =>
          Effect.map(tamper(which, seed), (seen) =>
            assert.isTrue(
              names(seen),
              `${seen.table}.${seen.column}: ${JSON.stringify(seen.report.problems.slice(0, 3))}`
            )
          ),
        { arbitrary: { runs: 60 }, timeout: 120_000 }
      )
      it.effect("names a change in each column once at least", () =>
        Effect.gen(function* () {
          for (const which of tampered.keys()) {
            const seen = yield* tamper(which, which * 7_919)
            assert.isTrue(
              names(seen),
              `${seen.table}.${seen.column}: ${JSON.stringify(seen.report.problems.slice(0, 3))}`
            )
          }
          assert.strictEqual((yield* verify).problemCount, 0, "every change was taken back")
        })
      )
      it.effect("names the event whose rows can't be rebuilt, and compares no rows then", () =>
        Effect.gen(function* () {
          const poison = (event: StoredEvent) => {
            if (event.position === 5) throw new Error("unknown event type")
            return rebuild(event)
          }
          const report = yield* SqlVerify.verify({ schema, rebuild: poison })
          assert.deepStrictEqual(
            report.problems.map(({ position, what }) => [position, what]),
            [[5, "its rows can't be rebuilt: unknown event type"]]
          )
        })
      )
      it.effect("refuses every change of an event, from the owner too", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient
          for (const change of [
            `UPDATE ${schema}.event SET body = 'x' WHERE position = 1`,
            `UPDATE ${schema}.event SET position = 1000 WHERE position = 1`,
            `DELETE FROM ${schema}.event`,
            `TRUNCATE ${schema}.event`,
            `DELETE FROM ${schema}.shredded`,
            `DELETE FROM ${schema}.journal_head`
          ]) {
            for (const role of ["origin", "replica"]) {
              const refused = yield* Effect.gen(function* () {
                yield* sql.unsafe(`SET LOCAL session_replication_role = ${role}`)
                yield* sql.unsafe(change)
              }).pipe(sql.withTransaction, Effect.flip)
              assert.strictEqual(refused.reason._tag, "ConstraintError", `${change} as ${role}`)
            }
          }
        })
      )
      it.effect("looks through the store of an older program too: what a later step brought is not missed", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient
          yield* sql.unsafe(`ALTER TABLE ${schema}.cell DROP COLUMN hash`)
          yield* sql.unsafe(`DELETE FROM ${schema}.migration WHERE id >= 4`)
          const report = yield* verify
          assert.deepStrictEqual(report.problems, [])
          assert.strictEqual(report.events, 52)
        })
      )
      // Last, since it leaves the store broken.
      it.effect("names what is missing, what came from nowhere, and a protection that is off", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient
          yield* sql.unsafe(`ALTER TABLE ${schema}.event DISABLE TRIGGER protected`)
          // An event that was changed and hashed again, its columns in order: its successor knows better.
          const [forged] = yield* sql.unsafe<{ position: bigint; body: string }>(
            `SELECT e.position, e.body FROM ${schema}.event e
             JOIN ${schema}.event n ON n.stream = e.stream AND n.version = e.version + 1
             WHERE e.position > 8 ORDER BY e.position LIMIT 1`
          )
          const envelope = JSON.parse(forged!.body) as { payload: object }
          const body = Canonical.encode({
            ...envelope,
            payload: { ...envelope.payload, forged: true }
          } as Canonical.Json)
          yield* sql.unsafe(`UPDATE ${schema}.event SET body = $1, hash = $2 WHERE position = $3`, [
            body,
            NodeDigest.sha256(body),
            forged!.position
          ])
          yield* sql.unsafe(`DELETE FROM ${schema}.subject_key WHERE subject = 'history:2'`)
          yield* sql.unsafe(
            `CREATE OR REPLACE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$`
          )
          yield* sql.unsafe(`DELETE FROM ${schema}.event WHERE position = 7`)
          yield* sql.unsafe(`INSERT INTO ${schema}."row" VALUES ('thing', 'planted', '{}', 3)`)
          yield* sql.unsafe(`DELETE FROM ${schema}."row" WHERE kind = 'other' AND key = 'history:5'`)
          yield* sql.unsafe(`INSERT INTO ${schema}.shredded VALUES ('history:1')`)
          const said = (yield* verify).problems.map(({ table, what }) => `${table}: ${what}`)
          for (const expected of [
            "event: position 7 is missing before it",
            "event: prevHash is not the hash of the event before it in its stream",
            "journal_head: it stands at 52; the last of 51 events has position 52",
            "subject_key: words are sealed under it, and it is gone without an erasure",
            "protection: the function refuse is not the one that Keelson installs",
            "row: no event put this row there",
            "row: the row is missing",
            "subject_key: the subject was shredded, and has a key again",
            "protection: the trigger that protects event is disabled"
          ]) {
            assert.include(said, expected)
          }
        })
      )
    })
  })

suite("pglite", PgliteEventStore.layer(), "keelson")

const postgres = await Postgres.server()
const schema = Postgres.freshSchema()
if (postgres !== null) suite("postgres", PostgresEventStore.layer({ url: postgres.url, schema }), schema)
