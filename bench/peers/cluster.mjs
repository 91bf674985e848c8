/**
 * Effect's cluster with persisted messages, on one node: an entity per actor, its handler's SQL and its reply in one
 * transaction, the key as the message's primary key. Runners are kept in memory, which one node may do and which is faster.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import * as SingleRunner from "effect/cluster/SingleRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { serve } from "./door.mjs"

const Add = Rpc.make("Add", {
  payload: { key: Schema.String },
  success: Schema.Int,
  primaryKey: ({ key }) => key
})
  .annotate(ClusterSchema.Persisted, true)
  .annotate(ClusterSchema.WithTransaction, true)

const Counter = Entity.make("Counter", [Add])

const counterLayer = Counter.toLayer(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { entityId } = yield* Entity.CurrentAddress
    return Counter.of({
      Add: () =>
        sql`INSERT INTO counter AS c VALUES (${entityId}, 1) ON CONFLICT (actor) DO UPDATE SET n = c.n + 1 RETURNING n`.pipe(
          Effect.map((rows) => Number(rows[0].n)),
          Effect.orDie
        )
    })
  })
)

const world = counterLayer.pipe(
  Layer.provideMerge(SingleRunner.layer({ runnerStorage: "memory" })),
  Layer.provideMerge(PgClient.layer({ url: Redacted.make(process.env.PEER_DATABASE_URL), maxConnections: 20 })),
  Layer.provideMerge(NodeCrypto.layerDigest)
)

await Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS counter (actor text PRIMARY KEY, n int NOT NULL)`
  const client = yield* Counter.client
  const runPromise = Effect.runPromiseWith(yield* Effect.context())
  serve((actor, key) => runPromise(client(actor).Add({ key })))
  return yield* Effect.never
}).pipe(Effect.provide(world), Effect.scoped, Effect.runPromise)
