/**
 * Rows, answers and events as the API shows them: times as RFC 3339, sealed words opened or marked as forgotten.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Halt from "#src/gateway/Halt.ts"
import { missing } from "#src/gateway/Confirmation.ts"
import type * as Protocol from "#src/gateway/Protocol.ts"
import type * as Questions from "#src/gateway/Questions.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import type { Vault } from "#src/ports/Vault.ts"
import type { Alive, Claimed } from "../api/ActionsApi.ts"
import type { Tool } from "../api/ToolsApi.ts"
import type { HaltAnswer, HaltState } from "../api/HaltApi.ts"
import type { Principal } from "../api/PrincipalsApi.ts"
import type * as Resources from "../api/Resources.ts"

export const time = (millis: number): string => new Date(millis).toISOString()

const timeOrNull = (millis: number | null): string | null => (millis === null ? null : time(millis))

export const sessionAnswer = (answer: Protocol.SessionAnswer): Resources.SessionAnswer => ({
  sessionId: answer.sessionId,
  ownerId: answer.ownerId,
  agentId: answer.agentId,
  status: answer.status,
  createdAt: time(answer.createdAtMillis),
  expiresAt: time(answer.expiresAtMillis),
  idleAt: time(answer.idleAtMillis)
})

export const turnAnswer = ({ turnId, sessionId, status, step }: Protocol.TurnAnswer): Resources.TurnAnswer => ({
  turnId,
  sessionId,
  status,
  step
})

export const actionAnswer = (answer: Protocol.ActionAnswer): Resources.ActionAnswer => ({
  actionId: answer.actionId,
  sessionId: answer.sessionId,
  turnId: answer.turnId,
  tool: answer.tool,
  status: answer.status,
  confirmationId: answer.confirmationId,
  policies: answer.policies,
  setHash: answer.setHash,
  permitId: answer.permitId,
  claimId: answer.claimId,
  approvalsMissing: answer.approvalsMissing,
  deadlineAt: timeOrNull(answer.deadlineMillis)
})

/** As the API shows it, from the row or from the recorded answer. */
export const principal = (shown: Questions.PrincipalRow | Protocol.PrincipalAnswer): Principal => ({
  principalId: shown.principalId,
  kind: shown.kind,
  roles: shown.roles,
  status: shown.status,
  createdAt: time(shown.createdAtMillis),
  keys: shown.keys.map(({ createdAtMillis, keyId }) => ({ keyId, createdAt: time(createdAtMillis) }))
})

/** A claim as it was answered, with the words that it is about. */
export const claimed = (answer: Protocol.ActionAnswer, action: Resources.Action): Claimed => ({
  actionId: answer.actionId,
  claimId: answer.claimId!,
  tool: answer.tool,
  argumentsText: action.argumentsText,
  arguments: action.arguments,
  status: answer.status,
  leaseUntil: timeOrNull(answer.deadlineMillis)
})

export const alive = (answer: Protocol.ActionAnswer, cancel: boolean): Alive => ({
  status: answer.status,
  leaseUntil: timeOrNull(answer.deadlineMillis),
  cancel
})

export const tool = ({ description, executor, hash, idempotent, inputSchema, name }: ToolDescriptor): Tool => ({
  name,
  description,
  inputSchema: inputSchema as Tool["inputSchema"],
  hash,
  idempotent,
  executor
})

export const haltAnswer = (answer: Protocol.HaltAnswer): HaltAnswer => ({
  halted: answer.halted,
  by: answer.by,
  since: timeOrNull(answer.sinceMillis),
  cancelRunning: answer.cancelRunning
})

/** What people, models and tools said: a text, or the mark. */
const said = (opened: Canonical.Json): string | Sealed.Redacted => {
  if (typeof opened === "string") return opened
  return Sealed.isRedacted(opened) ? Sealed.redacted : Canonical.encode(opened)
}

const saidOrNull = (opened: Canonical.Json): string | Sealed.Redacted | null => (opened === null ? null : said(opened))

