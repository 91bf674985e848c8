/** The journal that a deployment's settings name: PGlite in the data folder, or PostgreSQL. */
import { resolve } from "node:path"
import type { PgClient } from "@effect/sql-pg"
import type * as Layer from "effect/Layer"
import type { SqlClient } from "effect/sql/SqlClient"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import type { Digest } from "#src/ports/Digest.ts"
import type { EventStore, Rows } from "#src/ports/EventStore.ts"
import type { Settings } from "./Settings.ts"

type JournalError = PgliteEventStore.OpenError | PostgresEventStore.OpenError

/** The journal and its rows, with the SQL client under them. */
export const journal = (
  settings: Settings
): Layer.Layer<EventStore | Rows | SqlClient | PgClient.PgClient, JournalError, Digest> =>
  settings.databaseUrl === null
    ? PgliteEventStore.layer({ folder: resolve(settings.dataFolder, "journal"), rowIndexes: GatewayRows.indexes })
    : PostgresEventStore.layer({
        url: settings.databaseUrl,
        schema: settings.databaseSchema,
        rowIndexes: GatewayRows.indexes
      })
