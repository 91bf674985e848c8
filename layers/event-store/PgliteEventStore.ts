/**
 * The journal in a folder, on PGlite: the laptop's default, with the promises of a server.
 *
 * Owns what an embedded engine adds: the folder's lock, room on the disk before every batch, and the truth about a
 * batch in which the engine died. One process writes, so followers wake in process.
 */
import { PgClient } from "@effect/sql-pg"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import { SqlClient } from "effect/sql/SqlClient"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Digest } from "#src/ports/Digest.ts"
import { EventStore, type EventStoreError, type RowIndex, type Rows } from "#src/ports/EventStore.ts"
import * as PglitePgClient from "../sql-client/PglitePgClient.ts"
import * as Migrations from "./Migrations.ts"
import * as SqlEventStore from "./SqlEventStore.ts"
import * as SqlFailure from "./SqlFailure.ts"
import * as Wake from "./Wake.ts"

export interface Options {
  /** Created with mode 0700. Without one the journal lives in memory, for tests. */
  readonly folder?: string | undefined
  readonly rowIndexes?: ReadonlyArray<RowIndex> | undefined
  readonly schema?: string | undefined
  /** Free bytes below which appends are refused; `Bounds.journalReserveBytes` unless told. */
  readonly reserveBytes?: number | undefined
  /** For the test that both ways of the append are one. */
  readonly allowFast?: boolean | undefined
}

export type OpenError = PglitePgClient.OpenError | Migrations.SchemaRefused | EventStoreError

/** The store, its rows, and the SQL client under it (for `SqlVerify`). */
export const layer = (
  options: Options = {}
): Layer.Layer<EventStore | Rows | SqlClient | PgClient.PgClient, OpenError, Digest> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const client = yield* PglitePgClient.make({ folder: options.folder })
      const { embedded } = client
      const schema = options.schema ?? "keelson"
      const rowIndexes = options.rowIndexes ?? []
      const wake = Wake.make()
      const withClient = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, SqlClient, client)
      yield* withClient(Migrations.run(schema, rowIndexes))
      const store = yield* withClient(
        SqlEventStore.make({
          schema,
          rowIndexes,
          send: (text, values) => Effect.map(client.unsafe(text, values).values, (rows) => rows[0]?.[0]),
          wake,
          channel: "",
          timeoutMillis: null,
          admit: admit(embedded, options.reserveBytes ?? Bounds.journalReserveBytes),
          afterLoss: afterLoss(schema, client, wake),
          allowFast: options.allowFast
        })
      )
      const tidied = Context.add(store, EventStore, tidying(Context.get(store, EventStore), client, schema))
      return Context.add(Context.add(tidied, SqlClient, client), PgClient.PgClient, client)
    })
  ).pipe(Layer.provide(Reactivity.layer))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/**
 * A full disk is refused here, before the engine meets it: in the middle of its log it would have to stop. So is a folder
 * that another process has taken after somebody removed the lock.
 */
const admit = (embedded: PglitePgClient.Embedded, reserveBytes: number): Effect.Effect<void, EventStoreError> =>
  Effect.suspend(() => {
    if (!embedded.held()) return Effect.fail(SqlFailure.unavailable("append", "another process has the folder", false))
    return embedded.bytesFree() >= reserveBytes ? Effect.void : Effect.fail(SqlFailure.full("append"))
  })

/** Nobody vacuums an embedded database: at the end of a sweep its room is given back, and the index by age learns. */
const tidying = (
  store: EventStore["Service"],
  client: PglitePgClient.EmbeddedPgClient,
  schema: string
): EventStore["Service"] => ({
  ...store,
  forgetReceipts: (quietSinceMillis, limit) =>
    Effect.tap(store.forgetReceipts(quietSinceMillis, limit), (forgotten) =>
      forgotten < limit
        ? Effect.mapError(client.unsafe(`VACUUM ${schema}.receipt`), (error) => SqlFailure.toError("vacuum", error))
        : Effect.void
    )
})

const afterLoss =
  (schema: string, client: PglitePgClient.EmbeddedPgClient, wake: Wake.Wake) =>
  (headBefore: number): Effect.Effect<EventStoreError | null> => {
    const forSpace = client.embedded.stoppedForSpace()
    return client.unsafe<{ position: bigint }>(`SELECT position FROM ${schema}.journal_head`).pipe(
      Effect.map((rows) => {
        const position = Number(rows[0]?.position)
        if (position !== headBefore) {
          // It was written after all, and nobody else tells the followers.
          wake.note(position)
          return null
        }
        return forSpace ? SqlFailure.full("append") : SqlFailure.unavailable("append", "the embedded engine stopped")
      }),
      // It does not open again (yet): nobody can say what its log holds.
      Effect.catch(() => Effect.succeed(null))
    )
  }