export const make = (vault: Vault["Service"]) => ({
  session: (row: Questions.SessionRow) =>
    Effect.map(vault.open(row.title), (title): Resources.Session => ({
      ...sessionAnswer(row),
      title: saidOrNull(title)
    })),

  turn: (row: Questions.TurnRow) =>
    Effect.map(vault.open([row.input, row.text]), (opened): Resources.Turn => {
      const [input = null, text = null] = opened as ReadonlyArray<Canonical.Json>
      return {
        turnId: row.turnId,
        sessionId: row.sessionId,
        ownerId: row.ownerId,
        agentId: row.agentId,
        status: row.status,
        step: row.step,
        failure: row.failure,
        tokens: row.tokens,
        responder: row.responder,
        createdAt: time(row.createdAtMillis),
        input: said(input),
        text: saidOrNull(text)
      }
    }),

  action: (row: Questions.ActionRow) =>
    Effect.map(vault.open([row.arguments, row.why, row.output]), (opened): Resources.Action => {
      const [args = null, why = null, output = null] = opened as ReadonlyArray<Canonical.Json>
      return {
        actionId: row.actionId,
        ownerId: row.ownerId,
        agentId: row.agentId,
        ...wish(row, args, why),
        status: row.status,
        confirmationId: row.confirmationId,
        permitId: row.permitId,
        claimId: row.claimId,
        createdAt: time(row.createdAtMillis),
        deadlineAt: timeOrNull(row.deadlineMillis),
        code: row.code,
        output
      }
    }),

  halt: (row: Questions.HaltRow | null) =>
    Effect.map(vault.open(row?.reason ?? null), (reason): HaltState => ({
      ...haltAnswer(Halt.answer(row)),
      reason: saidOrNull(reason)
    })),

  /** Of an action that people are or were asked about. */
  confirmation: (row: Questions.ActionRow & { readonly confirmationId: string }) =>
    Effect.map(vault.open([row.arguments, row.why]), (opened): Resources.Confirmation => {
      const [args = null, why = null] = opened as ReadonlyArray<Canonical.Json>
      return {
        confirmationId: row.confirmationId,
        actionId: row.actionId,
        ...wish(row, args, why),
        status: confirmationStatus(row.status),
        createdAt: time(row.createdAtMillis),
        expiresAt: row.status === "Pending" ? timeOrNull(row.deadlineMillis) : null
      }
    }),

  event: ({ envelope, hash, position }: StoredEvent) =>
    Effect.map(vault.openPayload(envelope), (payload): Resources.Event => ({
      position,
      ...envelope,
      payload: payload as Resources.Event["payload"],
      hash
    }))
})

export type Show = ReturnType<typeof make>

/** What came after an approval belongs to the action. */
export const confirmationStatus = (status: Protocol.ActionStatus): Protocol.ConfirmationStatus => {
  switch (status) {
    case "Pending":
    case "Denied":
    case "Expired":
    case "Withdrawn":
      return status
    case "Approved":
    case "Lapsed":
    case "Claimed":
    case "Executed":
    case "Failed":
    case "Unknown":
      return "Approved"
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** The arguments are sealed as the very text that was digested; shown as that text and as what it says. */
const wish = (row: Questions.ActionRow, opened: Canonical.Json, why: Canonical.Json) => ({
  sessionId: row.sessionId,
  turnId: row.turnId,
  tool: row.tool,
  toolHash: row.toolHash,
  argumentsText: said(opened),
  arguments: typeof opened === "string" ? Canonical.decode(opened) : Sealed.redacted,
  digest: row.digest,
  proposer: row.proposer,
  why: sentence(why),
  policies: row.policies,
  setHash: row.setHash,
  gate: row.gate,
  approvers: row.approvers,
  approvals: row.approvals,
  approvalsMissing: missing(row),
  decidedBy: row.decidedBy,
  edited: row.edited
})

/** Of what the policies said: the sentence. What failed while they were asked stands in the event. */
const sentence = (why: Canonical.Json): string | Sealed.Redacted | null => {
  if (why === null || Sealed.isRedacted(why)) return why
  return Predicate.hasProperty(why, "reason") && typeof why.reason === "string" ? why.reason : null
}
