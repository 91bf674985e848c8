/**
 * What the events say of sessions, turns and actions, and what they must never say.
 *
 * Written apart from the rules of the gateway and much shorter: it knows what may follow what, not why.
 */
import type { Payloads } from "#src/gateway/Events.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { limits } from "./process.ts"
import { Violation } from "./violation.ts"

interface Session {
  readonly ownerId: string
  open: boolean
  erased: boolean
  readonly expiresAtMillis: number
  idleAtMillis: number
}

interface Action {
  readonly sessionId: string
  readonly proposer: { readonly kind: string; readonly id: string }
  /** The command that brought the arguments as they stand. */
  saidBy: string
  waits: boolean
  /** Who approved the arguments as they stand. */
  approvals: Array<string>
  decided: string | null
  permitted: boolean
  isRemote: boolean
  /** Nothing hinders it any more, and there is time. */
  mustRun: boolean
  claimId: string | null
  ended: boolean
  /** The outcome came before the lease was over, so that nothing more may come. */
  known: boolean
  dueAtMillis: number | null
  permitId: string | null
}

export interface Model {
  readonly take: (event: StoredEvent) => void
  readonly ran: (actionId: string, permitId: string) => void
  readonly counters: () => ReadonlyArray<readonly [string, { readonly value: number; readonly maximum: number }]>
  readonly isErased: (stream: string) => boolean
  /** A sentence for each thing that was due before that time and still is. */
  readonly late: (beforeMillis: number) => ReadonlyArray<string>
  /** From here on nothing hinders anybody: what is permitted until that time or later must run. */
  readonly unhindered: (untilMillis: number) => void
  /** Which halt stands, counted; null where none does. */
  readonly halt: () => number | null
  /** The command that brought the arguments of an action as they stand. */
  readonly saidBy: (actionId: string) => string | null
}

