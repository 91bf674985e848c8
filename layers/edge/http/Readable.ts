/**
 * What a caller may read of the gateway's rows, and nothing else.
 *
 * Owns the look before every answer: the table of authority (`gateway/Authority`) judges each row that leaves, in
 * lists too. What a caller may not know of is `NotFound`. Does not own how rows are shown (`Show`).
 */
import * as Effect from "effect/Effect"
import * as Authority from "#src/gateway/Authority.ts"
import {
  type ActionStatus,
  type ConfirmationStatus,
  endedStatuses,
  type SessionStatus,
  type TurnStatus
} from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { ActionId, type ConfirmationId, type PrincipalId, type SessionId, type TurnId } from "#src/kernel/Ids.ts"
import type { Principal } from "#src/ports/Identity.ts"
import { Vault } from "#src/ports/Vault.ts"
import * as Cursor from "../Cursor.ts"
import * as Problems from "../Problems.ts"
import { LongPoll } from "./LongPoll.ts"
import * as Pages from "./Pages.ts"
import * as Show from "./Show.ts"

/** Which rows of a list, beside those of the caller. */
export interface Which<Status> extends Pages.Request {
  readonly sessionId?: SessionId | undefined
  readonly status?: Status | undefined
}

export interface WhichActions extends Which<ActionStatus> {
  readonly executorId?: PrincipalId | undefined
}

/** An action that people are or were asked about. */
type Asked = Questions.ActionRow & { readonly confirmationId: ConfirmationId }

