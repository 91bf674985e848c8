/** Several processes on one PostgreSQL: order for followers, one winner among rivals, wake-up across processes. */
import { assert, describe, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import * as SqlVerify from "#layers/event-store/SqlVerify.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { on, start } from "#test/kit/appends.ts"
import * as Child from "#test/kit/Child.ts"
import * as Postgres from "#test/kit/postgres.ts"

const postgres = await Postgres.server()
const program = fileURLToPath(new URL("../kit/journalProcess.ts", import.meta.url))

/** Rounds of the contest for one version; each process makes one append for it and two beside it. */
const rounds = Number(process.env["KEELSON_RIVAL_ROUNDS"] ?? 10_000)

interface Said {
  readonly ready?: boolean
  readonly committed?: number
  readonly won?: ReadonlyArray<number>
  readonly lost?: number
  readonly neighbours?: number
}

const url = Redacted.make(postgres === null ? "" : Redacted.value(postgres.url))

const journal = (schema: string) =>
  Layer.provideMerge(PostgresEventStore.layer({ url, schema, connectionsMax: 12 }), NodeDigest.layer)

/** A process that is ready and waits for the word. */
const ready = (mode: string, schema: string, ...args: ReadonlyArray<string>) =>
  Effect.tap(Child.start<Said>(program, [mode, Redacted.value(url), schema, ...args]), (child) =>
    child.said((line) => line.ready === true)
  )

const positions = (schema: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    sql.unsafe<{ n: bigint; low: bigint; high: bigint }>(
      `SELECT count(*) AS n, min(position) AS low, max(position) AS high FROM ${schema}.event`
    )
  )

/** Waits until so many sessions wait for a lock. */
const waitingForLock = (many: number) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    for (;;) {
      const [row] = yield* sql<{ n: number }>`SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted`
      if ((row?.n ?? 0) >= many) return
      yield* Effect.yieldNow
    }
  })

describe.runIf(postgres !== null)("two writer processes and slow transactions", () => {
  const schema = Postgres.freshSchema()
  it.live(
    "lose nothing for a follower: every event once, in order; a follower by bare sequence loses one",
    () =>
      Effect.gen(function* () {
        const store = yield* EventStore
        const sql = yield* PgClient.PgClient
        const control = `${schema}.control`
        yield* sql.unsafe(`CREATE TABLE ${control} (seq bigserial PRIMARY KEY, word text)`)
        const seen: Array<string> = []
        let cursor = 0n
        // What a follower by bare sequence does: everything beyond the last number it saw.
        const look = Effect.gen(function* () {
          const rows = yield* sql.unsafe<{ seq: bigint; word: string }>(
            `SELECT seq, word FROM ${control} WHERE seq > $1 ORDER BY seq`,
            [cursor]
          )
          for (const { seq, word } of rows) {
            seen.push(word)
            cursor = seq
          }
        })

        const follower = yield* store.follow(0).pipe(
          Stream.map(({ position }) => position),
          Stream.take(1 + 2 * 2 * 300),
          Stream.runCollect,
          Effect.forkChild
        )
        const held = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const slow = yield* Effect.gen(function* () {
          yield* sql.unsafe(`INSERT INTO ${control} (word) VALUES ('slow')`)
          yield* sql.unsafe(`SELECT position FROM ${schema}.journal_head FOR UPDATE`)
          yield* Deferred.succeed(held, undefined)
          yield* Deferred.await(release)
        }).pipe(sql.withTransaction, Effect.forkChild)
        yield* Deferred.await(held)

        const one = yield* ready("write", schema, "one", "300", "30")
        const two = yield* ready("write", schema, "two", "300", "30")
        yield* Effect.forEach([one, two], (child) => child.tell("go"))
        yield* waitingForLock(2)
        yield* sql.unsafe(`INSERT INTO ${control} (word) VALUES ('quick')`)
        yield* look
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(slow)
        yield* look
        assert.deepStrictEqual(seen, ["quick"], "the control loses what committed late")

        for (const child of [one, two]) {
          assert.strictEqual((yield* child.said(({ committed }) => committed !== undefined)).committed, 300)
        }
        yield* store.append([on(start("last:one")).append])
        assert.deepStrictEqual(
          yield* Fiber.join(follower),
          Array.from({ length: 1201 }, (_, index) => index + 1)
        )
      }).pipe(Effect.scoped, Effect.provide(journal(schema))),
    60_000
  )

  it.live("do not hold a follower back, however long another transaction stays open", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      const sql = yield* PgClient.PgClient
      const base = yield* store.head
      const held = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const open = yield* sql`SELECT pg_current_xact_id()::text`.pipe(
        Effect.andThen(Deferred.succeed(held, undefined)),
        Effect.andThen(Deferred.await(release)),
        sql.withTransaction,
        Effect.forkChild
      )
      yield* Deferred.await(held)
      yield* store.append([on(start("open:one"), { events: 3 }).append])
      const seen = yield* store.follow(base).pipe(Stream.take(3), Stream.runCollect)
      assert.deepStrictEqual(
        seen.map(({ position }) => position - base),
        [1, 2, 3]
      )
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(open)
    }).pipe(Effect.scoped, Effect.provide(journal(schema)))
  )
})

describe.runIf(postgres !== null)("rival processes", () => {
  const schema = Postgres.freshSchema()
  it.live(
    `have one winner in each of ${rounds} rounds, fail no neighbour, and leave gapless positions`,
    () =>
      Effect.gen(function* () {
        const one = yield* ready("rival", schema, "one", String(rounds), "200")
        const two = yield* ready("rival", schema, "two", String(rounds), "200")
        yield* Effect.forEach([one, two], (child) => child.tell("go"))
        const ends = yield* Effect.forEach([one, two], (child) => child.said(({ won }) => won !== undefined))
        const won = ends.flatMap((end) => end.won ?? [])
        assert.strictEqual(won.length, rounds)
        assert.strictEqual(new Set(won).size, rounds)
        assert.strictEqual((ends[0]?.lost ?? 0) + (ends[1]?.lost ?? 0), rounds)
        assert.deepStrictEqual(
          ends.map(({ neighbours }) => neighbours),
          [rounds, rounds]
        )
        for (const end of ends) assert.isAbove(end.won?.length ?? 0, 0, "both win some")
        const [row] = yield* positions(schema)
        assert.deepStrictEqual(row, { n: BigInt(rounds * 5), low: 1n, high: BigInt(rounds * 5) })
        assert.strictEqual((yield* SqlVerify.verify({ schema })).problemCount, 0)
      }).pipe(Effect.scoped, Effect.provide(journal(schema))),
    120_000
  )
})

describe.runIf(postgres !== null)("a follower", () => {
  const schema = Postgres.freshSchema()
  // The clock stands still here, so the slow poll behind a lost notification never comes: only NOTIFY can wake.
  it.effect(
    "wakes at the commit of another process",
    () =>
      Effect.gen(function* () {
        const store = yield* EventStore
        const follower = yield* store.follow(0).pipe(Stream.take(2), Stream.runCollect, Effect.forkChild)
        const child = yield* ready("write", schema, "other", "1", "1")
        yield* child.tell("go")
        assert.deepStrictEqual(
          (yield* Fiber.join(follower)).map(({ position }) => position),
          [1, 2]
        )
        yield* child.ended
      }).pipe(Effect.scoped, Effect.provide(journal(schema))),
    30_000
  )
})
