/**
 * What the owner of a database can do to it, so well that the store alone looks clean.
 *
 * Everything here takes the protection off, changes, makes anew what follows from it, and puts the protection back.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { join } from "node:path"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import * as PglitePgClient from "#layers/sql-client/PglitePgClient.ts"
import * as PostgresPgClient from "#layers/sql-client/PostgresPgClient.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import * as Service from "#test/kit/service.ts"

/** A journal that no service has in hand (embedded), or any (server). */
export interface Place {
  readonly data: string
  readonly schema: string
  readonly url: Redacted.Redacted<string> | null
}

/** Flags and environment of a command on it. */
export const flagsOf = ({ data, schema, url }: Place): ReadonlyArray<string> => [
  "--data-folder",
  data,
  ...(url === null ? [] : ["--database-schema", schema])
]
export const environmentOf = ({ url }: Place): { readonly [name: string]: string } =>
  url === null ? {} : { KEELSON_DATABASE_URL: Redacted.value(url) }

export const withSql = <A, E>(place: Place, work: Effect.Effect<A, E, SqlClient>): Promise<A> => {
  const client =
    place.url === null
      ? PglitePgClient.layer({ folder: join(place.data, "journal") })
      : PostgresPgClient.layer({ url: place.url, connectionsMax: 2, applicationName: "keelson test" })
  return Effect.runPromise(
    Effect.orDie(Effect.provide(work, client as Layer.Layer<SqlClient, PglitePgClient.OpenError>))
  )
}

/** Runs statements as the database's owner, with no protection in the way. */
export const asOwner = (place: Place, change: (sql: Ask) => Effect.Effect<void, unknown>): Promise<void> =>
  withSql(
    place,
    Effect.gen(function* () {
      const client = yield* SqlClient
      const ask: Ask = (text, ...values) =>
        client.unsafe<Row>(text.replaceAll("@", `${place.schema}.`), values).unprepared
      const protectedTables = ["event", "journal_head", "shredded"]
      for (const table of protectedTables) yield* ask(`ALTER TABLE @${table} DISABLE TRIGGER ALL`)
      yield* change(ask)
      for (const table of protectedTables) {
        yield* ask(`ALTER TABLE @${table} ENABLE TRIGGER ALL`)
        yield* ask(`ALTER TABLE @${table} ENABLE ALWAYS TRIGGER protected`)
      }
    })
  )

/** `@` stands for the schema. */
export type Ask = (text: string, ...values: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Row>, unknown>

interface Row {
  readonly [column: string]: any
}

const tables = ["event", "stream_head", "journal_head", "row", "counter", "receipt", "subject_key"]

/** Keeps the tables as they are now, to be put back by `restore`. */
export const keep = (place: Place): Promise<void> =>
  asOwner(place, (ask) =>
    Effect.forEach(tables, (table) => ask(`CREATE TABLE @"kept_${table}" AS TABLE @"${table}"`), { discard: true })
  )

export const restore = (place: Place): Promise<void> =>
  asOwner(place, (ask) =>
    Effect.forEach(
      tables,
      (table) =>
        Effect.andThen(ask(`DELETE FROM @"${table}"`), ask(`INSERT INTO @"${table}" SELECT * FROM @"kept_${table}"`)),
      { discard: true }
    )
  )

/** An idle session's only event, with everything that it left: nothing in the store remembers it. */
export const forget = (ask: Ask, sessionId: string): Effect.Effect<number, unknown> =>
  Effect.gen(function* () {
    const stream = `session:${sessionId}`
    const [event] = yield* ask(`DELETE FROM @event WHERE stream = $1 RETURNING position`, stream)
    yield* ask(`DELETE FROM @stream_head WHERE stream = $1`, stream)
    yield* ask(`DELETE FROM @receipt WHERE stream = $1`, stream)
    yield* ask(`DELETE FROM @"row" WHERE key = $1`, sessionId)
    yield* ask(`DELETE FROM @subject_key WHERE subject = $1`, stream)
    yield* ask(`UPDATE @counter SET n = n - 1 WHERE name = 'sessions.open:owner'`)
    return Number(event!["position"])
  })

/** Closes the gap at a position, so that the rest looks as if nothing had been there. */
export const closeGap = (ask: Ask, position: number): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    for (const table of ["event", '"row"']) {
      yield* ask(`UPDATE @${table} SET position = -(position - 1) WHERE position > $1`, BigInt(position))
      yield* ask(`UPDATE @${table} SET position = -position WHERE position < 0`)
    }
    yield* ask(`UPDATE @journal_head SET position = position - 1`)
  })