export const make = Effect.gen(function* () {
  const questions = yield* Questions.make
  const longPoll = yield* LongPoll
  const show = Show.make(yield* Vault)

  const session = Effect.fnUntraced(function* (by: Principal, id: SessionId) {
    const row = yield* questions.session(id)
    return row !== null && may(by, "session.read", row) ? row : yield* notFound("session", id)
  })

  const turn = Effect.fnUntraced(function* (by: Principal, id: TurnId) {
    const row = yield* questions.turn(id)
    return row !== null && may(by, "turn.read", row) ? row : yield* notFound("turn", id)
  })

  const action = Effect.fnUntraced(function* (by: Principal, id: ActionId, name: { kind: string; id: string }) {
    const row = yield* questions.action(id)
    return row !== null && may(by, "action.read", row) ? row : yield* notFound(name.kind, name.id)
  })

  const confirmation = Effect.fnUntraced(function* (by: Principal, id: ConfirmationId) {
    const row = yield* action(by, actionIdOf(id), { kind: "confirmation", id })
    return asked(row) ? row : yield* notFound("confirmation", id)
  })

  const sessions = Effect.fnUntraced(function* (by: Principal, request: Which<SessionStatus>) {
    const { id } = yield* aPerson(by, "an agent looks at its session by id")
    const where = { ownerId: id, ...(request.status === undefined ? {} : { status: request.status }) }
    return yield* Pages.page(
      {
        keys: Cursor.idsWith("ses"),
        read: (page) => questions.sessions(where, page),
        positionOf: (row) => ({ value: row.createdAtMillis, key: row.sessionId }),
        visible: (row) => may(by, "session.read", row),
        sparse: false,
        show: show.session
      },
      request
    )
  })

  const turns = Effect.fnUntraced(function* (by: Principal, sessionId: SessionId, request: Which<TurnStatus>) {
    yield* session(by, sessionId)
    const where = { sessionId, ...(request.status === undefined ? {} : { status: request.status }) }
    return yield* Pages.page(
      {
        keys: Cursor.idsWith("trn"),
        read: (page) => questions.turns(where, page),
        positionOf: (row) => ({ value: row.createdAtMillis, key: row.turnId }),
        visible: (row) => may(by, "turn.read", row),
        sparse: false,
        show: show.turn
      },
      request
    )
  })

  /** Of one session that the caller may read, else of all its own. */
  const scope = Effect.fnUntraced(function* (by: Principal, sessionId: SessionId | undefined) {
    if (sessionId === undefined) {
      const { id } = yield* aPerson(
        by,
        "people are asked; an agent sees what waits in one session of its own, named as sessionId"
      )
      return { ownerId: id }
    }
    yield* session(by, sessionId)
    return { sessionId }
  })

  /** Those whose tool the caller runs: its own work, whoever's session it is in. */
  const work = (by: Principal, executorId: PrincipalId) =>
    may(by, "action.execute", { ownerId: by.actor.id, executorId })
      ? Effect.succeed({ executorId })
      : Effect.fail(Problems.make("Forbidden", "only the agent that runs the tools lists or follows its work"))

  /**
   * True where the event is of an action that the caller may look at because it runs its tool, and the tool still stands.
   * The rows are at least as new as the event, so what is committed after a tool was withdrawn is judged by that.
   */
  const isWork = Effect.fnUntraced(function* (by: Principal, executorId: PrincipalId, { envelope }: StoredEvent) {
    if (!envelope.stream.startsWith(actionStreams)) return false
    const row = yield* questions.action(ActionId.make(envelope.stream.slice(actionStreams.length)))
    if (row === null || row.executorId !== executorId || !may(by, "action.read", row)) return false
    const tool = yield* questions.tool(row.tool)
    return tool !== null && tool.executorId === executorId && tool.status === "Declared"
  })

  const actions = Effect.fnUntraced(function* (by: Principal, request: WhichActions) {
    const where =
      request.executorId === undefined
        ? yield* scope(by, request.sessionId)
        : {
            ...(yield* work(by, request.executorId)),
            ...(request.sessionId === undefined ? {} : { sessionId: request.sessionId })
          }
    return yield* Pages.page(
      {
        keys: Cursor.idsWith("act"),
        read: (page) =>
          questions.actions({ ...where, ...(request.status === undefined ? {} : { status: request.status }) }, page),
        positionOf: actionPosition,
        visible: (row) => may(by, "action.read", row),
        sparse: false,
        show: show.action
      },
      request
    )
  })

  /** Waiting ones without a session: all that the caller may decide, whoever's session it is. */
  const confirmations = Effect.fnUntraced(function* (by: Principal, request: Which<ConfirmationStatus>) {
    const status = request.status ?? "Pending"
    const waiting = status === "Pending" && request.sessionId === undefined && by.actor.kind === "HUMAN"
    const where = waiting ? {} : yield* scope(by, request.sessionId)
    const deed = waiting ? "confirmation.decide" : "action.read"
    return yield* Pages.page(
      {
        keys: Cursor.idsWith("act"),
        read: (page) => questions.actions(status === "Approved" ? where : { ...where, status }, page),
        positionOf: actionPosition,
        visible: (row) => asked(row) && Show.confirmationStatus(row.status) === status && may(by, deed, row),
        sparse: true,
        show: (row) => show.confirmation(row as Asked)
      },
      request
    )
  })

  const principal = Effect.fnUntraced(function* (by: Principal, id: PrincipalId) {
    const row = yield* questions.principal(id)
    return row !== null && may(by, "principal.read", { ownerId: id }) ? row : yield* notFound("principal", id)
  })

  /** Everybody for whoever lets people in; else the caller, if the journal knows it. */
  const principals = Effect.fnUntraced(function* (by: Principal, request: Pages.Request) {
    if (!may(by, "principal.create", { ownerId: by.actor.id })) {
      const own = yield* questions.principal(by.actor.id)
      return { items: own === null ? [] : [Show.principal(own)], next: null }
    }
    return yield* Pages.page(
      {
        keys: principalIds,
        read: (page) => questions.principals({}, page),
        positionOf: (row) => ({ value: row.createdAtMillis, key: row.principalId }),
        visible: (row) => may(by, "principal.read", { ownerId: row.principalId }),
        sparse: false,
        show: (row) => Effect.succeed(Show.principal(row))
      },
      request
    )
  })

  return {
    show,
    /** Whether everything is stopped, and why: whoever is let in at all may know. */
    halt: Effect.flatMap(questions.halt, show.halt),
    principal,
    principals,
    session,
    sessions,
    turns,
    actions,
    work,
    isWork,
    confirmations,
    /** Waits until the turn ended, or for `waitMillis`. */
    turn: (by: Principal, id: TurnId, waitMillis = 0) =>
      longPoll.until(
        by,
        `turn:${id}`,
        waitMillis,
        (by) => turn(by, id),
        (row) => row.status !== "Running"
      ),
    /** Waits until nothing more is to happen by itself. */
    action: (by: Principal, id: ActionId, waitMillis = 0) =>
      longPoll.until(
        by,
        `action:${id}`,
        waitMillis,
        (by) => action(by, id, { kind: "action", id }),
        (row) => endedStatuses.has(row.status)
      ),
    /** Waits until it is decided. */
    confirmation: (by: Principal, id: ConfirmationId, waitMillis = 0) =>
      longPoll.until(
        by,
        `action:${actionIdOf(id)}`,
        waitMillis,
        (by) => confirmation(by, id),
        (row) => row.status !== "Pending"
      )
  }
})

/** An action and its confirmation share the 26 characters. */
export const actionIdOf = (id: ConfirmationId): ActionId => ActionId.make(`act_${id.slice(4)}`)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const may = (by: Principal, deed: Authority.Deed, subject: Authority.Subject): boolean =>
  Authority.may(by.actor, by.roles, deed, subject)

const actionStreams = "action:"

const principalIds = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/

const notFound = (kind: string, id: string) => Problems.make("NotFound", `there is no ${kind} ${id}`, { kind, id })

const aPerson = (by: Principal, why: string): Effect.Effect<Principal["actor"], Problems.Problem> =>
  by.actor.kind === "HUMAN" ? Effect.succeed(by.actor) : Effect.fail(Problems.make("Forbidden", why))

const asked = (row: Questions.ActionRow): row is Asked => row.confirmationId !== null

const actionPosition = (row: Questions.ActionRow) => ({ value: row.createdAtMillis, key: row.actionId })
