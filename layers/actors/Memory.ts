/**
 * What one actor knows of its stream, and one command decided against it.
 *
 * Owns loading by replay, the receipt of a command, and the step from a command to an append. Does not own
 * mailboxes, commits or retries (`Rounds`).
 *
 * Invariants: a memory is a value; what is decided but not committed lives in the next value only; sealing
 * happens before `evolve`, so rules see handles alone; the body of a command is compared through its HMAC.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Append, Receipt, WrappedKey } from "#src/kernel/Append.ts"
import type { AnyBehaviour } from "#src/kernel/Behaviour.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import * as Decider from "#src/kernel/Decider.ts"
import * as Envelope from "#src/kernel/Envelope.ts"
import { EventId, type Hash, type StreamId, type SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import type { Stamp } from "#src/kernel/Stamp.ts"
import { ActorError, type Reply } from "#src/ports/Actors.ts"
import type { Digest } from "#src/ports/Digest.ts"
import type { EventStoreError, StreamSlice } from "#src/ports/EventStore.ts"
import type { KeyRingError, SubjectKey } from "#src/ports/KeyRing.ts"
import { sealer, type Vault } from "#src/ports/Vault.ts"

export interface Memory {
  readonly stream: StreamId
  readonly version: number
  readonly hash: Hash
  readonly state: unknown
  /** Committed receipts by `<principal> <key>`. Grows in place, only after a commit. */
  readonly receipts: Map<string, Receipt>
  /** A data key decided on but not yet committed, so that the next command of the batch uses the same. */
  readonly created: { readonly key: SubjectKey; readonly wrapped: WrappedKey } | null
  /** True where nobody has looked whether the stream, or its subject's key, is there. */
  readonly presumed: boolean
}

export interface Message {
  readonly command: unknown
  /** What repetitions are compared by. */
  readonly said: unknown
  readonly stamp: Stamp
}

export type Step =
  /** Answered without a commit: a repeat, a refusal that leaves no trace, or an error. */
  | { readonly _tag: "Done"; readonly reply: Result.Result<Reply, ActorError> }
  | {
      readonly _tag: "Commit"
      readonly append: Append
      readonly next: Memory
      readonly reply: Reply
      readonly prepared: unknown
      readonly created: SubjectKey | null
    }

export interface Tools {
  readonly vault: Vault["Service"]
  readonly digest: Digest["Service"]
}

/** Replays a slice. Throws on an event that today's code can't read: the stream is poisoned. */
export const load = (behaviour: AnyBehaviour, stream: StreamId, slice: StreamSlice): Memory => {
  let state: unknown = behaviour.decider.initial
  let version = 0
  let hash: Hash = Envelope.genesis
  for (const { envelope, hash: stored } of slice.events) {
    state = behaviour.decider.evolve(state, Decider.read(behaviour.events, envelope))
    version = envelope.version
    hash = stored
  }
  const receipts = new Map(slice.receipts.map((receipt) => [receiptName(receipt.principal, receipt.key), receipt]))
  return { stream, version, hash, state, receipts, created: null, presumed: false }
}

/** A stream that is presumed not to be there: only the journal's word on an append says whether that was so. */
export const presume = (behaviour: AnyBehaviour, stream: StreamId): Memory => ({
  ...load(behaviour, stream, { events: [], receipts: [] }),
  presumed: true
})

export const receiptName = (principal: string, key: string): string => `${principal} ${key}`

/** Decides one command. Fails only where the key ring or the store does not answer; throws where a rule does. */
export const decide = Effect.fnUntraced(function* (
  tools: Tools,
  behaviour: AnyBehaviour,
  memory: Memory,
  message: Message
): Effect.fn.Return<Step, KeyRingError | EventStoreError> {
  const subject = behaviour.subject(memory.state, message.command)
  const held = yield* hold(tools, behaviour, memory, subject, message.command)
  const letGo = Effect.sync(() => held.created?.key.destroy())
  // An erasure may destroy the key in hand while something is looked up: then the command is decided without it.
  const step = yield* Effect.catchDefect(
    Effect.onError(decideWith(tools, behaviour, memory, message, subject, held), () => letGo),
    (defect): Effect.Effect<Step, KeyRingError | EventStoreError> =>
      held.key?.destroyed() === true && held.created === null
        ? decide(tools, behaviour, memory, message)
        : Effect.die(defect)
  )
  // What is answered without a commit needs no key of its own.
  if (step._tag === "Done") yield* letGo
  return step
})

/** What a refused guard means: told to the caller, not recorded, since it may hold the next time. */
export const rejected = (rejection: unknown): Reply => ({
  _tag: "Rejected",
  body: rejection as Canonical.Json,
  repeated: false
})

