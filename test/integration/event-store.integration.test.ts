/** The journal's contract, promise by promise, on every store. Prints the table of both. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll } from "vitest"
import * as Contract from "#test/contract/eventStore.ts"
import * as Registry from "#test/contract/registry.ts"
import * as Postgres from "#test/kit/postgres.ts"

const names = Registry.chosen()
const postgres = names.includes("postgres") ? await Postgres.server() : null
const skipped: Array<string> = []

for (const name of names) {
  const world = { rowIndexes: Contract.rowIndexes, postgres, schema: Postgres.freshSchema() }
  const layer = Registry.store(name, world)
  if (layer === null) skipped.push(name)
  Contract.suite(name, layer)
}

describe("the registry of event stores", () => {
  it("throws on a name it does not know", () => {
    const world = { rowIndexes: [], postgres: null, schema: "x" }
    assert.throws(() => Registry.store("pg-lite", world), /no event store is called pg-lite/)
  })
})

afterAll(() => console.info(`\n${Contract.table(skipped)}\n`))
