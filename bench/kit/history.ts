/** A history as the gateway makes it, in memory, with the rows it wrote and the keys that open its words. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as Rebuild from "#src/gateway/Rebuild.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import type { RowChange } from "#src/kernel/Append.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import type { Envelope, StoredEvent } from "#src/kernel/Envelope.ts"
import type { SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import type { SubjectKey } from "#src/ports/KeyRing.ts"
import { Vault } from "#src/ports/Vault.ts"
import * as World from "#test/kit/world.ts"

/** What the tables hold: canonical bodies by kind and key, counters by name. */
export interface Tables {
  readonly rows: ReadonlyMap<string, string>
  readonly counters: ReadonlyMap<string, number>
}

export interface History {
  readonly events: ReadonlyArray<StoredEvent>
  readonly expected: Tables
  readonly keys: ReadonlyMap<SubjectId, SubjectKey>
}

/** Stays open with its scope, for its keys are destroyed at the end. */
export const make = Effect.fnUntraced(function* (sessions: number) {
  const world = World.make()
  const context = yield* Effect.orDie(Layer.build(world.layer))
  return yield* Effect.gen(function* () {
    yield* Effect.forEach(Array.from({ length: sessions }).keys(), one, { concurrency: 20, discard: true })
    const store = yield* EventStore
    const events: Array<StoredEvent> = []
    for (;;) {
      const page = yield* store.readAll(events.length, 1_000)
      if (page.length === 0) break
      events.push(...page)
    }
    return { events, expected: yield* stored(events), keys: yield* keysOf(events) } satisfies History
  }).pipe(Effect.orDie, Effect.provideContext(context))
})

/** From the texts alone: decodes, folds, and answers every change of a row, in order. */
export const fold = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<RowChange> => {
  const rebuild = Effect.runSync(Rebuild.make)
  const changes: Array<RowChange> = []
  for (const { hash, position, text } of events) {
    const envelope = Canonical.decode(text) as unknown as Envelope
    changes.push(...rebuild({ position, envelope, text, hash }))
  }
  return changes
}

/** What is left once all changes are made. */
export const tablesOf = (changes: ReadonlyArray<RowChange>): Tables => {
  const rows = new Map<string, string>()
  const counters = new Map<string, number>()
  for (const change of changes) {
    if (change._tag === "Add") counters.set(change.counter, (counters.get(change.counter) ?? 0) + change.delta)
    else if (change._tag === "Put") rows.set(nameOf(change.kind, change.key), Canonical.encode(change.body))
    else rows.delete(nameOf(change.kind, change.key))
  }
  return { rows, counters }
}

/** Throws where two of them differ. */
export const insist = (found: Tables, expected: Tables): void => {
  if (dump(found) !== dump(expected)) throw new Error("the rows that were rebuilt are not those that the gateway wrote")
}

/** No kind holds a blank. */
export const nameOf = (kind: string, key: string): string => `${kind} ${key}`
export const kindAndKey = (name: string): readonly [kind: string, key: string] => {
  const blank = name.indexOf(" ")
  return [name.slice(0, blank), name.slice(blank + 1)]
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const dump = ({ counters, rows }: Tables): string =>
  Canonical.encode([Object.fromEntries(rows), Object.fromEntries(counters)])

/** Created, touched twice, an action proposed, asked, approved and run, closed. */
const one = Effect.fnUntraced(function* (index: number) {
  const gateway = yield* Gateway
  const { owner } = World
  const { body } = yield* gateway.createSession(owner, `s${index}`, { title: `What session ${index} is about` })
  const { sessionId } = body
  yield* gateway.touchSession(owner, `t${index}`, sessionId)
  yield* gateway.touchSession(owner, `u${index}`, sessionId)
  const asked = yield* gateway.propose(owner, `p${index}`, {
    sessionId,
    tool: "note",
    arguments: { text: `Words of session ${index}, at about the length of a sentence of an ordinary turn.` }
  })
  yield* gateway.approve(owner, `a${index}`, asked.body.actionId)
  yield* World.actionUntil(asked.body.actionId)
  yield* gateway.closeSession(owner, `c${index}`, sessionId, "done")
})

/**
 * The rows and counters as they stand in the store, whatever the fold says: all rows of every kind, and the counters that
 * such a history moves. Of those that stand at nothing the fold's own are taken.
 */
const stored = Effect.fnUntraced(function* (events: ReadonlyArray<StoredEvent>) {
  const table = yield* Rows
  const rows = new Map<string, string>()
  for (const kind of kinds) {
    let after: { readonly key: string } | undefined
    for (;;) {
      const page = yield* table.list({ kind, limit: 1_000, ...(after === undefined ? {} : { after }) })
      for (const { body, key } of page) rows.set(nameOf(kind, key), Canonical.encode(body))
      const last = page.at(-1)
      if (last === undefined) break
      after = { key: last.key }
    }
  }
  const counters = new Map<string, number>()
  for (const name of [...tablesOf(fold(events)).counters.keys(), ...moved]) {
    counters.set(name, yield* table.counter(name))
  }
  const expected: Tables = { rows, counters }
  return expected
})

/** Rows of every kind that such a history makes, or would make if it went wrong. */
const kinds = [
  "session",
  "turn",
  "action",
  "principal",
  "tool",
  GatewayRows.openSession,
  GatewayRows.claim,
  GatewayRows.principalKey,
  GatewayRows.policy,
  GatewayRows.halt
]

const moved = [
  GatewayRows.sessionsOpen(World.owner.actor.id),
  GatewayRows.pending,
  GatewayRows.confirmations("created"),
  GatewayRows.confirmations("approved")
]

const keysOf = Effect.fnUntraced(function* (events: ReadonlyArray<StoredEvent>) {
  const vault = yield* Vault
  const keys = new Map<SubjectId, SubjectKey>()
  for (const { envelope } of events) {
    for (const subject of Sealed.subjects(envelope.payload)) {
      if (keys.has(subject)) continue
      const key = yield* vault.key(subject)
      if (key === null) throw new Error(`${subject} has no key`)
      keys.set(subject, key)
    }
  }
  return keys
})