/** The answer that was recorded; `Erased` where nothing opens it any more, `KeyReused` where the key named another command. */
export const repeat = (
  receipt: Receipt,
  stream: StreamId,
  digest: string,
  key: SubjectKey | null
): Result.Result<Reply, ActorError> => {
  if (receipt.stream === stream && key === null) return Result.fail(erased(stream))
  if (receipt.stream !== stream || receipt.digest !== digest || key === null) {
    return Result.fail(
      new ActorError({
        reason: "KeyReused",
        actor: stream,
        detail: "this idempotency key was used for another command",
        retryable: false
      })
    )
  }
  const text = key.open(Envelope.receiptAad(receipt.stream, receipt.principal, receipt.key), receipt.answer)
  if (text === null) throw new Error(`the receipt of ${receipt.commandId} does not open`)
  const answer = Canonical.decode(text) as { readonly tag: Reply["_tag"]; readonly body: Canonical.Json }
  return Result.succeed({ _tag: answer.tag, body: answer.body, repeated: true })
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Held {
  readonly key: SubjectKey | null
  readonly created: { readonly key: SubjectKey; readonly wrapped: WrappedKey } | null
}

const decideWith = Effect.fnUntraced(function* (
  tools: Tools,
  behaviour: AnyBehaviour,
  memory: Memory,
  message: Message,
  subject: SubjectId | null,
  { created, key }: Held
): Effect.fn.Return<Step, KeyRingError | EventStoreError> {
  const { command, said, stamp } = message
  const isErased = subject !== null && key === null
  if (isErased && !behaviour.survivesErasure(command)) return done(Result.fail(erased(memory.stream)))

  const commit = key === null ? null : key.hmac
  const body = encoded(said)
  if (body === null) return malformed(memory)
  const digest = commit === null ? null : commit(`command\n${body}`)
  const known = memory.receipts.get(receiptName(stamp.actor.id, stamp.key))
  if (known !== undefined && digest !== null) return done(repeat(known, memory.stream, digest, key))

  const prepared: Result.Result<unknown, unknown> = yield* behaviour.prepare(memory.state, command, stamp, commit)
  // Nothing opens any more what was answered: a repeat hears how things stand, and changes nothing.
  if (known !== undefined && Result.isSuccess(prepared)) {
    return done(
      Result.succeed({ _tag: "Accepted", body: behaviour.answer(memory.state, prepared.success), repeated: true })
    )
  }
  const decided: Result.Result<ReadonlyArray<Envelope.Draft>, unknown> = Result.isFailure(prepared)
    ? Result.fail(prepared.failure)
    : behaviour.decider.decide(memory.state, prepared.success, stamp)
  if (Result.isFailure(decided)) {
    const reply = rejected(decided.failure)
    if (behaviour.passing(decided.failure)) return done(Result.succeed(reply))
    // A refusal of something that does not exist has no subject to seal a receipt under, and one that was forgotten no key.
    if (key === null || digest === null || memory.version === 0) return done(Result.succeed(reply))
    return commitStep(memory, memory, stamp, { reply, key, digest, subject, prepared: null }, [], [])
  }
  const drafts = decided.success
  const most = behaviour.ends(command) ? Bounds.streamEventsTotalMax : Bounds.streamEventsMax
  if (memory.version + drafts.length > most) return done(streamFull(memory, most))
  const { next, events, rows } = advance(tools, behaviour, memory, drafts, stamp, key)
  const input = Result.getOrThrow(prepared)
  const reply: Reply = { _tag: "Accepted", body: behaviour.answer(next.state, input), repeated: false }
  if (events.length === 0 && subject === null) return done(Result.succeed(reply))
  const step = commitStep(memory, next, stamp, { reply, key, digest, subject, prepared: input }, events, rows)
  return {
    ...step,
    append: {
      ...step.append,
      guards: behaviour.guards(memory.state, input, drafts),
      keys: created === null ? [] : [created.wrapped],
      shred: behaviour.shreds(drafts)
    },
    next: { ...next, created: created ?? memory.created },
    created: created?.key ?? null
  }
})

const done = (reply: Result.Result<Reply, ActorError>): Step => ({ _tag: "Done", reply })

const erased = (stream: StreamId): ActorError =>
  new ActorError({
    reason: "Erased",
    actor: stream,
    detail: "what this belongs to was erased, or never was",
    retryable: false
  })

const encoded = (command: unknown): string | null => {
  try {
    return Canonical.encode(command as Canonical.Json)
  } catch (error) {
    if (error instanceof Canonical.NotCanonical) return null
    throw error
  }
}

const malformed = (memory: Memory): Step =>
  done(
    Result.fail(
      new ActorError({
        reason: "Malformed",
        actor: memory.stream,
        detail: "the text holds half a surrogate pair, which no encoding can carry",
        retryable: false
      })
    )
  )

const streamFull = (memory: Memory, most: number): Result.Result<Reply, ActorError> =>
  Result.fail(
    new ActorError({
      reason: "StreamFull",
      actor: memory.stream,
      detail: `one stream holds at most ${most} events`,
      retryable: false
    })
  )

/** The subject's key: the one at hand, or a new one where this command brings the subject into being. */
const hold = Effect.fnUntraced(function* (
  tools: Tools,
  behaviour: AnyBehaviour,
  memory: Memory,
  subject: SubjectId | null,
  command: unknown
) {
  if (subject === null) return { key: null, created: null }
  if (memory.created !== null) return { key: memory.created.key, created: null }
  const isNew = memory.presumed && behaviour.createsSubject(command)
  const key = isNew ? null : yield* tools.vault.key(subject)
  if (key !== null) return { key: key.destroyed() ? null : key, created: null }
  if (memory.version > 0 || !behaviour.createsSubject(command)) return { key: null, created: null }
  const created = yield* tools.vault.create(subject)
  return { key: created.key, created }
})

/** Seals, chains and folds what was decided. */
const advance = (
  tools: Tools,
  behaviour: AnyBehaviour,
  memory: Memory,
  drafts: ReadonlyArray<Envelope.Draft>,
  stamp: Stamp,
  key: SubjectKey | null
) => {
  if (drafts.length > Bounds.commandEventsMax) throw new Error(`${drafts.length} events from one command`)
  const occurredAt = new Date(stamp.atMillis).toISOString()
  const seal = key === null ? sealNothing : sealer(key)
  const events: Array<Envelope.SealedEvent> = []
  const rows: Array<Append["rows"][number]> = []
  let { state, version, hash } = memory
  for (const draft of drafts) {
    const definition = behaviour.events.get(draft.type)
    if (definition === undefined) throw new Error(`unknown event type ${draft.type}`)
    version += 1
    const sealed = Envelope.assemble({
      draft,
      schemaVersion: definition.schemaVersion,
      stamp,
      occurredAt,
      stream: memory.stream,
      version,
      prevHash: hash,
      eventId: EventId.make(tools.digest.derive("evt", memory.stream, String(version), stamp.commandId)),
      seal,
      sha256: tools.digest.sha256
    })
    if (sealed.text.length > Bounds.eventTextMax) throw new Error(`${draft.type} exceeds the size of an event`)
    const recorded = Envelope.recorded(sealed.envelope)
    const after: unknown = behaviour.decider.evolve(state, recorded)
    rows.push(...behaviour.rows(state, recorded, after))
    events.push(sealed)
    state = after
    hash = sealed.hash
  }
  return { next: { ...memory, state, version, hash }, events, rows: lastPut(rows) }
}

/** Several events of one command may write one row; only the last write counts. Counters all count. */
const lastPut = (rows: ReadonlyArray<Append["rows"][number]>): Append["rows"] => {
  const last = new Map<string, number>()
  rows.forEach((row, index) => {
    if (row._tag !== "Add") last.set(`${row.kind} ${row.key}`, index)
  })
  return rows.filter((row, index) => row._tag === "Add" || last.get(`${row.kind} ${row.key}`) === index)
}

interface Answered {
  readonly reply: Reply
  readonly key: SubjectKey | null
  readonly digest: string | null
  readonly subject: SubjectId | null
  readonly prepared: unknown
}

const commitStep = (
  before: Memory,
  next: Memory,
  stamp: Stamp,
  answered: Answered,
  events: Append["events"],
  rows: Append["rows"]
): Extract<Step, { _tag: "Commit" }> => {
  const { reply, key, digest, subject } = answered
  // Where the subject was forgotten nothing seals the answer: that the command was given stands all the same.
  const receipt: Receipt | null =
    subject === null
      ? null
      : {
          principal: stamp.actor.id,
          key: stamp.key,
          commandId: stamp.commandId,
          stream: before.stream,
          version: next.version,
          subject,
          digest: digest ?? "",
          answer:
            key === null
              ? ""
              : key.seal(
                  Envelope.receiptAad(before.stream, stamp.actor.id, stamp.key),
                  Canonical.encode({ tag: reply._tag, body: reply.body })
                ),
          recordedAtMillis: stamp.atMillis
        }
  return {
    _tag: "Commit",
    append: {
      stream: before.stream,
      expectedVersion: before.version,
      expectedHash: before.hash,
      events,
      receipt,
      rows,
      guards: [],
      keys: [],
      shred: []
    },
    next,
    reply,
    prepared: answered.prepared,
    created: null
  }
}

/** Words that come after their subject was forgotten are forgotten at once: what happened stands, what was said does not. */
const sealNothing = () => Sealed.redacted
