/**
 * The ledger of erasures of a deployment: kept while it runs, and applied to a journal that came out of a backup.
 *
 * Composes the store, the ledger's file beside the checkpoints, and the session's own actor, which alone says what an
 * erasure means.
 */
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as FileErasureLedger from "#layers/erasure-ledger/FileErasureLedger.ts"
import * as SqlFailure from "#layers/event-store/SqlFailure.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as NodeStamps from "#layers/stamps/NodeStamps.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import * as Session from "#src/gateway/Session.ts"
import { system } from "#src/gateway/System.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { Stamps } from "#src/ports/Stamps.ts"
import type { Settings } from "./Settings.ts"
import * as StoreOutside from "./StoreOutside.ts"

const folderOf = ({ checkpointFolder }: Settings): string => resolve(checkpointFolder)

/** Everybody who was forgotten, as the ledger knows it. */
export const known = (settings: Settings) => FileErasureLedger.read(folderOf(settings))

/** A look: writes down the erasures that were committed since the last one. */
export const follower = Effect.fnUntraced(function* (settings: Settings) {
  const sql = yield* SqlClient
  const schema = StoreOutside.schemaOf(settings)
  const ask = <Row extends object>(text: string, values: ReadonlyArray<unknown> = []) =>
    sql.unsafe<Row>(text, values).pipe(Effect.mapError((error) => SqlFailure.toError("erasures", error)))
  let from: number | null = null
  const written = new Set<string>()

  /** The place to go on from: the newest line whose event is in this journal; a restored one may not have it. */
  const begin = Effect.gen(function* () {
    const lines = yield* known(settings)
    for (const { eventId } of lines) written.add(eventId)
    const last = lines.at(-1)
    if (last === undefined) return 0
    const [found] = yield* ask<{ event_id: string }>(`SELECT event_id FROM ${schema}.event WHERE position = $1`, [
      BigInt(last.position)
    ])
    return found?.event_id === last.eventId ? last.position : 0
  })

  return Effect.gen(function* () {
    const after = from ?? (yield* begin)
    const [head] = yield* ask<{ position: bigint }>(`SELECT position FROM ${schema}.journal_head`)
    const upTo = Number(head?.position ?? 0)
    if (upTo > after) {
      const found = yield* ask<Erased>(
        `SELECT position, event_id, stream, occurred_at FROM ${schema}.event
         WHERE position > $1 AND position <= $2 AND type = 'session.erased' ORDER BY position`,
        [BigInt(after), BigInt(upTo)]
      )
      const fresh = found.filter(({ event_id }) => !written.has(event_id))
      yield* FileErasureLedger.add(
        folderOf(settings),
        fresh.map(({ event_id, occurred_at, position, stream }) => ({
          position: Number(position),
          eventId: event_id,
          subject: stream,
          at: occurred_at
        }))
      )
      for (const { event_id } of fresh) written.add(event_id)
    }
    from = Math.max(after, upTo)
  })
})

/** Erases, as SYSTEM and by the session's own rule, whoever the journal still holds; answers how many. */
export const apply = Effect.fnUntraced(function* (erasures: ReadonlyArray<FileErasureLedger.Erasure>) {
  const actors = yield* Actors
  const rows = yield* Rows
  const stamps = yield* Stamps
  let applied = 0
  for (const { eventId, subject } of erasures) {
    const id = subject.slice(subject.indexOf(":") + 1)
    const session = yield* rows.get("session", id)
    if (session === null || session.body["status"] === "Erased") continue
    const stamp = yield* stamps.stamp({ actor: system, key: `erased-again/${eventId}` })
    yield* actors.send("session", id, { _tag: "EraseSession" }, stamp)
    applied += 1
  }
  return applied
})

/** What `apply` needs, over an open journal: it opens nothing sealed, so it needs no keys. */
export const actors = LocalActors.layer({ behaviours: [Session.behaviour] }).pipe(
  Layer.provide(StoreVault.layer.pipe(Layer.provide(VolatileKeyRing.layer))),
  Layer.provideMerge(NodeStamps.layer)
)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Erased {
  readonly position: bigint
  readonly event_id: string
  readonly stream: string
  readonly occurred_at: string
}

/** Read by `Service`, which refuses to serve half of a backup. */
export const unfinished = Effect.fnUntraced(function* (cell: string) {
  const store = yield* EventStore
  return (yield* store.cell(cell)) !== null
})
