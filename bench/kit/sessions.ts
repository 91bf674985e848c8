/**
 * Sessions in a journal that no service has open just now, as the gateway would have written them: rules, sealed titles,
 * chains, receipts, rows and counters. Only the guard of the quota is left out.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Place } from "#chaos/kit/audit.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import { owner } from "#layers/identity/FileIdentity.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as Journal from "#layers/profiles/Journal.ts"
import * as Service from "#layers/profiles/Service.ts"
import * as Settings from "#layers/profiles/Settings.ts"
import type { SessionCommand } from "#src/gateway/Protocol.ts"
import * as Session from "#src/gateway/Session.ts"
import type { Append, RowChange, WrappedKey } from "#src/kernel/Append.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { encode } from "#src/kernel/Canonical.ts"
import { assemble, genesis, receiptAad, recorded, type SealedEvent } from "#src/kernel/Envelope.ts"
import { CommandId, CommandKey, EventId, SessionId, StreamId } from "#src/kernel/Ids.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { KeyRing, type SubjectKey } from "#src/ports/KeyRing.ts"
import { sealer } from "#src/ports/Vault.ts"

/** The n-th of them. */
export const idOf = (index: number): SessionId =>
  SessionId.make(NodeDigest.derive("ses", owner.actor.id, `filled-${index}`))

/** Writes so many open sessions that live for a day, of so many events each. The service must have begun the journal, and be stopped. */
export const fill = (place: Place, sessions: number, eventsEach: number): Promise<void> => {
  const settings: Settings.Settings = {
    ...Settings.defaults,
    dataFolder: `${place.folder}/data`,
    databaseUrl: place.databaseUrl === null ? null : Redacted.make(place.databaseUrl),
    databaseSchema: place.databaseSchema
  }
  const world = Service.keyRing(settings).pipe(
    Layer.provideMerge(Journal.journal(settings)),
    Layer.provideMerge(Layer.mergeAll(NodeDigest.layer, NodePrivateFiles.layer))
  )
  return Effect.gen(function* () {
    const store = yield* EventStore
    const ring = yield* KeyRing
    const one = Effect.fnUntraced(function* (index: number) {
      const { key, wrapped } = yield* ring.create(Session.subjectOf(idOf(index)))
      const outcomes = yield* store.append(appendsOf(index, eventsEach, key, wrapped))
      key.destroy()
      for (const outcome of outcomes) {
        if (outcome._tag !== "Committed") throw new Error(`an append was ${JSON.stringify(outcome)}`)
      }
    })
    yield* Effect.forEach(Array.from({ length: sessions }).keys(), one, { concurrency: 50, discard: true })
  }).pipe(Effect.provide(world), Effect.scoped, Effect.runPromise)
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const { actor } = owner

interface Head {
  readonly state: Session.State
  readonly version: number
  readonly hash: SealedEvent["hash"]
}

const appendsOf = (index: number, events: number, key: SubjectKey, wrapped: WrappedKey): ReadonlyArray<Append> => {
  const sessionId = idOf(index)
  const create: SessionCommand = {
    _tag: "CreateSession",
    sessionId,
    ownerId: actor.id,
    agentId: actor.id,
    title: `What session ${index} is about`,
    ttlMillis: Bounds.sessionTtlMillisMax,
    idleMillis: Bounds.sessionTtlMillisMax,
    quota: Number.MAX_SAFE_INTEGER
  }
  const stream = StreamId.make(`session:${sessionId}`)
  let head: Head = { state: Session.initial, version: 0, hash: genesis }
  return Array.from({ length: events }, (_, count) => {
    const command: SessionCommand = count === 0 ? create : { _tag: "TouchSession" }
    const made = appendOf(stream, head, command, `filled-${index}-${count}`, key)
    head = made.head
    return count === 0 ? { ...made.append, keys: [wrapped] } : made.append
  })
}

const appendOf = (stream: StreamId, head: Head, command: SessionCommand, name: string, key: SubjectKey) => {
  const atMillis = Date.now()
  const commandKey = CommandKey.make(name)
  const commandId = CommandId.make(NodeDigest.derive("cmd", actor.id, commandKey))
  const stamp = {
    atMillis,
    actor,
    key: commandKey,
    commandId,
    correlationId: commandId,
    causationId: null,
    traceparent: null
  }
  const events: Array<SealedEvent> = []
  const rows: Array<RowChange> = []
  let { hash, state, version } = head
  for (const draft of Result.getOrThrow(Session.decide(state, command, stamp))) {
    version += 1
    const event = assemble({
      draft,
      schemaVersion: 1,
      stamp,
      occurredAt: new Date(atMillis).toISOString(),
      stream,
      version,
      prevHash: hash,
      eventId: EventId.make(NodeDigest.derive("evt", stream, String(version), commandId)),
      seal: sealer(key),
      sha256: NodeDigest.sha256
    })
    events.push(event)
    hash = event.hash
    const after: Session.State = Session.evolve(state, recorded(event.envelope))
    if (after !== null) rows.push(...Session.behaviour.rows(state, recorded(event.envelope) as never, after))
    state = after
  }
  const answer = encode({ tag: "Accepted", body: Session.behaviour.answer(state, command) })
  const append: Append = {
    stream,
    expectedVersion: head.version,
    expectedHash: head.hash,
    events,
    receipt: {
      principal: actor.id,
      key: commandKey,
      commandId,
      stream,
      version,
      subject: key.subject,
      digest: key.hmac(`command\n${name}`),
      answer: key.seal(receiptAad(stream, actor.id, commandKey), answer),
      recordedAtMillis: atMillis
    },
    rows,
    guards: [],
    keys: [],
    shred: []
  }
  return { append, head: { state, version, hash } }
}
