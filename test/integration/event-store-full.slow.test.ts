/** A full disk: appends are refused clearly, nothing acknowledged is lost, and it works again when there is space. */
import { assert, describe, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { join } from "node:path"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import * as SqlVerify from "#layers/event-store/SqlVerify.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { on, start } from "#test/kit/appends.ts"
import * as Postgres from "#test/kit/postgres.ts"
import * as SmallDisk from "#test/kit/SmallDisk.ts"

const canMount = SmallDisk.available()

let count = 0

/** An append of about so many kilobytes that no compression makes smaller. */
const large = (kilobytes: number) => {
  const lines = Array.from({ length: kilobytes * 16 }, (_, index) => NodeDigest.sha256(`${count}/${index}`))
  return on(start(`full:${++count}`), { events: [{ text: lines.join("") }] })
}

/** Appends until one is not committed; answers what was, and how the other ended. */
const untilRefused = (kilobytes: number) =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const committed: Array<string> = []
    for (;;) {
      const made = large(kilobytes)
      const result = yield* Effect.result(store.append([made.append]))
      if (Result.isFailure(result)) return { committed, ended: result.failure.reason as string, last: made }
      if (result.success[0]?._tag !== "Committed") return { committed, ended: result.success[0]?._tag, last: made }
      committed.push(made.next.stream)
      assert.isBelow(committed.length, 2_000)
    }
  })

const allThere = (streams: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const store = yield* EventStore
    for (const stream of streams) {
      assert.strictEqual((yield* store.readStream(start(stream).stream)).events.length, 1, stream)
    }
  })

const commits = Effect.gen(function* () {
  const [outcome] = yield* (yield* EventStore).append([large(1).append])
  assert.strictEqual(outcome?._tag, "Committed")
})

describe.runIf(canMount)("a journal in a folder whose disk fills up", () => {
  it.live(
    "refuses appends before the engine meets the end of the disk, goes on answering, and works again with space",
    () =>
      Effect.gen(function* () {
        const disk = yield* SmallDisk.make(200)
        const layer = Layer.provide(PgliteEventStore.layer({ folder: join(disk.folder, "journal") }), NodeDigest.layer)
        yield* Effect.gen(function* () {
          const store = yield* EventStore
          const first = yield* Effect.forEach(Array(20).keys(), () => {
            const made = large(20)
            return Effect.as(store.append([made.append]), made.next.stream)
          })
          yield* disk.fill(40 * 1024 * 1024)
          for (const refused of [store.append([large(1).append]), store.probe]) {
            const error = yield* Effect.flip(refused)
            assert.deepStrictEqual([error.reason, error.retryable], ["Full", true])
            assert.include(error.message, "no space left for the journal")
          }
          yield* allThere(first)
          assert.strictEqual(yield* store.head, 20)
          yield* disk.free
          yield* store.probe
          yield* commits
        }).pipe(Effect.scoped, Effect.provide(layer))
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "fails as full where a table finds no room, with nothing written",
    () =>
      Effect.gen(function* () {
        const disk = yield* SmallDisk.make(200)
        const store = PgliteEventStore.layer({ folder: join(disk.folder, "journal"), reserveBytes: 0 })
        yield* Effect.gen(function* () {
          yield* commits
          yield* disk.fill(3 * 1024 * 1024)
          const { committed, ended, last } = yield* untilRefused(400)
          assert.strictEqual(ended, "Full")
          assert.deepStrictEqual((yield* (yield* EventStore).readStream(last.next.stream)).events, [])
          yield* disk.free
          yield* allThere(committed)
          yield* commits
        }).pipe(Effect.scoped, Effect.provide(Layer.provide(store, NodeDigest.layer)))
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "opens an engine again that stopped in its log, loses nothing acknowledged, and tells what was not written",
    () =>
      Effect.gen(function* () {
        const disk = yield* SmallDisk.make(200)
        const layer = PgliteEventStore.layer({ folder: join(disk.folder, "journal"), reserveBytes: 0 })
        yield* Effect.gen(function* () {
          const store = yield* EventStore
          const sql = yield* PgClient.PgClient
          yield* commits
          yield* disk.fill(8 * 1024 * 1024)
          // Each switch ends a piece of the log; the next one is sixteen megabytes, for which there is no room.
          const committed: Array<string> = []
          const stopped = yield* Effect.gen(function* () {
            for (;;) {
              yield* sql`SELECT pg_switch_wal()::text`
              const made = large(1)
              const [outcome] = yield* store.append([made.append])
              if (outcome?._tag === "Committed") committed.push(made.next.stream)
              else return outcome?._tag
            }
          }).pipe(Effect.catch((error) => Effect.succeed(error._tag)))
          assert.include(["SqlError", "EventStoreError", "Indeterminate"], stopped)
          const shut = yield* Effect.flip(store.append([large(1).append]))
          assert.strictEqual(shut.reason, "Full", "its log can't be read without room")

          yield* disk.free
          yield* allThere(committed)
          yield* commits
          assert.strictEqual((yield* SqlVerify.verify()).problemCount, 0)
        }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(layer, NodeDigest.layer)))
      }).pipe(Effect.scoped),
    120_000
  )
})

const postgres = canMount && (process.env["DATABASE_URL"] ?? "") === "" ? await Postgres.server() : null

describe.runIf(postgres !== null)("a server whose disk fills up", () => {
  it.live(
    "makes appends fail as full with nothing written, and works again with space",
    () =>
      Effect.gen(function* () {
        const given = new URL(Redacted.value(postgres?.url ?? Redacted.make("")))
        const disk = yield* SmallDisk.make(24)
        const place = join(disk.folder, "space")
        fs.mkdirSync(place, { mode: 0o700 })
        const { uid, gid } = Postgres.serverUser()
        fs.chownSync(place, uid, gid)
        const name = Postgres.freshSchema()
        yield* Effect.provide(
          Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe(`CREATE TABLESPACE ${name} LOCATION '${place}'`)),
          PgClient.layer({ url: Redacted.make(given.href) })
        )
        const url = new URL(given)
        url.searchParams.set("options", `-c default_tablespace=${name}`)
        const store = PostgresEventStore.layer({ url: Redacted.make(url.href), schema: name })
        yield* Effect.gen(function* () {
          yield* commits
          yield* disk.fill(4 * 1024 * 1024)
          const { committed, ended, last } = yield* untilRefused(400)
          assert.strictEqual(ended, "Full")
          assert.deepStrictEqual((yield* (yield* EventStore).readStream(last.next.stream)).events, [])
          yield* allThere(committed)
          yield* disk.free
          yield* commits
          const sql = yield* PgClient.PgClient
          yield* sql.unsafe(`DROP SCHEMA ${name} CASCADE`)
          yield* sql.unsafe(`DROP TABLESPACE ${name}`)
        }).pipe(Effect.scoped, Effect.provide(Layer.provide(store, NodeDigest.layer)))
      }).pipe(Effect.scoped),
    60_000
  )
})
