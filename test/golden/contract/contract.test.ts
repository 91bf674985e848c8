/** What others build on changes with its number, or not at all. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import { join } from "node:path"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import { events } from "#src/gateway/Events.ts"
import { CONTRACT_VERSION } from "#src/kernel/Contract.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Contract from "./contract.ts"

const folder = import.meta.dirname

const store = PgliteEventStore.layer({ rowIndexes: GatewayRows.indexes }).pipe(Layer.provideMerge(NodeDigest.layer))

layer(store, { timeout: 60_000 })("the contract", (it) => {
  it.effect(
    "is the stored one, or has a number of its own (KEELSON_TEST_UPDATE=1 writes the copy of a new number)",
    () =>
      Effect.gen(function* () {
        const current = yield* Contract.documents("keelson")
        if (process.env["KEELSON_TEST_UPDATE"] === "1") Contract.write(folder, CONTRACT_VERSION, current)
        const objection = Contract.objection(CONTRACT_VERSION, current, Contract.newest(folder))
        if (objection !== null) assert.fail(objection)
      })
  )

  it.effect("sees a column, an index, a trigger that is off and a function's body", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const before = Contract.written(yield* Contract.sqlSchema("keelson"))
      const plants = [
        ["ALTER TABLE keelson.cell ADD COLUMN planted integer", "ALTER TABLE keelson.cell DROP COLUMN planted"],
        ["CREATE INDEX planted ON keelson.receipt (digest)", "DROP INDEX keelson.planted"],
        [
          "ALTER TABLE keelson.event DISABLE TRIGGER protected",
          "ALTER TABLE keelson.event ENABLE ALWAYS TRIGGER protected"
        ],
        ["CREATE FUNCTION keelson.planted() RETURNS integer LANGUAGE sql AS 'SELECT 1'", null],
        [
          "CREATE OR REPLACE FUNCTION keelson.planted() RETURNS integer LANGUAGE sql AS 'SELECT 2'",
          "DROP FUNCTION keelson.planted()"
        ]
      ] as const
      let last = before
      for (const [plant, undo] of plants) {
        yield* sql.unsafe(plant).unprepared
        const after = Contract.written(yield* Contract.sqlSchema("keelson"))
        assert.notStrictEqual(after, last, plant)
        if (undo === null) last = after
        else yield* sql.unsafe(undo).unprepared
      }
      assert.strictEqual(Contract.written(yield* Contract.sqlSchema("keelson")), before)
    })
  )
})

/** A contract of its own, whatever is stored. */
const same: Contract.Documents = new Map([
  ["openapi.json", Contract.written(Contract.openApi())],
  ["events.json", Contract.written(Contract.eventTypes())],
  ["sql.json", "{}\n"]
])
const stored: Contract.Stored = { version: 7, documents: same }

describe("the judge of the contract", () => {
  const having = (name: string, text: string) => new Map(same).set(name, text)

  it("has nothing against what did not change", () => {
    assert.isNull(Contract.objection(stored.version, same, stored))
  })

  it("shows a planted route with the lines around it", () => {
    const description = JSON.parse(same.get("openapi.json")!)
    description.paths["/v1/planted"] = { get: { responses: {} } }
    const text = Contract.objection(stored.version, having("openapi.json", Contract.written(description)), stored)
    assert.include(text, "CONTRACT_VERSION is still")
    assert.include(text, "--- openapi.json")
    assert.match(text!, /^\+ +"\/v1\/planted": \{$/m)
    assert.isBelow(text!.split("\n").length, 30)
  })

  it("shows a planted field of an event, and sealed words that would be stored plain", () => {
    const definition = events.get("session.touched")!
    const changed = (payload: Schema.Codec<any, any>) => {
      const registry = new Map(events).set("session.touched", { ...definition, payload })
      return Contract.objection(
        stored.version,
        having("events.json", Contract.written(Contract.eventTypes(registry))),
        stored
      )
    }
    assert.isNull(changed(definition.payload))
    const planted = changed(Schema.Struct({ idleAtMillis: Schema.Int, planted: Schema.String }))
    assert.match(planted!, /^\+ +"planted": \{$/m)
    const closed = {
      ...events.get("session.closed")!,
      payload: Schema.Struct({ reason: Schema.NullOr(Schema.String) })
    }
    const plain = Contract.written(Contract.eventTypes(new Map(events).set("session.closed", closed)))
    assert.match(Contract.objection(stored.version, having("events.json", plain), stored)!, /^- +"sealed"/m)
  })

  it("misses a document that is gone, and notices one that is new", () => {
    const without = new Map(same)
    without.delete("sql.json")
    assert.include(Contract.objection(stored.version, without, stored), "sql.json is gone")
    assert.include(Contract.objection(stored.version, having("new.json", "{}"), stored), "new.json is new")
  })

  it("takes no number twice and none from before", () => {
    assert.include(Contract.objection(stored.version - 1, same, stored), "there was a contract")
    assert.include(Contract.objection(stored.version + 1, same, stored), "has no copy yet")
  })

  it.effect("writes a copy for a new number only, and changes none that is written", () =>
    Effect.gen(function* () {
      const copies = join(yield* TemporaryFolder.make, "contract")
      const first = new Map([["a.json", "1\n"]])
      const second = new Map([["a.json", "2\n"]])
      assert.isTrue(Contract.write(copies, 1, first))
      assert.isFalse(Contract.write(copies, 1, second))
      assert.deepStrictEqual(Contract.newest(copies), { version: 1, documents: first })
      assert.include(Contract.objection(1, second, Contract.newest(copies)), "- 1\n+ 2")
      assert.isTrue(Contract.write(copies, 2, second))
      assert.deepStrictEqual(Contract.newest(copies), { version: 2, documents: second })
      assert.isNull(Contract.objection(2, second, Contract.newest(copies)))
    })
  )
})
