/** The published queries: no row on a journal that really ran, a row for each thing planted into it. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import * as Rebuild from "#src/gateway/Rebuild.ts"
import { history, leftOpen } from "#test/golden/history.ts"

const folder = join(import.meta.dirname, "../../docs/queries")
const names = readdirSync(folder).filter((name) => name.endsWith(".sql"))
const ask = (name: string) =>
  Effect.flatMap(
    SqlClient,
    (sql) => sql.unsafe<Record<string, unknown>>(readFileSync(join(folder, name), "utf8")).unprepared
  )

const store = PgliteEventStore.layer({}).pipe(Layer.provide(NodeDigest.layer))

/** The golden history, appended as it happened: one append per event, with its rows. */
const replay = (events: ReadonlyArray<StoredEvent>) =>
  Effect.gen(function* () {
    const { append } = yield* EventStore
    const rebuild = yield* Rebuild.make
    for (const event of events) {
      const { stream, version, prevHash } = event.envelope
      const [outcome] = yield* append([
        {
          stream,
          expectedVersion: version - 1,
          expectedHash: prevHash,
          events: [event],
          receipt: null,
          rows: rebuild(event),
          guards: [],
          keys: [],
          shred: []
        }
      ])
      assert.strictEqual(outcome?._tag, "Committed")
    }
  })

/** Changes the journal as nobody may, behind the triggers' back, looks, and takes it back. */
const tampered = <A, E, R>(statement: string, look: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    const planting = Effect.gen(function* () {
      yield* sql.unsafe("ALTER TABLE keelson.event DISABLE TRIGGER ALL").unprepared
      yield* sql.unsafe(statement).unprepared
      return yield* Effect.fail({ seen: yield* look })
    })
    const { seen } = yield* Effect.flip(sql.withTransaction(planting)) as Effect.Effect<{ readonly seen: A }, never, R>
    return seen
  })

/** One planted fault each, and what the query must say of it. */
const planted: {
  readonly [query: string]: ReadonlyArray<readonly [fault: string, sql: string, column: string, said: string]>
} = {
  "orphaned-sessions.sql": [
    [
      "an open session whose expiry is missing",
      "DELETE FROM keelson.event WHERE type = 'session.expired'",
      "stream",
      "session:"
    ]
  ],
  "phantom-confirmations.sql": [
    [
      "a decision nobody asked for",
      "DELETE FROM keelson.event WHERE type = 'confirmation.requested'",
      "why",
      "nobody was asked"
    ],
    [
      "a claim that nothing permitted",
      "DELETE FROM keelson.event WHERE type = 'action.permitted'",
      "why",
      "nothing permitted it"
    ],
    [
      "an outcome without its claim",
      "DELETE FROM keelson.event WHERE type = 'action.claimed'",
      "why",
      "its claim is missing"
    ]
  ],
  "broken-chains.sql": [
    [
      "a missing version",
      "DELETE FROM keelson.event WHERE type = 'turn.recalled'",
      "why",
      "a version is missing before it"
    ],
    [
      "a wrong prevHash",
      `UPDATE keelson.event SET prev_hash = '${"f".repeat(64)}' WHERE type = 'turn.recalled'`,
      "why",
      "its prevHash is not the hash before it"
    ],
    [
      "an effect without its cause",
      `UPDATE keelson.event SET body = replace(body, '"causationId":null', '"causationId":"evt_none"') WHERE type = 'turn.recalled'`,
      "why",
      "its cause is missing"
    ]
  ],
  "double-executions.sql": [
    [
      "a second claim",
      `INSERT INTO keelson.event SELECT position + 1000, stream, version + 1000, event_id || 'x', type, occurred_at, actor_kind,
        actor_id, command_id, correlation_id, prev_hash, hash, body FROM keelson.event WHERE type = 'action.claimed'`,
      "claims",
      "2"
    ]
  ],
  "conserved-counters.sql": [
    ["a confirmation that vanished", "DELETE FROM keelson.event WHERE type = 'confirmation.denied'", "name", "denied"],
    [
      "a counter that is off",
      "UPDATE keelson.counter SET n = n + 1 WHERE name = 'confirmations.created'",
      "name",
      "created"
    ]
  ]
}

layer(store, { timeout: "2 minutes" })("the published queries", (it) => {
  it.effect("answer no row on a history that went through everything", () =>
    Effect.gen(function* () {
      yield* replay(yield* history)
      for (const name of names) {
        const rows = yield* ask(name)
        // The golden history is of 1970: what it leaves open is long past its deadline. Nothing else may be.
        const wrong = name === "orphaned-sessions.sql" ? rows.filter((row) => row["stream"] !== leftOpen) : rows
        assert.deepStrictEqual(wrong, [], name)
      }
    })
  )

  for (const name of names) {
    for (const [fault, statement, column, said] of planted[name] ?? []) {
      it.effect(`${name} finds ${fault}`, () =>
        Effect.gen(function* () {
          const before = yield* ask(name)
          const found = yield* tampered(statement, ask(name))
          assert.isAbove(found.length, before.length)
          assert.include(found.map((row) => String(row[column])).join("\n"), said)
        })
      )
    }
  }
})

describe("the list of planted faults", () => {
  it("has one for each published query", () => assert.deepStrictEqual(Object.keys(planted).sort(), [...names].sort()))
})
