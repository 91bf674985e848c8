/**
 * The gateway as edges call it: who may, under which id, stamped, sent, answered.
 *
 * Owns the way of a command from a principal to an actor. Does not own rules (actors judge again under the
 * journal's lock) nor transport. What the caller may not know of is `NotFound`, not `Forbidden`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Json } from "../kernel/Canonical.ts"
import { ActionId, CommandKey, PrincipalId, SessionId, TurnId } from "../kernel/Ids.ts"
import { ActorError, Actors, type Reply } from "../ports/Actors.ts"
import { Digest } from "../ports/Digest.ts"
import type { EventStoreError } from "../ports/EventStore.ts"
import { HaltSwitch } from "../ports/HaltSwitch.ts"
import type { Principal } from "../ports/Identity.ts"
import { Responder } from "../ports/Responder.ts"
import { CurrentCorrelationId, Stamps } from "../ports/Stamps.ts"
import * as Authority from "./Authority.ts"
import {
  ActionAnswer,
  type ActionCommand,
  Gateway,
  HaltAnswer,
  type HaltCommand,
  Refused,
  Rejection,
  SessionAnswer,
  type SessionCommand,
  TurnAnswer,
  type TurnCommand
} from "./Protocol.ts"
import * as Questions from "./Questions.ts"
import * as Rows from "./Rows.ts"
import { system } from "./System.ts"

export interface GatewayConfig {
  readonly sessionTtlMillis: number
  readonly sessionIdleMillis: number
  readonly sessionsPerPrincipalMax: number
  readonly turnStepsMax: number
  readonly turnTokensMax: number
  readonly turnTimeoutMillis: number
}

export const make = Effect.fnUntraced(function* (config: GatewayConfig) {
  const actors = yield* Actors
  const stamps = yield* Stamps
  const digest = yield* Digest
  const responder = yield* Responder
  const haltSwitch = yield* HaltSwitch
  const questions = yield* Questions.make

  const send = Effect.fnUntraced(function* <A>(
    by: Principal,
    key: string,
    to: { readonly kind: string; readonly id: string },
    command: SessionCommand | TurnCommand | ActionCommand | HaltCommand,
    said: Json,
    answer: Schema.Codec<A, unknown>
  ) {
    const correlationId = yield* CurrentCorrelationId
    const stamp = yield* stamps.stamp({ actor: by.actor, key: CommandKey.make(key), correlationId })
    const reply = yield* actors.send(to.kind, to.id, command, stamp, { deed: command._tag, said })
    if (reply._tag === "Rejected") return yield* refused(reply)
    const body = yield* Effect.orDie(Schema.decodeUnknownEffect(answer)(reply.body))
    return { body, repeated: reply.repeated }
  })

  const refused = (reply: Reply) =>
    Effect.flatMap(Effect.orDie(Schema.decodeUnknownEffect(Rejection)(reply.body)), (rejection) =>
      Effect.fail(new Refused({ rejection, repeated: reply.repeated, retryable: retryable.has(rejection._tag) }))
    )

  const refuse = (rejection: Rejection) =>
    Effect.fail(new Refused({ rejection, repeated: false, retryable: retryable.has(rejection._tag) }))

  /** `NotFound` for what the caller may not even read, `Forbidden` for what it may not do. */
  const permit = Effect.fnUntraced(function* (
    by: Principal,
    deed: Authority.Deed,
    read: Authority.Deed,
    thing: { readonly kind: string; readonly id: string },
    subject: Authority.Subject | null
  ) {
    if (subject === null || !Authority.may(by.actor, by.roles, read, subject)) {
      return yield* refuse({ _tag: "NotFound", ...thing })
    }
    if (!Authority.may(by.actor, by.roles, deed, subject)) {
      return yield* refuse({ _tag: "Forbidden", detail: `${by.actor.kind} ${by.actor.id} may not ${deed}` })
    }
  })

  const session = Effect.fnUntraced(function* (by: Principal, id: SessionId, deed: Authority.Deed) {
    const row = yield* Effect.catch(questions.session(id), unreadable)
    yield* permit(by, deed, "session.read", { kind: "session", id }, row)
    return row!
  })

  const onSession =
    (deed: Authority.Deed, command: (...rest: ReadonlyArray<string | null>) => SessionCommand) =>
    (by: Principal, key: string, id: SessionId, ...rest: ReadonlyArray<string | null>) =>
      Effect.andThen(
        session(by, id, deed),
        send(by, key, { kind: "session", id }, command(...rest), rest, SessionAnswer)
      )

  const action = Effect.fnUntraced(function* (by: Principal, id: ActionId, deed: Authority.Deed) {
    const row = yield* Effect.catch(questions.action(id), unreadable)
    yield* permit(by, deed, "action.read", { kind: "action", id }, row)
  })

  const onAction = (
    deed: Authority.Deed,
    by: Principal,
    key: string,
    id: ActionId,
    command: ActionCommand,
    said: Json
  ) => Effect.andThen(action(by, id, deed), send(by, key, { kind: "action", id }, command, said, ActionAnswer))

  const createSession: Gateway["Service"]["createSession"] = Effect.fnUntraced(function* (by, key, input) {
    const ownerId = by.actor.id
    if (!Authority.may(by.actor, by.roles, "session.create", { ownerId })) {
      return yield* refuse({ _tag: "Forbidden", detail: `${by.actor.kind} may not open a session` })
    }
    const sessionId = SessionId.make(digest.derive("ses", ownerId, key))
    const command: SessionCommand = {
      _tag: "CreateSession",
      sessionId,
      ownerId,
      agentId: PrincipalId.make(input.agentId ?? "assistant"),
      title: input.title ?? null,
      ttlMillis: input.ttlMillis ?? config.sessionTtlMillis,
      idleMillis: input.idleMillis ?? config.sessionIdleMillis,
      quota: config.sessionsPerPrincipalMax
    }
    return yield* send(by, key, { kind: "session", id: sessionId }, command, { ...input } as Json, SessionAnswer)
  })

  const startTurn: Gateway["Service"]["startTurn"] = Effect.fnUntraced(function* (by, key, sessionId, input) {
    const { ownerId, agentId } = yield* session(by, sessionId, "turn.start")
    const turnId = TurnId.make(digest.derive("trn", by.actor.id, key))
    const command: TurnCommand = {
      _tag: "StartTurn",
      turnId,
      sessionId,
      ownerId,
      agentId,
      input,
      responder: responder.identity,
      stepsMax: config.turnStepsMax,
      tokensMax: config.turnTokensMax,
      timeoutMillis: config.turnTimeoutMillis
    }
    const answered = yield* send(by, key, { kind: "turn", id: turnId }, command, { sessionId, input }, TurnAnswer)
    if (!answered.repeated) yield* touched(sessionId, turnId)
    return answered
  })

  /** A turn is a sign of life. Its session may end meanwhile; then there is nothing to renew. */
  const touched = Effect.fnUntraced(function* (sessionId: SessionId, turnId: TurnId) {
    const stamp = yield* stamps.stamp({ actor: system, key: `turn/${turnId}/touch` })
    yield* Effect.ignore(actors.send("session", sessionId, { _tag: "TouchSession" }, stamp))
  })

  const cancelTurn: Gateway["Service"]["cancelTurn"] = Effect.fnUntraced(function* (by, key, id, reason) {
    const row = yield* Effect.catch(questions.turn(id), unreadable)
    yield* permit(by, "turn.cancel", "turn.read", { kind: "turn", id }, row)
    return yield* send(by, key, { kind: "turn", id }, { _tag: "CancelTurn", reason }, reason, TurnAnswer)
  })

  const propose: Gateway["Service"]["propose"] = Effect.fnUntraced(function* (by, key, input) {
    const { ownerId, agentId } = yield* session(by, input.sessionId, "action.propose")
    const actionId = ActionId.make(digest.derive("act", by.actor.id, key))
    const command: ActionCommand = {
      _tag: "ProposeAction",
      actionId,
      ownerId,
      agentId,
      turnId: null,
      callId: null,
      roles: by.roles,
      ...input
    }
    return yield* send(by, key, { kind: "action", id: actionId }, command, { ...input } as Json, ActionAnswer)
  })

  const operate = Effect.fnUntraced(function* (by: Principal, key: string, command: HaltCommand, said: Json) {
    if (!Authority.may(by.actor, by.roles, "service.halt", { ownerId: by.actor.id })) {
      return yield* refuse({ _tag: "Forbidden", detail: "only an operator halts and resumes" })
    }
    const sent = yield* Effect.exit(send(by, key, { kind: Rows.halt, id: Rows.haltKey }, command, said, HaltAnswer))
    // Whatever became of it: this process does what the journal says before it answers.
    yield* Effect.catch(haltSwitch.settle(questions.halt), unreadable)
    return yield* sent
  })

  return Gateway.of({
    createSession,
    touchSession: onSession("session.touch", () => ({ _tag: "TouchSession" })),
    closeSession: onSession("session.close", (reason) => ({ _tag: "CloseSession", reason: reason ?? null })),
    eraseSession: onSession("session.erase", () => ({ _tag: "EraseSession" })),
    startTurn,
    cancelTurn,
    propose,
    approve: (by, key, id, editedArguments) =>
      onAction(
        "confirmation.decide",
        by,
        key,
        id,
        { _tag: "Approve", roles: by.roles, ...(editedArguments === undefined ? {} : { editedArguments }) },
        editedArguments === undefined ? [] : [editedArguments as Json]
      ),
    deny: (by, key, id, reason) =>
      onAction("confirmation.decide", by, key, id, { _tag: "Deny", roles: by.roles, reason }, reason),
    withdraw: (by, key, id, reason) =>
      onAction("confirmation.withdraw", by, key, id, { _tag: "Withdraw", reason }, reason),
    halt: (by, key, { reason, cancelRunning = false }) =>
      operate(by, key, { _tag: "Halt", reason, cancelRunning }, [reason, cancelRunning]),
    resume: (by, key, reason) => operate(by, key, { _tag: "Resume", reason }, reason)
  })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Refusals after which the same wish may be granted: something ends, or a person resumes. */
const retryable: ReadonlySet<Rejection["_tag"]> = new Set(["LimitReached", "Halted"])

const unreadable = ({ message, reason, retryable }: EventStoreError) =>
  Effect.fail(
    new ActorError({ reason: reason === "Corrupt" ? "Isolated" : reason, actor: "rows", detail: message, retryable })
  )
