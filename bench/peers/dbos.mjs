/**
 * DBOS, as its guide shows it: a workflow by the key as its id, with one step. The step changes the counter in one
 * transaction that is a no-op the second time, for a step may run more than once.
 */
import { DBOS } from "@dbos-inc/dbos-sdk"
import pg from "pg"
import { serve } from "./door.mjs"

const url = process.env.PEER_DATABASE_URL
const pool = new pg.Pool({ connectionString: url, max: 20 })
await pool.query("CREATE TABLE IF NOT EXISTS counter (actor text PRIMARY KEY, n int NOT NULL)")
await pool.query("CREATE TABLE IF NOT EXISTS entry (key text PRIMARY KEY, n int NOT NULL)")

const change = async (actor, key) => {
  const client = await pool.connect()
  try {
    await client.query("BEGIN")
    const before = await client.query("SELECT n FROM entry WHERE key = $1", [key])
    if (before.rows.length === 0) {
      const { rows } = await client.query(
        "INSERT INTO counter AS c VALUES ($1, 1) ON CONFLICT (actor) DO UPDATE SET n = c.n + 1 RETURNING n",
        [actor]
      )
      await client.query("INSERT INTO entry VALUES ($1, $2)", [key, rows[0].n])
      await client.query("COMMIT")
      return rows[0].n
    }
    await client.query("COMMIT")
    return before.rows[0].n
  } catch (cause) {
    await client.query("ROLLBACK")
    throw cause
  } finally {
    client.release()
  }
}

const add = DBOS.registerWorkflow((actor, key) => DBOS.runStep(() => change(actor, key), { name: "change" }), {
  name: "add"
})
DBOS.setConfig({ name: "bench", applicationVersion: "0.1.0", systemDatabaseUrl: url, logLevel: "error" })
await DBOS.launch()

serve(async (actor, key) => (await DBOS.startWorkflow(add, { workflowID: key })(actor, key)).getResult())
