/**
 * The rows the gateway's facts become, and the questions asked of them.
 *
 * Owns row kinds, counters and declared indexes. Pure functions of (state before, state after), which are
 * themselves folds of events: any process rebuilds the same tables, and `keelson verify` does.
 *
 * | kind | key | what for |
 * | --- | --- | --- |
 * | `session` `turn` `action` | id | lists and look-ups; `dueAtMillis` while a deadline runs |
 * | `open-session` | session id | the guard "the session is open" |
 * | `claim` | permit id | what an executor checks a permit against |
 * | `tool` | name | tools that agents declared |
 * | `principal` | id | who may stand at the door |
 * | `principal-key` | SHA-256 of the token | whom a token stands for, while it stands for somebody |
 * | `policy` | `current` | which set of policies decides, since when |
 * | `halt` | `all` | the guard "nobody stopped everything" |
 */
import * as Append from "../kernel/Append.ts"
import type { Json } from "../kernel/Canonical.ts"
import type { RowIndex } from "../ports/EventStore.ts"
import type * as Action from "./Action.ts"
import type * as DeclaredTool from "./DeclaredTool.ts"
import type * as Principal from "./Principal.ts"
import type { ActionStatus } from "./Protocol.ts"
import type * as Session from "./Session.ts"
import type * as Turn from "./Turn.ts"

export const openSession = "open-session"
export const claim = "claim"
export const principalKey = "principal-key"
export const halt = "halt"
export const haltKey = "all"
export const policy = "policy"
export const policyKey = "current"

export const sessionsOpen = (ownerId: string): string => `sessions.open:${ownerId}`
export const turnsOpen = (sessionId: string): string => `turns.open:${sessionId}`
export const pending = "confirmations.pending"
/** Not under `confirmations.`: whoever sums those up reads six counters, not one per session. */
export const pendingIn = (sessionId: string): string => `session.confirmations.pending:${sessionId}`
export const confirmations = (status: "created" | "approved" | "denied" | "expired" | "withdrawn"): string =>
  `confirmations.${status}`
export const principals = "principals.created"
export const toolsDeclared = "tools.declared"
export const permitsRefused = "permits.refused"

export const indexes: ReadonlyArray<RowIndex> = [
  { kind: "tool", field: "createdAtMillis", type: "number" },
  { kind: "principal", field: "createdAtMillis", type: "number" },
  { kind: "session", field: "ownerId", type: "text" },
  { kind: "session", field: "status", type: "text" },
  { kind: "session", field: "createdAtMillis", type: "number" },
  { kind: "session", field: "dueAtMillis", type: "number" },
  { kind: "turn", field: "sessionId", type: "text" },
  { kind: "turn", field: "status", type: "text" },
  { kind: "turn", field: "createdAtMillis", type: "number" },
  { kind: "turn", field: "dueAtMillis", type: "number" },
  { kind: "action", field: "sessionId", type: "text" },
  { kind: "action", field: "ownerId", type: "text" },
  { kind: "action", field: "executorId", type: "text" },
  { kind: "action", field: "status", type: "text" },
  { kind: "action", field: "createdAtMillis", type: "number" },
  { kind: "action", field: "dueAtMillis", type: "number" }
]

/** Due kinds in the order a timekeeper asks them. */
export const dueKinds = ["session", "turn", "action"] as const

export const session = (before: Session.State, after: Session.Live): ReadonlyArray<Append.RowChange> => {
  const open = after.status === "Open"
  const dueAtMillis = Math.min(after.expiresAtMillis, after.idleAtMillis)
  const row = Append.put("session", after.sessionId, {
    ownerId: after.ownerId,
    agentId: after.agentId,
    title: after.title as Json,
    status: after.status,
    createdAtMillis: after.createdAtMillis,
    expiresAtMillis: after.expiresAtMillis,
    idleAtMillis: after.idleAtMillis,
    ...(open ? { dueAtMillis } : {})
  })
  if (before === null) {
    return [row, Append.put(openSession, after.sessionId, {}), Append.add(sessionsOpen(after.ownerId), 1)]
  }
  if (before.status === "Open" && !open) {
    return [row, Append.drop(openSession, after.sessionId), Append.add(sessionsOpen(after.ownerId), -1)]
  }
  return [row]
}