/** Two events change places; their rows follow. */
export const swap = (ask: Ask, one: number, other: number): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    for (const table of ["event", '"row"']) {
      yield* ask(`UPDATE @${table} SET position = -$1::bigint WHERE position = $2`, BigInt(other), BigInt(one))
      yield* ask(`UPDATE @${table} SET position = $1 WHERE position = $2`, BigInt(one), BigInt(other))
      yield* ask(`UPDATE @${table} SET position = -position WHERE position < 0`)
    }
  })

/** The first event of a stream says something else, and every hash behind it is made anew. Answers the positions. */
export const rehash = (ask: Ask, stream: string): Effect.Effect<ReadonlyArray<number>, unknown> =>
  Effect.gen(function* () {
    const events = yield* ask(`SELECT position, version, body FROM @event WHERE stream = $1 ORDER BY version`, stream)
    let before = "0".repeat(64)
    for (const { body, position, version } of events) {
      const envelope = JSON.parse(body) as { readonly [field: string]: Canonical.Json }
      const changed = version === 1 ? { ...envelope, traceparent: null } : envelope
      const text = Canonical.encode({ ...changed, prevHash: before })
      const hash = sha256(text)
      yield* ask(
        `UPDATE @event SET body = $1, prev_hash = $2, hash = $3 WHERE position = $4`,
        text,
        before,
        hash,
        position
      )
      before = hash
    }
    yield* ask(`UPDATE @stream_head SET hash = $1 WHERE stream = $2`, before, stream)
    return events.map(({ position }) => Number(position))
  })

export interface Story {
  /** Idle sessions, in the order of their only events. */
  readonly sessions: ReadonlyArray<string>
  /** A session of several events. */
  readonly busy: string
  readonly head: number
}

/** A short life: a session with turns and an action, and idle ones; the last event is an idle session's. */
export const live = async (service: Service.Service, key = ""): Promise<Story> => {
  const open = async (name: string): Promise<string> =>
    (await service.post("/v1/sessions", `${key}${name}`, { title: `about ${name}` })).body.sessionId
  const first = await open("first")
  const busy = await open("busy")
  await service.post(`/v1/sessions/${busy}/touch`, `${key}touch`, {})
  const turn = await service.post(`/v1/sessions/${busy}/turns`, `${key}turn`, { input: "say hello" })
  await service.get(`/v1/turns/${turn.body.turnId}?waitMillis=20000`)
  const asked = await service.post(`/v1/sessions/${busy}/actions`, `${key}ask`, {
    tool: "file.write",
    arguments: { path: "a.txt", content: "secret words" }
  })
  await service.post(`/v1/confirmations/${asked.body.confirmationId}/approve`, `${key}yes`, {})
  await service.get(`/v1/actions/${asked.body.actionId}?waitMillis=20000`)
  await service.post(`/v1/sessions/${busy}/close`, `${key}close`, {})
  const sessions = [first]
  for (const name of ["second", "third", "fourth", "last"]) sessions.push(await open(name))
  const { body } = await service.get("/v1/events?limit=200")
  return { sessions, busy, head: body.items.at(-1).position }
}

/** Waits for a condition of files that a service writes; looks often, and leaves the processor to the service between. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const giveUpAt = Date.now() + 100_000
  while (!(await holds())) {
    if (Date.now() > giveUpAt) throw new Error(`it did not come to pass: ${String(holds)}`)
    await new Promise((again) => setTimeout(again, 20))
  }
}
