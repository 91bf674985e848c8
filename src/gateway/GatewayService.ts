/**
 * The gateway as edges call it: who may, under which id, with which command.
 *
 * Owns what is asked of sessions, turns and actions. Does not own what every command has in common (`Sending`), what
 * operators ask (`Operators`), rules (actors judge again under the journal's lock) nor transport.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Json } from "../kernel/Canonical.ts"
import { ActionId, PrincipalId, SessionId, TurnId } from "../kernel/Ids.ts"
import { Actors } from "../ports/Actors.ts"
import { Digest } from "../ports/Digest.ts"
import type { EventStoreError } from "../ports/EventStore.ts"
import type { Principal } from "../ports/Identity.ts"
import { Responder } from "../ports/Responder.ts"
import { Stamps } from "../ports/Stamps.ts"
import { ToolCatalog } from "../ports/ToolExecutor.ts"
import * as Authority from "./Authority.ts"
import {
  ActionAnswer,
  type ActionCommand,
  Gateway,
  SessionAnswer,
  type SessionCommand,
  TurnAnswer,
  type TurnCommand
} from "./Protocol.ts"
import { type Line, Lines } from "./Lines.ts"
import * as Operators from "./Operators.ts"
import * as Ownership from "./Ownership.ts"
import * as Questions from "./Questions.ts"
import * as RemoteTools from "./RemoteTools.ts"
import * as Sending from "./Sending.ts"
import { system } from "./System.ts"

export interface GatewayConfig {
  readonly sessionTtlMillis: number
  readonly sessionIdleMillis: number
  readonly sessionsPerPrincipalMax: number
  readonly turnsPerSessionMax: number
  readonly turnStepsMax: number
  readonly turnTokensMax: number
  readonly turnTimeoutMillis: number
}

export const make = Effect.fnUntraced(function* (config: GatewayConfig) {
  const actors = yield* Actors
  const stamps = yield* Stamps
  const digest = yield* Digest
  const { permit, refuse, send, unreadable } = yield* Sending.make
  const responder = yield* Responder
  const questions = yield* Questions.make
  const ownership = yield* Ownership.make
  const lines = yield* Lines
  const catalog = yield* ToolCatalog

  /**
   * Sends what brings work where its line has room for it: room is kept before the journal is asked, and given back
   * where the answer says that nothing is to be worked on. A wish that was granted before gets its answer all the same.
   */
  const inLine = Effect.fnUntraced(function* <A extends { readonly repeated: boolean }, E>(
    line: Line,
    by: Principal,
    id: string,
    known: Effect.Effect<unknown, EventStoreError>,
    sent: Effect.Effect<A, E>,
    stays: (answered: A) => boolean
  ) {
    const admitted = yield* line.admit(id, by.actor.id)
    if (typeof admitted !== "string" && (yield* Effect.catch(known, unreadable)) === null) {
      return yield* refuse(admitted)
    }
    return yield* Effect.onExit(sent, (exit) => {
      const works = Exit.isSuccess(exit) && !exit.value.repeated && stays(exit.value)
      return admitted === "Kept" && !works ? line.release(id) : Effect.void
    })
  })

  const session = Effect.fnUntraced(function* (by: Principal, id: SessionId, deed: Authority.Deed) {
    const known = yield* Effect.catch(ownership.ofSession(id, mayAll(by, "session.read", deed)), unreadable)
    yield* permit(by, deed, "session.read", { kind: "session", id }, known)
    return known!
  })

  const onSession =
    (deed: Authority.Deed, command: (...rest: ReadonlyArray<string | null>) => SessionCommand) =>
    (by: Principal, key: string, id: SessionId, ...rest: ReadonlyArray<string | null>) =>
      Effect.andThen(
        session(by, id, deed),
        send(by, key, { kind: "session", id }, command(...rest), rest, SessionAnswer)
      )

  const action = Effect.fnUntraced(function* (by: Principal, id: ActionId, deed: Authority.Deed) {
    const known = yield* Effect.catch(ownership.ofAction(id, mayAll(by, "action.read", deed)), unreadable)
    yield* permit(by, deed, "action.read", { kind: "action", id }, known)
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
    const to = { kind: "session", id: sessionId }
    const answered = yield* send(by, key, to, command, { ...input } as Json, SessionAnswer)
    if (!answered.repeated) ownership.noteSession(sessionId, command)
    return answered
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
      timeoutMillis: config.turnTimeoutMillis,
      quota: config.turnsPerSessionMax
    }
    const known = questions.turn(turnId)
    const sent = send(by, key, { kind: "turn", id: turnId }, command, { sessionId, input }, TurnAnswer)
    const answered = yield* inLine(lines.turns, by, turnId, known, sent, ({ body }) => body.status === "Running")
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
    const sent = Effect.tap(
      send(by, key, { kind: "action", id: actionId }, command, { ...input } as Json, ActionAnswer),
      ({ repeated }) =>
        Effect.sync(() => {
          if (!repeated) ownership.noteAction(actionId, { ownerId, agentId, proposer: by.actor })
        })
    )
    // What an agent runs elsewhere, and what nobody runs, never stands in a line here.
    const tool = yield* Effect.catch(catalog.find(input.tool), unreadable)
    if (tool === null || tool.executor !== null) return yield* sent
    return yield* inLine(
      lines.tools,
      by,
      actionId,
      questions.action(actionId),
      sent,
      ({ body }) => body.status === "Approved"
    )
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
    ...(yield* RemoteTools.make),
    ...(yield* Operators.make)
  })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const mayAll =
  ({ actor, roles }: Principal, ...deeds: ReadonlyArray<Authority.Deed>) =>
  (subject: Authority.Subject): boolean =>
    deeds.every((deed) => Authority.may(actor, roles, deed, subject))
