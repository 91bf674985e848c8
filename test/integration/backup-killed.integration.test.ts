/** A restore that is killed, at whatever moment, leaves nothing that is served. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import pg from "pg"
import { join } from "node:path"
import * as Redacted from "effect/Redacted"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Kit from "./backup-kit.ts"

/** What the database lets be seen of a restore, so that the kill hits a known moment. */
const until = async (look: () => Promise<boolean>): Promise<void> => {
  const end = Date.now() + 60_000
  while (!(await look())) if (Date.now() > end) throw new Error("the moment did not come")
}

describe.skipIf(Kit.server === null)("a restore killed in the middle", () => {
  it.live(
    "is refused by a start, and by a second restore only where events are there already",
    () =>
      Effect.gen(function* () {
        const [one, two] = yield* Effect.all([TemporaryFolder.make, TemporaryFolder.make])
        const source = Kit.place("PostgreSQL", one)
        const target = Kit.place("PostgreSQL", two)
        const file = join(one, "now.backup")
        yield* Effect.promise(async () => {
          await Service.using(Kit.options(source), async (service) => {
            await Kit.open(service, "kept", 3)
            await service.stop()
          })
          assert.strictEqual((await Kit.keelson(source, "backup", file)).code, 0)
          Kit.putBack(source, target, ["keys", "owner.token"])
          const client = new pg.Client({ connectionString: Redacted.value(Kit.server!.url) })
          await client.connect()
          const marked = async () => {
            const there = await client.query("SELECT to_regclass($1) AS name", [`${target.schema}.cell`])
            if (there.rows[0]?.name === null) return false
            const found = await client.query(`SELECT FROM ${target.schema}.cell WHERE name = 'restoring'`)
            return found.rowCount === 1
          }
          const restoring = Kit.begin(target, "restore", file)
          await until(marked)
          restoring.child.kill("SIGKILL")
          assert.isNull((await restoring.ended).code)
          const started = await Kit.startRefused(target)
          assert.include(started ?? "it serves", "may hold half of a backup")
          const { rows } = await client.query(`SELECT position FROM ${target.schema}.journal_head`)
          await client.end()
          const again = await Kit.keelson(target, "restore", file)
          if (Number(rows[0]?.position) === 0) assert.strictEqual(again.code, 0, again.err)
          else assert.include(again.err, "The place is not empty")
        })
      }),
    240_000
  )
})
