/** The crash kit on both stores, for longer. KEELSON_KILLS: how often the service is killed on each. */
import { assert, describe, it } from "@effect/vitest"
import * as Run from "#chaos/run.ts"
import * as Table from "#chaos/kit/table.ts"
import * as Postgres from "#test/kit/postgres.ts"

const kills = Number(process.env["KEELSON_KILLS"] ?? 65)
const server = await Postgres.server()

describe.each(["pglite", "postgres"] as const)(`a service on %s, killed ${kills} times (KEELSON_KILLS)`, (store) => {
  it.skipIf(store === "postgres" && server === null)(
    "loses nothing, does nothing twice, and leaves nothing behind",
    { timeout: 60_000 + kills * 20_000 },
    async () => {
      const report = await Run.run({ kills, hitsMin: 0, seed: 1, store, mutant: null, auditEvery: 25, say: () => {} })
      console.log(Table.print(report))
      assert.deepStrictEqual(Run.findings(report), [])
      assert.strictEqual(report.kills, kills)
    }
  )
})
