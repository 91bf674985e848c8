/**
 * PGlite as a `PgClient`: the same driver, wire protocol, types and SQL as a PostgreSQL server.
 *
 * Owns the bridge between the driver's socket and the engine, the folder's lock, and opening the engine again after
 * it died. Does not own the engine's inside (`PgliteEngine`).
 *
 * Invariants: one session; a connection that was opened on an engine that died fails and is never silently
 * continued on the next engine; the folder's lock is held longer than any engine.
 */
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as fs from "node:fs"
import { Duplex } from "node:stream"
import * as FolderLock from "./FolderLock.ts"
import type { EngineFailed } from "./OpenFailures.ts"
import * as PgliteEngine from "./PgliteEngine.ts"

export interface Options {
  /** The data folder; created with mode 0700. Without one the database lives in memory, for tests. */
  readonly folder?: string | undefined
}

/** What an event store needs to know of an embedded database beside its SQL. */
export interface Embedded {
  /** False once another process has the folder: nothing more may be written. */
  readonly held: () => boolean
  /** Bytes free on the folder's disk; Infinity in memory. */
  readonly bytesFree: () => number
  /** True where the engine stopped because a write found no space, until it was opened again. */
  readonly stoppedForSpace: () => boolean
  /** How often the engine synced a file to disk, over all engines of this client. */
  readonly syncs: () => number
}

export type EmbeddedPgClient = PgClient.PgClient & { readonly embedded: Embedded }

export type OpenError = FolderLock.FolderLocked | EngineFailed | SqlError

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<EmbeddedPgClient, OpenError, Scope.Scope | PgReactivity> {
  const folder = options.folder ?? null
  const lock = folder === null ? null : yield* FolderLock.acquire(folder)
  const host = yield* makeHost(folder, lock?.held ?? (() => true))
  // One connection, kept for good: PGlite has one session. A pool rather than a bare client, because a pool replaces
  // the connection of a dead engine.
  const client = yield* PgClient.make({
    stream: host.stream,
    ssl: false,
    username: "postgres",
    database: "postgres",
    applicationName: "keelson",
    // Opening an engine again replays its log first.
    connectTimeout: "60 seconds",
    minConnections: 1,
    maxConnections: 1,
    maxMessageSize: 64 * 1024 * 1024
  })
  return Object.assign(client, { driver: "pglite", embedded: host.embedded })
})

export const layer = (options: Options = {}): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, OpenError> =>
  PgClient.layerFrom(make(options))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type PgReactivity = Effect.Services<ReturnType<typeof PgClient.make>>

interface Host {
  readonly stream: () => Duplex
  readonly embedded: Embedded
}

const makeHost = Effect.fnUntraced(function* (folder: string | null, held: () => boolean) {
  let engine = yield* PgliteEngine.open(folder)
  let opening: Promise<PgliteEngine.Engine> | null = null
  let syncsBefore = 0
  // An engine that closes writes what it has in memory, which must not meet what another process wrote meanwhile.
  yield* Effect.addFinalizer(() => Effect.promise(async () => (held() ? engine.close() : undefined)))

  /** The living engine. After a death the first connection opens the next one; the others wait for the same. */
  const living = (): Promise<PgliteEngine.Engine> => {
    if (!held()) return Promise.reject(new Error(folderLost))
    if (!engine.dead()) return Promise.resolve(engine)
    opening ??= Effect.runPromise(PgliteEngine.open(folder)).then(
      (next) => {
        syncsBefore += engine.syncs()
        engine = next
        opening = null
        return next
      },
      (cause: unknown) => {
        opening = null
        throw cause
      }
    )
    return opening
  }

  const host: Host = {
    stream: () => bridge(living, held),
    embedded: {
      held,
      bytesFree: () => (folder === null ? Infinity : bytesFree(folder)),
      stoppedForSpace: () => engine.dead() && engine.noSpace(),
      syncs: () => syncsBefore + engine.syncs()
    }
  }
  return host
})

/** The driver's end of a socket whose other end is the engine. What is written is run at once, to its end. */
const bridge = (living: () => Promise<PgliteEngine.Engine>, held: () => boolean): Duplex => {
  let mine: PgliteEngine.Engine | null = null

  const begin = async (): Promise<PgliteEngine.Engine> => {
    const engine = await living()
    // A connection that was dropped in a transaction leaves it open: the engine knows only one session.
    if (engine.inTransaction()) engine.exec(rollback, () => undefined)
    mine = engine
    return engine
  }

  const run = (bytes: Uint8Array, done: (error?: Error | null) => void): void => {
    const send = (engine: PgliteEngine.Engine) => {
      try {
        if (!held()) throw new Error(folderLost)
        engine.exec(bytes, (answer) => void duplex.push(answer))
        done()
      } catch (cause) {
        done(cause instanceof Error ? cause : new Error(String(cause)))
      }
    }
    if (mine !== null) send(mine)
    else begin().then(send, (cause: unknown) => done(cause instanceof Error ? cause : new Error(String(cause))))
  }

  const duplex: Duplex = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => run(chunk, done),
    writev: (chunks, done) => run(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), done),
    final: (done) => {
      duplex.push(null)
      done()
    }
  })
  return duplex
}

/** Asked before every statement: what is in memory of the folder may be old, and nothing of it may be written back. */
const folderLost = "the folder's lock was taken away: another process may have written there"

/** `ROLLBACK` as a `Query` message (PostgreSQL's protocol, "Message Formats"). */
const rollback = Buffer.from("Q\0\0\0\rROLLBACK\0", "latin1")

const bytesFree = (folder: string): number => {
  const { bavail, bsize } = fs.statfsSync(folder)
  return bavail * bsize
}
