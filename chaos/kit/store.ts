/** The store that a run works on: an embedded one in each folder, or a PostgreSQL that lives as long as the run. */
import * as PostgresServer from "#test/kit/PostgresServer.ts"

export type Store = "pglite" | "postgres"

export interface Database {
  /** Null for the embedded store. */
  readonly url: string | null
  /** Where the server of this run lives; null where `DATABASE_URL` named one, or there is none. */
  readonly server: string | null
}

/** Does `work` beside the store, and stops what was started for it. */
export const withStore = async <A>(store: Store, work: (database: Database) => Promise<A>): Promise<A> => {
  if (store === "pglite") return await work({ url: null, server: null })
  const folder = PostgresServer.makeRunFolder()
  try {
    const found = await PostgresServer.find(folder)
    if ("missing" in found) throw new Error(`${found.missing}: ${PostgresServer.remedy}`)
    return await work({ url: found.url, server: process.env["DATABASE_URL"] ? null : folder })
  } finally {
    PostgresServer.stop(folder)
  }
}