export const turn = (before: Turn.State, after: Turn.Live): ReadonlyArray<Append.RowChange> => {
  const running = after.status === "Running"
  const row = Append.put("turn", after.turnId, {
    sessionId: after.sessionId,
    ownerId: after.ownerId,
    agentId: after.agentId,
    status: after.status,
    failure: after.failure,
    step: after.steps.length,
    tokens: after.tokens,
    createdAtMillis: after.createdAtMillis,
    responder: `${after.responder.provider}/${after.responder.model}`,
    input: after.input as Json,
    text: (after.steps[after.steps.length - 1]?.text ?? null) as Json,
    ...(running ? { dueAtMillis: after.deadlineMillis } : {})
  })
  if (before === null) return [row, Append.add(turnsOpen(after.sessionId), 1)]
  if (before.status === "Running" && !running) return [row, Append.add(turnsOpen(after.sessionId), -1)]
  return [row]
}

export const action = (before: Action.State, after: Action.Live): ReadonlyArray<Append.RowChange> => {
  const row = Append.put("action", after.actionId, {
    sessionId: after.sessionId,
    ownerId: after.ownerId,
    agentId: after.agentId,
    turnId: after.turnId,
    proposer: after.proposer,
    tool: after.tool,
    toolHash: after.toolHash,
    arguments: after.arguments as Json,
    digest: after.digest,
    status: after.status,
    policies: after.policies,
    setHash: after.setHash,
    why: after.why as Json,
    gate: after.gate,
    approvers: after.approvers,
    confirmationId: after.confirmationId,
    approvals: after.approvals,
    decidedBy: after.decidedBy,
    edited: after.edited,
    createdAtMillis: after.createdAtMillis,
    deadlineMillis: after.deadlineMillis,
    permitId: after.permitId,
    claimId: after.claimId,
    code: after.code,
    output: after.output as Json,
    ...(after.executor === null ? {} : { executorId: after.executor.principalId }),
    ...(after.deadlineMillis === null ? {} : { dueAtMillis: after.deadlineMillis })
  })
  return [row, ...pendingChanges(before, after), ...claimChanges(before, after)]
}

export const tool = (before: DeclaredTool.State, after: DeclaredTool.Live): ReadonlyArray<Append.RowChange> => [
  Append.put("tool", after.name, { ...after }),
  ...(before === null ? [Append.add(toolsDeclared, 1)] : [])
]

export const principal = (before: Principal.State, after: Principal.Live): ReadonlyArray<Append.RowChange> => {
  const { createdAtMillis, kind, principalId, roles, status } = after
  const keys = after.keys.map(({ createdAtMillis, keyId }) => ({ keyId, createdAtMillis }))
  const valid = validKeys(after)
  const gone = [...validKeys(before).keys()].filter((digest) => !valid.has(digest))
  return [
    Append.put("principal", principalId, { kind, roles, status, createdAtMillis, keys }),
    ...gone.map((digest) => Append.drop(principalKey, digest)),
    ...[...valid].map(([digest, keyId]) => Append.put(principalKey, digest, { principalId, keyId, kind, roles })),
    ...(before === null ? [Append.add(principals, 1)] : [])
  ]
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const validKeys = (state: Principal.State): ReadonlyMap<string, string> =>
  new Map(state?.status === "Active" ? state.keys.map(({ digest, keyId }) => [digest, keyId]) : [])

const isPending = (state: Action.State): boolean => state?.status === "Pending" && state.confirmationId !== null

const decided: { readonly [S in ActionStatus]?: Parameters<typeof confirmations>[0] } = {
  Approved: "approved",
  Denied: "denied",
  Expired: "expired",
  Withdrawn: "withdrawn"
}

/** created = approved + denied + expired + withdrawn + pending, at every position of the journal. */
const pendingChanges = (before: Action.State, after: Action.Live): ReadonlyArray<Append.RowChange> => {
  if (!isPending(before) && isPending(after)) {
    return [Append.add(pending, 1), Append.add(pendingIn(after.sessionId), 1), Append.add(confirmations("created"), 1)]
  }
  if (isPending(before) && !isPending(after)) {
    const name = decided[after.status]
    return [
      Append.add(pending, -1),
      Append.add(pendingIn(after.sessionId), -1),
      ...(name === undefined ? [] : [Append.add(confirmations(name), 1)])
    ]
  }
  return []
}

const claimChanges = (before: Action.State, after: Action.Live): ReadonlyArray<Append.RowChange> => {
  if (after.permitId === null) return []
  if (before?.status !== "Claimed" && after.status === "Claimed") {
    return [
      Append.put(claim, after.permitId, {
        claimId: after.claimId,
        actionId: after.actionId,
        incarnation: after.incarnation
      })
    ]
  }
  if (before?.status === "Claimed" && after.status !== "Claimed") return [Append.drop(claim, after.permitId)]
  return []
}
