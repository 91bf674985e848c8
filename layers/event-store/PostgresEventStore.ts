/**
 * The journal on a PostgreSQL server, shared by any number of processes.
 *
 * Owns what a server adds: commits of other processes wake followers here through LISTEN/NOTIFY, and a slow poll
 * stands behind a lost notification; the client gives a statement up before the server takes a dead peer's lock away.
 */
import { PgClient } from "@effect/sql-pg"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Digest } from "#src/ports/Digest.ts"
import type { EventStore, EventStoreError, RowIndex, Rows } from "#src/ports/EventStore.ts"
import * as PostgresPgClient from "../sql-client/PostgresPgClient.ts"
import { joinListeners } from "./AppendSql.ts"
import * as Migrations from "./Migrations.ts"
import * as SqlEventStore from "./SqlEventStore.ts"
import * as SqlFailure from "./SqlFailure.ts"
import * as Wake from "./Wake.ts"
import * as WriterSession from "./WriterSession.ts"

export interface Options {
  readonly url: Redacted.Redacted<string>
  readonly rowIndexes?: ReadonlyArray<RowIndex> | undefined
  /** `keelson` unless told; several journals can share one database. */
  readonly schema?: string | undefined
  readonly connectionsMax?: number | undefined
  readonly applicationName?: string | undefined
  /** For the test that both ways of the append are one. */
  readonly allowFast?: boolean | undefined
}

export type OpenError = PostgresPgClient.OpenError | Migrations.SchemaRefused | EventStoreError

/** The store, its rows, and the SQL client under it (for `SqlVerify`). */
export const layer = (
  options: Options
): Layer.Layer<EventStore | Rows | SqlClient | PgClient.PgClient, OpenError, Digest> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const client = yield* PostgresPgClient.make(options)
      // Appends have connections of their own, so that no reader stands before them: one, and what it takes to replace it.
      const writer = yield* PostgresPgClient.make({ ...options, connectionsMax: 3, byIndexOnly: true })
      const schema = options.schema ?? "keelson"
      const rowIndexes = options.rowIndexes ?? []
      const channel = `${schema}_journal`
      const wake = Wake.make()
      yield* Effect.provideService(Migrations.run(schema, rowIndexes), SqlClient, client)
      yield* listen(client, schema, channel, wake)
      const send = yield* WriterSession.make({
        client: writer,
        timeoutMillis: Bounds.queryTimeoutMillis,
        // From before the head is first read, the other processes tell of their commits (`AppendSql.heard`).
        introduce: (connection) => connection.executeValues(joinListeners, [channel])
      })
      const store = yield* Effect.provideService(
        SqlEventStore.make({
          schema,
          rowIndexes,
          send,
          wake,
          channel,
          timeoutMillis: Bounds.queryTimeoutMillis,
          admit: Effect.void,
          // Another process may have moved the head: it tells nothing about one batch.
          afterLoss: () => Effect.succeed(null),
          allowFast: options.allowFast
        }),
        SqlClient,
        client
      )
      return Context.add(Context.add(store, SqlClient, client), PgClient.PgClient, client)
    })
  ).pipe(Layer.provide(Reactivity.layer))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Registered when it returns; a lost connection is made again, and everyone looks for what was missed meanwhile. */
const listen = Effect.fnUntraced(function* (
  client: PgClient.PgClient,
  schema: string,
  channel: string,
  wake: Wake.Wake
) {
  const notes = yield* client.listen(channel)
  const head = client.unsafe<{ position: bigint }>(`SELECT position FROM ${schema}.journal_head`)
  const look = Effect.match(SqlFailure.within(Bounds.queryTimeoutMillis, head), {
    onSuccess: (rows) => wake.note(Number(rows[0]?.position ?? 0)),
    onFailure: wake.nudge
  })
  // Whoever may connect may notify: what is heard is a reason to look, never the truth.
  const heard = (queue: typeof notes) => Effect.forever(Effect.andThen(Queue.takeAll(queue), look))
  const again = Effect.scoped(
    Effect.flatMap(client.listen(channel), (queue) => {
      wake.nudge()
      return heard(queue)
    })
  )
  yield* heard(notes).pipe(
    Effect.catch(() => Effect.retry(again, Schedule.spaced("1 second"))),
    Effect.forkScoped
  )
  yield* Effect.sync(() => {
    if (wake.waiting() > 0) wake.nudge()
  }).pipe(Effect.delay(Bounds.followPollMillis), Effect.forever, Effect.forkScoped)
})
