/** The real service on a PostgreSQL of its own, with twenty WebSockets to it, for as long as the scope. */
import * as Effect from "effect/Effect"
import type * as Audit from "#chaos/kit/audit.ts"
import * as SocketClient from "#chaos/kit/SocketClient.ts"
import * as PostgresServer from "#test/kit/PostgresServer.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Floor from "./Floor.ts"

export const connections = 20

const flags = {
  "sessions-per-principal-max": 1_000_000,
  "confirmations-pending-max": 100_000,
  "confirmations-pending-per-session-max": 100_000,
  "requests-per-second-max": 1_000_000
}

export const make = Effect.fnUntraced(function* (policies?: string) {
  const server = yield* Effect.acquireRelease(Effect.sync(PostgresServer.makeRunFolder), (made) =>
    Effect.sync(() => PostgresServer.stop(made))
  )
  const found = yield* Effect.promise(() => PostgresServer.find(server))
  if ("missing" in found) throw new Error(`SKIP postgres: ${PostgresServer.remedy} (${found.missing})`)
  const folder = yield* TemporaryFolder.make
  const databaseSchema = `bench_${process.pid}`
  const { insert, pool } = yield* Floor.make(found.url, `${databaseSchema}_floor`)
  const start = Effect.acquireRelease(
    Effect.promise(() =>
      Service.start({
        folder,
        ...(policies === undefined ? {} : { policies }),
        flags: { ...flags, "database-schema": databaseSchema },
        environment: { KEELSON_DATABASE_URL: found.url }
      })
    ),
    (started) => Effect.promise(() => started.kill())
  )
  const place: Audit.Place = { folder, databaseUrl: found.url, databaseSchema }
  return { insert, pool, place, start }
})

/** The twenty. */
export const sockets = (service: Service.Service): Effect.Effect<ReadonlyArray<SocketClient.SocketClient>> =>
  Effect.promise(() =>
    Promise.all(Array.from({ length: connections }, () => SocketClient.open(service.url, service.token)))
  )

/** Sends and insists on an answer: a problem is no figure. */
export const insist = async ({ ask }: SocketClient.SocketClient, frame: SocketClient.Frame): Promise<any> => {
  const { body, status } = await ask(frame)
  if (status !== 200) throw new Error(`${frame.type}: ${JSON.stringify(body)}`)
  return body
}
