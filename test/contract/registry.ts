/**
 * The three journals. Throws on an unknown name, so that a renamed store can't silently test nothing.
 *
 * `KEELSON_STORES` picks some of them, separated by commas; all unless told.
 */
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import type { EventStore, RowIndex, Rows } from "#src/ports/EventStore.ts"
import type * as Postgres from "../kit/postgres.ts"

export interface World {
  readonly rowIndexes: ReadonlyArray<RowIndex>
  /** Null where no server can be had. */
  readonly postgres: Postgres.Server | null
  readonly schema: string
  /** False sends every batch the slow way. */
  readonly allowFast?: boolean
}

export type StoreLayer = Layer.Layer<EventStore | Rows, PgliteEventStore.OpenError | PostgresEventStore.OpenError>

const stores: ReadonlyMap<string, (world: World) => StoreLayer | null> = new Map([
  ["volatile", ({ rowIndexes }: World): StoreLayer => VolatileEventStore.layerWith({ rowIndexes })],
  [
    "pglite",
    ({ rowIndexes, allowFast }: World): StoreLayer =>
      Layer.provide(PgliteEventStore.layer({ rowIndexes, allowFast }), NodeDigest.layer)
  ],
  [
    "postgres",
    ({ rowIndexes, postgres, schema, allowFast }: World): StoreLayer | null =>
      postgres === null
        ? null
        : Layer.provide(
            PostgresEventStore.layer({ url: postgres.url, schema, rowIndexes, allowFast }),
            NodeDigest.layer
          )
  ]
])

/** Null where the store needs a server and there is none. */
export const store = (name: string, world: World): StoreLayer | null => {
  const make = stores.get(name)
  if (make === undefined) throw new Error(`no event store is called ${name}; known: ${[...stores.keys()].join(", ")}`)
  return make(world)
}

export const chosen = (): ReadonlyArray<string> => {
  const given = process.env["KEELSON_STORES"]
  return given === undefined || given === "" ? [...stores.keys()] : given.split(",").map((name) => name.trim())
}
