/** What becomes of an append whose answer, connection or server is lost. */
import { assert, describe, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import { EventStore, EventStoreError, Rows } from "#src/ports/EventStore.ts"
import { add, put } from "#src/kernel/Append.ts"
import { on, start } from "#test/kit/appends.ts"
import * as Postgres from "#test/kit/postgres.ts"
import * as Proxy from "#test/kit/proxy.ts"

const postgres = await Postgres.server()
const given = new URL(postgres === null ? "postgresql://127.0.0.1/none" : Redacted.value(postgres.url))

/** A store whose every byte passes the proxy. */
const through = (proxy: Proxy.Proxy, schema: string) => {
  const url = new URL(given)
  url.host = `127.0.0.1:${proxy.port}`
  return Layer.provideMerge(PostgresEventStore.layer({ url: Redacted.make(url.href), schema }), NodeDigest.layer)
}

const proxied = Proxy.make({ host: given.hostname, port: Number(given.port || 5432) })

/** A connection of its own to the same server. */
const direct = PgClient.layer({ url: Redacted.make(given.href) })

const word = (name: string) =>
  on(start(`wire:${name}`), { key: name, rows: [put("wire", name, {}), add(`wire.${name}`, 1)] })

describe.runIf(postgres !== null)("an append whose answer is cut off on the wire", () => {
  it.live("is in doubt; its repeat with the same key meets the recorded receipt, and there is one effect", () =>
    Effect.gen(function* () {
      const proxy = yield* proxied
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        const rows = yield* Rows
        yield* store.append([word("before").append])
        const made = word("cut")
        yield* proxy.loseAnswer
        const [outcome] = yield* store.append([made.append])
        assert.strictEqual(outcome?._tag, "Indeterminate")
        assert.strictEqual(proxy.lost(), 1)

        const slice = yield* store.readStream(made.next.stream)
        assert.deepStrictEqual(slice.receipts, [made.append.receipt!])
        const repeat = on(made.next, { key: "cut", rows: made.append.rows })
        assert.deepStrictEqual(yield* store.append([repeat.append]), [
          { _tag: "Refused", refusal: { _tag: "ReceiptExists", receipt: made.append.receipt! } }
        ])
        assert.strictEqual((yield* store.readStream(made.next.stream)).events.length, 1)
        assert.strictEqual(yield* rows.counter("wire.cut"), 1)
      }).pipe(Effect.provide(through(proxy, Postgres.freshSchema())))
    }).pipe(Effect.scoped)
  )

  it.live("leaves the whole batch in doubt, and nothing after it", () =>
    Effect.gen(function* () {
      const proxy = yield* proxied
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        yield* store.append([word("before").append])
        yield* proxy.loseAnswer
        const batch = yield* Effect.forEach(["a", "b", "c"], (name) =>
          Effect.forkChild(store.append([word(name).append]))
        )
        const outcomes = yield* Effect.forEach(batch, Fiber.join)
        assert.deepStrictEqual(
          outcomes.map(([outcome]) => outcome?._tag),
          ["Indeterminate", "Indeterminate", "Indeterminate"]
        )
        const [after] = yield* store.append([word("after").append])
        assert.strictEqual(after?._tag, "Committed")
        assert.strictEqual(yield* store.head, 5)
      }).pipe(Effect.provide(through(proxy, Postgres.freshSchema())))
    }).pipe(Effect.scoped)
  )
})

describe.runIf(postgres !== null)("a server that falls silent", () => {
  it.live(
    "leaves the append in doubt after the client's patience, and the store goes on when it answers again",
    () =>
      Effect.gen(function* () {
        const proxy = yield* proxied
        yield* Effect.gen(function* () {
          const store = yield* EventStore
          yield* store.append([word("before").append])
          yield* proxy.swallow
          const [silent] = yield* store.append([word("silent").append])
          assert.strictEqual(silent?._tag, "Indeterminate")
          yield* proxy.pass
          const [after] = yield* store.append([word("after").append])
          assert.strictEqual(after?._tag, "Committed")
        }).pipe(Effect.provide(through(proxy, Postgres.freshSchema())))
      }).pipe(Effect.scoped),
    20_000
  )
})

describe.runIf(postgres !== null)("a server that can't be reached", () => {
  it.live("fails appends and reads as unavailable, with nothing written", () =>
    Effect.gen(function* () {
      const schema = Postgres.freshSchema()
      const proxy = yield* proxied
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        yield* store.append([word("before").append])
        yield* proxy.close
        // The first may have been sent on a connection that was not known to be dead yet.
        yield* Effect.exit(store.head)
        const error = yield* Effect.flip(store.append([word("late").append]))
        assert.instanceOf(error, EventStoreError)
        assert.deepStrictEqual([error.reason, error.retryable], ["Unavailable", true])
        assert.strictEqual((yield* Effect.flip(store.head)).reason, "Unavailable")
        assert.strictEqual((yield* Effect.flip(store.probe)).reason, "Unavailable")
      }).pipe(Effect.provide(through(proxy, schema)))
      const count = yield* Effect.provide(
        Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe(`SELECT 1 AS one FROM ${schema}.event`)),
        direct
      )
      assert.strictEqual(count.length, 1)
    }).pipe(Effect.scoped)
  )
})

describe.runIf(postgres !== null)("a lock that is held too long", () => {
  it.live(
    "makes the server give the append up: unavailable, nothing written, and it works when the lock is free",
    () =>
      Effect.gen(function* () {
        const schema = Postgres.freshSchema()
        const proxy = yield* proxied
        yield* Effect.gen(function* () {
          const store = yield* EventStore
          const sql = yield* PgClient.PgClient
          const held = yield* Deferred.make<void>()
          const release = yield* Deferred.make<void>()
          const holder = yield* sql
            .unsafe(`SELECT position FROM ${schema}.journal_head FOR UPDATE`)
            .pipe(
              Effect.andThen(Deferred.succeed(held, undefined)),
              Effect.andThen(Deferred.await(release)),
              sql.withTransaction,
              Effect.forkChild
            )
          yield* Deferred.await(held)
          const error = yield* Effect.flip(store.append([word("blocked").append]))
          assert.deepStrictEqual([error.reason, error.retryable], ["Unavailable", true])
          yield* Deferred.succeed(release, undefined)
          yield* Fiber.join(holder)
          assert.strictEqual(yield* store.head, 0)
          const [outcome] = yield* store.append([word("blocked").append])
          assert.strictEqual(outcome?._tag, "Committed")
        }).pipe(Effect.provide(through(proxy, schema)))
      }).pipe(Effect.scoped),
    20_000
  )
})

describe.runIf(postgres !== null)("a server that would acknowledge before its disk does", () => {
  it.live("is refused at the start", () =>
    Effect.gen(function* () {
      const url = new URL(given)
      url.searchParams.set("options", "-c synchronous_commit=off")
      const refused = yield* Effect.flip(
        Effect.scoped(
          Layer.build(Layer.provide(PostgresEventStore.layer({ url: Redacted.make(url.href) }), NodeDigest.layer))
        )
      )
      assert.strictEqual(refused._tag, "ServerNotDurable")
    })
  )
})
