/** The real service on a PostgreSQL of its own, with twenty WebSockets to it, for as long as the scope. */
import * as Effect from "effect/Effect"
import type pg from "pg"
import type * as Audit from "#chaos/kit/audit.ts"
import * as SocketClient from "#chaos/kit/SocketClient.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Floor from "./Floor.ts"
import * as Processes from "./Processes.ts"
import * as Server from "./server.ts"

export const connections = 20

const flags = {
  "sessions-per-principal-max": 1_000_000,
  "confirmations-pending-max": 100_000,
  "confirmations-pending-per-session-max": 100_000,
  "requests-per-second-max": 1_000_000
}

export interface Options {
  readonly policies?: string
  /** Lines for the configuration of PostgreSQL. */
  readonly database?: string
}

export const make = Effect.fnUntraced(function* ({ database, policies }: Options = {}) {
  const url = yield* Server.make(database)
  const folder = yield* TemporaryFolder.make
  const databaseSchema = `bench_${process.pid}`
  const { insert, pool } = yield* Floor.make(url, `${databaseSchema}_floor`)
  const place: Audit.Place = { folder, databaseUrl: url, databaseSchema }
  return { insert, pool, place, start: start(place, policies === undefined ? {} : { policies }) }
})

/** The service on a place, for as long as the scope. */
export const start = (
  { databaseSchema, databaseUrl, folder }: Audit.Place,
  { environment, flags: more, ...options }: Partial<Service.Options>
) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      Service.start({
        folder,
        ...options,
        flags: { ...flags, ...more, "database-schema": databaseSchema },
        environment: { ...environment, ...(databaseUrl === null ? {} : { KEELSON_DATABASE_URL: databaseUrl }) }
      })
    ),
    (started) => Effect.promise(() => started.kill())
  )

/** The process whose children serve the pool's connections. */
export const postmaster = (pool: pg.Pool): Effect.Effect<number> =>
  Effect.promise(async () => {
    const { rows } = await pool.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")
    return Processes.parent(rows[0]!.pid)
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
