/**
 * A hand-written actor with group commit: state in memory, loaded from its events; whatever waits is the next INSERT, one
 * at a time; answered after the commit. No sealing, no receipts beyond the key, no policies, no authentication.
 */
import pg from "pg"
import { serve } from "./door.mjs"

const pool = new pg.Pool({ connectionString: process.env.PEER_DATABASE_URL, max: 2 })
await pool.query(
  "CREATE TABLE IF NOT EXISTS entry (actor text, n int, key text NOT NULL, PRIMARY KEY (actor, n), UNIQUE (actor, key))"
)

const counts = new Map()
const known = new Map()
for (const { actor, key, n } of (await pool.query("SELECT actor, n, key FROM entry ORDER BY n")).rows) {
  counts.set(actor, n)
  known.set(`${actor} ${key}`, n)
}

let waiting = []
let writing = false

/** What it knows may not be what is stored: it ends, and starts from there. */
const ended = (cause) => {
  console.error(cause)
  process.exit(1)
}

const write = async () => {
  writing = true
  while (waiting.length > 0) {
    const batch = waiting
    waiting = []
    await pool.query({
      name: "append",
      text: "INSERT INTO entry (actor, n, key) SELECT * FROM unnest($1::text[], $2::int[], $3::text[])",
      values: [batch.map(({ actor }) => actor), batch.map(({ n }) => n), batch.map(({ key }) => key)]
    })
    for (const { actor, done, key, n } of batch) {
      known.set(`${actor} ${key}`, n)
      done(n)
    }
  }
  writing = false
}

serve(
  (actor, key) =>
    new Promise((done) => {
      const before = known.get(`${actor} ${key}`)
      if (before !== undefined) return done(before)
      const n = (counts.get(actor) ?? 0) + 1
      counts.set(actor, n)
      waiting.push({ actor, done, key, n })
      if (!writing) write().catch(ended)
    })
)