/** `isCalm`: nothing hinders anybody in this run, so that what is permitted must run. */
export const make = (isCalm: boolean): Model => {
  const sessions = new Map<string, Session>()
  const actions = new Map<string, Action>()
  const turns = new Map<string, { readonly sessionId: string; running: boolean; readonly dueAtMillis: number }>()
  let halted = false
  let halts = 0

  const onSession = (id: string, event: StoredEvent, atMillis: number): void => {
    const { payload, type } = event.envelope
    const session = sessions.get(id)
    if (type === "session.created") {
      const { expiresAtMillis, idleAtMillis, ownerId } = payload as Payloads["session.created"]
      if (session !== undefined) throw new Violation("order", `${id} was created twice`)
      sessions.set(id, { ownerId, open: true, erased: false, expiresAtMillis, idleAtMillis })
      return
    }
    if (session === undefined) throw new Violation("order", `${type} of ${id}, which was never created`)
    const dueAtMillis = Math.min(session.expiresAtMillis, session.idleAtMillis)
    if (type === "session.erased") {
      if (session.erased) throw new Violation("order", `${id} was erased twice`)
      session.erased = true
      session.open = false
      return
    }
    if (!session.open) throw new Violation("order", `${type} of ${id}, which is over`)
    if (type === "session.expired") {
      if (atMillis < dueAtMillis) throw new Violation("too early", `${id} expired before its time`)
      session.open = false
    } else if (atMillis >= dueAtMillis) throw new Violation("too late", `${type} of ${id}, whose time was over`)
    if (type === "session.closed") session.open = false
    if (type === "session.touched") session.idleAtMillis = (payload as Payloads["session.touched"]).idleAtMillis
  }

  const onTurn = (id: string, event: StoredEvent): void => {
    const { payload, type } = event.envelope
    const turn = turns.get(id)
    if (type === "turn.started") {
      const { deadlineMillis, sessionId } = payload as Payloads["turn.started"]
      if (turn !== undefined) throw new Violation("order", `${id} was started twice`)
      if (sessions.get(sessionId)?.open !== true)
        throw new Violation("session over", `${id} began in a session that is over`)
      turns.set(id, { sessionId, running: true, dueAtMillis: deadlineMillis })
      return
    }
    if (turn?.running !== true) throw new Violation("order", `${type} of ${id}, which does not run`)
    if (type === "turn.completed" || type === "turn.failed" || type === "turn.cancelled") turn.running = false
  }

  const onAction = (id: string, event: StoredEvent, atMillis: number): void => {
    const { actor, payload, type } = event.envelope
    if (type === "action.proposed") {
      const { proposer, sessionId } = payload as Payloads["action.proposed"]
      if (actions.has(id)) throw new Violation("order", `${id} was proposed twice`)
      if (sessions.get(sessionId)?.open !== true)
        throw new Violation("session over", `${id} was proposed in a session that is over`)
      if (halted) throw new Violation("halted", `${id} was proposed while everything is stopped`)
      actions.set(id, fresh(sessionId, proposer, event.envelope.commandId))
      return
    }
    const action = actions.get(id)
    if (action === undefined) throw new Violation("order", `${type} of ${id}, which was never proposed`)
    const isOpen = sessions.get(action.sessionId)?.open === true
    if (type.startsWith("confirmation.")) return confirmation({ id, action, event, atMillis, isOpen })
    switch (type) {
      case "action.denied":
        if (action.permitted) throw new Violation("decided twice", `${id} was denied after it was permitted`)
        action.decided = "denied"
        action.ended = true
        break
      case "action.permitted": {
        const { executorId, expiresAtMillis, permitId } = payload as Payloads["action.permitted"]
        if (action.permitted || action.ended) throw new Violation("decided twice", `${id} was permitted again`)
        if (action.waits) throw new Violation("not decided", `${id} was permitted while it waits for people`)
        action.permitted = true
        action.isRemote = executorId !== undefined
        action.permitId = permitId
        action.dueAtMillis = expiresAtMillis
        break
      }
      case "action.claimed": {
        const { claimId, leaseUntilMillis } = payload as Payloads["action.claimed"]
        if (action.claimId !== null) throw new Violation("claimed twice", `the permit of ${id} was claimed again`)
        if (!action.permitted || action.ended) throw new Violation("no permit", `${id} was claimed without a permit`)
        if (action.dueAtMillis !== null && atMillis >= action.dueAtMillis) {
          throw new Violation("too late", `${id} was claimed after its permit's time`)
        }
        if (!isOpen) throw new Violation("session over", `${id} was claimed in a session that is over`)
        if (halted) throw new Violation("halted", `${id} was claimed while everything is stopped`)
        action.claimId = claimId
        action.dueAtMillis = leaseUntilMillis
        break
      }
      case "action.lapsed":
        if (!action.permitted || action.claimId !== null || action.ended) throw new Violation("order", `${id} lapsed`)
        if (atMillis < (action.dueAtMillis ?? 0)) throw new Violation("too early", `${id} lapsed before its time`)
        if (isCalm && isOpen && !action.isRemote)
          throw new Violation("never ran", `${id} was permitted, but nobody ran it`)
        action.ended = true
        break
      case "action.lease-renewed":
        if (action.claimId === null || action.ended)
          throw new Violation("order", `a lease of ${id}, which does not run`)
        action.dueAtMillis = (payload as Payloads["action.lease-renewed"]).leaseUntilMillis
        break
      case "action.unknown":
        if (actor.kind !== "SYSTEM") throw new Violation("order", `${actor.kind} said that ${id} is unknown`)
        if (action.claimId === null || action.ended) throw new Violation("order", `${id} became unknown`)
        if (atMillis < (action.dueAtMillis ?? 0))
          throw new Violation("too early", `${id} became unknown within its lease`)
        action.ended = true
        break
      case "action.executed":
      case "action.failed":
      case "action.reconciled":
        if (action.claimId === null || action.claimId !== (payload as { readonly claimId: string }).claimId) {
          throw new Violation("no claim", `${type} of ${id} without its claim`)
        }
        if (action.known) throw new Violation("ended twice", `${type} of ${id}, whose outcome is known`)
        action.known = true
        action.ended = true
        break
    }
    if (action.ended) action.dueAtMillis = null
  }

  return {
    take: (event) => {
      const { occurredAt, stream, type } = event.envelope
      const atMillis = Date.parse(occurredAt)
      const id = stream.slice(stream.indexOf(":") + 1)
      if (type.startsWith("session.")) onSession(id, event, atMillis)
      else if (type.startsWith("turn.")) onTurn(id, event)
      else if (type.startsWith("action.") || type.startsWith("confirmation.")) onAction(id, event, atMillis)
      else if (type === "service.halted") halted = true
      else if (type === "service.resumed") {
        halted = false
        halts += 1
      }
    },
    ran: (actionId, permitId) => {
      const action = actions.get(actionId)
      if (action === undefined || action.permitId !== permitId || action.claimId === null) {
        throw new Violation("no permit", `a tool ran for ${actionId}, which no claim in the journal stands for`)
      }
    },
    counters: () => counted(sessions, turns, actions),
    isErased: (stream) => sessions.get(stream.slice(stream.indexOf(":") + 1))?.erased === true,
    late: (beforeMillis) => [
      ...[...sessions].flatMap(([id, { expiresAtMillis, idleAtMillis, open }]) =>
        open && Math.min(expiresAtMillis, idleAtMillis) < beforeMillis ? [`${id} is open, past its time`] : []
      ),
      ...[...turns].flatMap(([id, { dueAtMillis, running }]) =>
        running && dueAtMillis < beforeMillis ? [`${id} runs, past its time`] : []
      ),
      ...[...actions].flatMap(([id, { dueAtMillis, ended }]) =>
        !ended && dueAtMillis !== null && dueAtMillis < beforeMillis ? [`${id} waits, past its time`] : []
      )
    ],
    unhindered: (untilMillis) => {
      for (const action of actions.values()) {
        action.mustRun = action.permitted && action.claimId === null && (action.dueAtMillis ?? 0) >= untilMillis
      }
    },
    halt: () => (halted ? halts : null),
    saidBy: (actionId) => actions.get(actionId)?.saidBy ?? null
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const fresh = (sessionId: string, proposer: Action["proposer"], saidBy: string): Action => ({
  sessionId,
  proposer,
  saidBy,
  waits: false,
  approvals: [],
  decided: null,
  permitted: false,
  isRemote: false,
  mustRun: false,
  claimId: null,
  ended: false,
  known: false,
  dueAtMillis: null,
  permitId: null
})

const confirmation = (about: {
  readonly id: string
  readonly action: Action
  readonly event: StoredEvent
  readonly atMillis: number
  readonly isOpen: boolean
}): void => {
  const { action, atMillis, event, id, isOpen } = about
  const { actor, commandId, payload, type } = event.envelope
  if (type === "confirmation.requested") {
    action.waits = true
    action.dueAtMillis = (payload as Payloads["confirmation.requested"]).expiresAtMillis
    return
  }
  if (!action.waits || action.decided !== null) {
    throw new Violation("decided twice", `${type} of ${id}, which was ${action.decided ?? "never asked"}`)
  }
  const over = atMillis >= (action.dueAtMillis ?? Number.POSITIVE_INFINITY)
  if (type === "confirmation.expired") {
    if (!over) throw new Violation("too early", `the question of ${id} expired before its time`)
  } else if (over) throw new Violation("too late", `${type} of ${id}, whose question had expired`)
  if (type === "confirmation.approved") {
    const { arguments: edited, gate, missing } = payload as Payloads["confirmation.approved"]
    if (actor.kind !== "HUMAN") throw new Violation("not a person", `${actor.kind} approved ${id}`)
    if (!isOpen) throw new Violation("session over", `${id} was approved in a session that is over`)
    if (edited !== null) {
      action.approvals = []
      action.saidBy = commandId
    }
    if (action.approvals.includes(actor.id)) throw new Violation("decided twice", `${actor.id} approved ${id} twice`)
    action.approvals.push(actor.id)
    if (gate === "two-people" && actor.id === action.proposer.id)
      throw new Violation("not two", `who proposed ${id} approved it`)
    if (missing > 0) return
    if (gate === "two-people" && action.approvals.length < 2)
      throw new Violation("not two", `one person let ${id} pass`)
  }
  action.waits = false
  action.decided = type
  if (type !== "confirmation.approved") {
    action.ended = true
    action.dueAtMillis = null
  }
}

const counted = (
  sessions: ReadonlyMap<string, Session>,
  turns: ReadonlyMap<string, { readonly sessionId: string; readonly running: boolean }>,
  actions: ReadonlyMap<string, Action>
) => {
  const counts = new Map<string, { value: number; readonly maximum: number }>()
  const count = (name: string, maximum: number, by: number) => {
    const found = counts.get(name) ?? { value: 0, maximum }
    counts.set(name, found)
    found.value += by
  }
  for (const { open, ownerId } of sessions.values())
    count(GatewayRows.sessionsOpen(ownerId), limits.sessionsMax, open ? 1 : 0)
  for (const { running, sessionId } of turns.values())
    count(GatewayRows.turnsOpen(sessionId), limits.turnsMax, running ? 1 : 0)
  for (const { sessionId, waits } of actions.values()) {
    count(GatewayRows.pending, limits.pendingMax, waits ? 1 : 0)
    count(GatewayRows.pendingIn(sessionId), limits.pendingPerSessionMax, waits ? 1 : 0)
  }
  return [...counts]
}
