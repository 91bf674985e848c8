/** What only the SQL stores can meet: tables that contradict themselves, other programs' schemas, starts at once. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as Migrations from "#layers/event-store/Migrations.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import { put } from "#src/kernel/Append.ts"
import { CommandKey, PrincipalId } from "#src/kernel/Ids.ts"
import type { Digest } from "#src/ports/Digest.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { chain, on, start } from "#test/kit/appends.ts"
import * as Postgres from "#test/kit/postgres.ts"

const rowIndexes = [{ kind: "long", field: "s", type: "text" as const }]

const suite = <E>(name: string, store: Layer.Layer<EventStore | SqlClient, E, Digest>, schema: string) =>
  describe(`the journal's tables on ${name}`, () => {
    /** As the database's owner, with the protection off. */
    const change = (text: string) =>
      Effect.flatMap(SqlClient, (sql) =>
        Effect.forEach(
          [
            `ALTER TABLE ${schema}.event DISABLE TRIGGER protected`,
            text,
            `ALTER TABLE ${schema}.event ENABLE ALWAYS TRIGGER protected`
          ],
          (statement) => sql.unsafe(statement).unprepared,
          { discard: true }
        )
      )

    const reason = <A, R>(effect: Effect.Effect<A, { readonly reason: string }, R>) =>
      Effect.map(Effect.flip(effect), (error) => error.reason)

    it.layer(Layer.provideMerge(store, NodeDigest.layer), { timeout: 60_000 })((it) => {
      it.effect("fail a stream's read as corrupt where an event was changed, moved or taken away", () =>
        Effect.gen(function* () {
          const journal = yield* EventStore
          for (const [index, harm] of [
            "UPDATE event SET body = replace(body, 'thing', 'thong') WHERE stream = $ AND version = 2",
            "UPDATE event SET hash = repeat('0', 64) WHERE stream = $ AND version = 3",
            "UPDATE event SET version = 9 WHERE stream = $ AND version = 3",
            "DELETE FROM event WHERE stream = $ AND version = 1",
            "DELETE FROM event WHERE stream = $ AND version = 2",
            "UPDATE receipt SET answer = 'other' WHERE stream = $"
          ].entries()) {
            const stream = `harm:${index}`
            const { appends, next } = chain(start(stream), [{}, {}, {}])
            yield* journal.append(appends)
            yield* journal.readStream(next.stream)
            yield* change(harm.replace(/(event|receipt) /, `${schema}.$1 `).replace("$", `'${stream}'`))
            assert.strictEqual(yield* reason(journal.readStream(next.stream)), "Corrupt", harm)
          }
          assert.strictEqual(
            yield* reason(journal.receipt(PrincipalId.make("owner"), CommandKey.make("harm:5@0"))),
            "Corrupt"
          )
        })
      )

      it.effect("fail a follower as corrupt where a position is missing, rather than pass over it", () =>
        Effect.gen(function* () {
          const journal = yield* EventStore
          const base = yield* journal.head
          yield* journal.append([on(start("gap:one"), { events: 3 }).append])
          yield* change(`DELETE FROM ${schema}.event WHERE position = ${base + 2}`)
          // From within: what this process committed as a whole its followers have from its hand.
          assert.strictEqual(yield* reason(Stream.runDrain(journal.follow(base + 1))), "Corrupt")
        })
      )

      it.effect("let an append that the database can't hold fail alone, and its batch commit", () =>
        Effect.gen(function* () {
          const journal = yield* EventStore
          // An indexed field has room for some two thousand bytes.
          const words = Array.from({ length: 400 }, (_, index) => NodeDigest.sha256(String(index))).join("")
          const bad = on(start("long:bad"), { rows: [put("long", "bad", { s: words })] })
          const good = Array.from({ length: 5 }, (_, index) => on(start(`long:${index}`)).append)
          const exits = yield* Effect.forEach(
            [...good.slice(0, 3), bad.append, ...good.slice(3)],
            (append) => Effect.exit(journal.append([append])),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            exits.map(({ _tag }) => _tag),
            ["Success", "Success", "Success", "Failure", "Success", "Success"]
          )
          assert.deepStrictEqual((yield* journal.readStream(bad.next.stream)).events, [])
        })
      )

      it.effect("are left alone by a second start, and by several at once", () =>
        Effect.gen(function* () {
          const fresh = Postgres.freshSchema()
          yield* Effect.all([Migrations.run(fresh, rowIndexes), Migrations.run(fresh, rowIndexes)], {
            concurrency: "unbounded"
          })
          yield* Migrations.run(fresh, rowIndexes)
          yield* Migrations.run(schema, rowIndexes)
        })
      )

      it.effect("are refused where a newer program wrote them, or the schema's name is not one", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient
          const fresh = Postgres.freshSchema()
          yield* Migrations.run(fresh, [])
          yield* sql.unsafe(`INSERT INTO ${fresh}.migration VALUES (99, 'later')`)
          const newer = yield* Effect.flip(Migrations.run(fresh, []))
          assert.include(newer.message, "a newer program wrote this journal: step 99")
          const named = yield* Effect.flip(Migrations.run("x; DROP TABLE y", []))
          assert.strictEqual(named._tag, "SchemaRefused")
        })
      )
    })
  })

suite("pglite", PgliteEventStore.layer({ rowIndexes }), "keelson")

const postgres = await Postgres.server()
const schema = Postgres.freshSchema()
if (postgres !== null) suite("postgres", PostgresEventStore.layer({ url: postgres.url, schema, rowIndexes }), schema)

describe("an embedded journal", () => {
  it.live("gives the room of forgotten receipts back: nobody else vacuums it", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      const sql = yield* SqlClient
      const fill = Effect.fnUntraced(function* (round: string) {
        const appends = Array.from({ length: 200 }, (_, index) =>
          on(start(`receipts:${round}-${index}`), { atMillis: 0 })
        )
        yield* store.append(appends.map(({ append }) => append))
        const [found] = yield* sql.unsafe<{ size: number }>("SELECT pg_relation_size('keelson.receipt')::int AS size")
          .unprepared
        assert.strictEqual(yield* store.forgetReceipts(500, 1_000), 200)
        return found!.size
      })
      const first = yield* fill("a")
      assert.isAbove(first, 0)
      assert.strictEqual(yield* fill("b"), first)
      assert.strictEqual(yield* fill("c"), first)
    }).pipe(Effect.provide(Layer.fresh(Layer.provideMerge(PgliteEventStore.layer(), NodeDigest.layer))))
  )
})
