/** The tables of a real PostgreSQL are those of the stored contract too. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import * as Postgres from "#test/kit/postgres.ts"
import * as Contract from "./contract.ts"

const server = await Postgres.server()

describe.skipIf(server === null)("the contract on PostgreSQL", () => {
  it.effect("has the very tables that the stored copy says", () => {
    const schema = Postgres.freshSchema()
    const store = PostgresEventStore.layer({ url: server!.url, schema, rowIndexes: GatewayRows.indexes })
    return Effect.map(Contract.sqlSchema(schema), (sql) =>
      assert.strictEqual(Contract.written(sql), Contract.newest(import.meta.dirname)?.documents.get("sql.json"))
    ).pipe(Effect.provide(Layer.provideMerge(store, NodeDigest.layer)))
  })
})
