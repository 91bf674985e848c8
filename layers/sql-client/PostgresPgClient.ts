/**
 * A PostgreSQL server as a `PgClient`: a pool with the settings that the journal's promises rest on.
 *
 * Owns connections and session settings. Does not own SQL.
 *
 * Invariants: a server that would answer a commit before it is on disk is refused; isolation is READ COMMITTED
 * whatever the server's default, because the append takes a fresh snapshot after it holds the lock; every statement
 * is given up by the server before the client gives up waiting for it, so that a slow statement has a known end.
 */
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Bounds from "#src/kernel/Bounds.ts"
import { ServerNotDurable } from "./OpenFailures.ts"

export interface Options {
  /** `postgresql://user:password@host:port/database`, with libpq's `sslmode` and other parameters. */
  readonly url: Redacted.Redacted<string>
  /** Connections for questions and appends together; followers and verification take from the same. 10 unless told. */
  readonly connectionsMax?: number | undefined
  readonly applicationName?: string | undefined
  /**
   * For a connection that runs a few known statements for ever: every look-up goes by its index, also where the plan
   * was made (and is kept) while the table was empty.
   */
  readonly byIndexOnly?: boolean | undefined
}

export type OpenError = SqlError | ServerNotDurable

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<PgClient.PgClient, OpenError, Scope.Scope | PgReactivity> {
  const client = yield* PgClient.make({
    url: options.url,
    applicationName: options.applicationName ?? "keelson",
    minConnections: 1,
    maxConnections: options.connectionsMax ?? 10,
    connectTimeout: Bounds.queryTimeoutMillis,
    keepAlive: "2 seconds",
    maxMessageSize: 64 * 1024 * 1024,
    startupParameters: {
      default_transaction_isolation: "read committed",
      statement_timeout: String(statementTimeoutMillis),
      plan_cache_mode: "force_generic_plan",
      jit: "off",
      // A peer that is gone holds the journal's head no longer than this (Linux: the first probe after half of it).
      tcp_user_timeout: String(Bounds.serverPeerTimeoutMillis),
      tcp_keepalives_idle: halfOfIt,
      tcp_keepalives_interval: "1",
      tcp_keepalives_count: halfOfIt,
      ...(options.byIndexOnly === true ? byIndexOnly : {})
    }
  })
  yield* checkDurable(client)
  return client
})

export const layer = (options: Options): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, OpenError> =>
  PgClient.layerFrom(make(options))

/** Shorter than the client's own patience by a round trip and some work: a late answer still tells what happened. */
export const statementTimeoutMillis = Bounds.queryTimeoutMillis - 500

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Whole seconds, one at least. */
const halfOfIt = String(Math.max(1, Math.floor(Bounds.serverPeerTimeoutMillis / 2_000)))

const byIndexOnly = { enable_seqscan: "off", enable_hashjoin: "off", enable_mergejoin: "off" }

type PgReactivity = Effect.Services<ReturnType<typeof PgClient.make>>

/** Settings that make a commit's answer come before its bytes are safe. */
const unsafe = { fsync: "off", full_page_writes: "off", synchronous_commit: "off" } as const

const checkDurable = Effect.fnUntraced(function* (client: PgClient.PgClient) {
  const rows = yield* client<{ name: string; setting: string }>`
    SELECT name, setting FROM pg_settings WHERE ${client.in("name", Object.keys(unsafe))}`
  for (const { name, setting } of rows) {
    if (setting !== unsafe[name as keyof typeof unsafe]) continue
    return yield* new ServerNotDurable({
      setting: name,
      value: setting,
      detail: `the PostgreSQL server runs with ${name} = ${setting}: what it acknowledges may be lost; turn it on`,
      retryable: false
    })
  }
})
