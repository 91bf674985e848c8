/**
 * What is asked of the gateway's rows: one place for every look-up, typed once.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bounds from "../kernel/Bounds.ts"
import { ActionId, ConfirmationId, Hash, KeyId, PermitId, PrincipalId, SessionId, TurnId } from "../kernel/Ids.ts"
import { Handle } from "../kernel/Sealed.ts"
import { Actor } from "../kernel/Stamp.ts"
import { type Row, Rows } from "../ports/EventStore.ts"
import * as GatewayRows from "./Rows.ts"
import { Gate } from "./Events.ts"
import { ActionStatus, PrincipalStatus, SessionStatus, ToolStatus, TurnStatus } from "./Protocol.ts"

const Due = Schema.optionalKey(Schema.Int)

export const SessionRow = Schema.Struct({
  ownerId: PrincipalId,
  agentId: PrincipalId,
  title: Schema.NullOr(Handle),
  status: SessionStatus,
  createdAtMillis: Schema.Int,
  expiresAtMillis: Schema.Int,
  idleAtMillis: Schema.Int,
  dueAtMillis: Due
})
export type SessionRow = typeof SessionRow.Type & { readonly sessionId: SessionId }

export const TurnRow = Schema.Struct({
  sessionId: SessionId,
  ownerId: PrincipalId,
  agentId: PrincipalId,
  status: TurnStatus,
  failure: Schema.NullOr(Schema.String),
  step: Schema.Int,
  tokens: Schema.Int,
  createdAtMillis: Schema.Int,
  responder: Schema.String,
  input: Handle,
  text: Schema.NullOr(Handle),
  dueAtMillis: Due
})
export type TurnRow = typeof TurnRow.Type & { readonly turnId: TurnId }

export const ActionRow = Schema.Struct({
  sessionId: SessionId,
  ownerId: PrincipalId,
  agentId: PrincipalId,
  turnId: Schema.NullOr(TurnId),
  proposer: Actor,
  tool: Schema.String,
  toolHash: Hash,
  arguments: Handle,
  digest: Hash,
  status: ActionStatus,
  policies: Schema.Array(Schema.String),
  setHash: Schema.NullOr(Hash),
  why: Schema.NullOr(Handle),
  gate: Gate,
  approvers: Schema.Array(Schema.String),
  confirmationId: Schema.NullOr(ConfirmationId),
  approvals: Schema.Array(Actor),
  decidedBy: Schema.NullOr(Actor),
  edited: Schema.Boolean,
  createdAtMillis: Schema.Int,
  deadlineMillis: Schema.NullOr(Schema.Int),
  permitId: Schema.NullOr(PermitId),
  claimId: Schema.NullOr(Schema.String),
  code: Schema.NullOr(Schema.String),
  output: Schema.NullOr(Handle),
  executorId: Schema.optionalKey(PrincipalId),
  dueAtMillis: Due
})
export type ActionRow = typeof ActionRow.Type & { readonly actionId: ActionId }

export const ToolRow = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  inputSchemaText: Schema.String,
  hash: Hash,
  idempotent: Schema.Boolean,
  executorId: PrincipalId,
  leaseMillis: Schema.Int,
  runMillisMax: Schema.Int,
  status: ToolStatus,
  createdAtMillis: Schema.Int
})
export type ToolRow = typeof ToolRow.Type

export const PrincipalRow = Schema.Struct({
  kind: Schema.Literals(["HUMAN", "AGENT"]),
  roles: Schema.Array(Schema.String),
  status: PrincipalStatus,
  createdAtMillis: Schema.Int,
  keys: Schema.Array(Schema.Struct({ keyId: KeyId, createdAtMillis: Schema.Int }))
})
export type PrincipalRow = typeof PrincipalRow.Type & { readonly principalId: PrincipalId }

export const HaltRow = Schema.Struct({
  by: Actor,
  sinceMillis: Schema.Int,
  reason: Handle,
  cancelRunning: Schema.Boolean
})
export type HaltRow = typeof HaltRow.Type

/** The set of policies that was recorded last; another process may decide by another one. */
export const PolicyRow = Schema.Struct({
  hash: Hash,
  previousHash: Schema.NullOr(Hash),
  number: Schema.Int,
  sinceMillis: Schema.Int
})

/** One page of a list: newest first. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Hand it back as `after` for the next page; null at the end. */
  readonly next: { readonly value: number; readonly key: string } | null
}

export interface PageRequest {
  readonly after?: { readonly value: number; readonly key: string } | undefined
  readonly limit?: number | undefined
}

const decodeSession = Schema.decodeUnknownSync(SessionRow)
const decodeTurn = Schema.decodeUnknownSync(TurnRow)
const decodeAction = Schema.decodeUnknownSync(ActionRow)
const decodeTool = Schema.decodeUnknownSync(ToolRow)
const decodePrincipal = Schema.decodeUnknownSync(PrincipalRow)
const decodeHalt = Schema.decodeUnknownSync(HaltRow)
const decodePolicy = Schema.decodeUnknownSync(PolicyRow)

const toSession = (row: Row): SessionRow => ({ ...decodeSession(row.body), sessionId: SessionId.make(row.key) })
const toTurn = (row: Row): TurnRow => ({ ...decodeTurn(row.body), turnId: TurnId.make(row.key) })
const toTool = (row: Row): ToolRow => decodeTool(row.body)
const toPrincipal = (row: Row): PrincipalRow => ({
  ...decodePrincipal(row.body),
  principalId: PrincipalId.make(row.key)
})
const toAction = (row: Row): ActionRow => ({ ...decodeAction(row.body), actionId: ActionId.make(row.key) })

export const make = Effect.gen(function* () {
  const rows = yield* Rows

  const one =
    <A>(kind: string, read: (row: Row) => A) =>
    (key: string) =>
      Effect.map(rows.get(kind, key), (row) => (row === null ? null : read(row)))

  const page =
    <A>(kind: string, read: (row: Row) => A) =>
    (where: { readonly [field: string]: string | number | boolean }, request: PageRequest = {}) => {
      const limit = Math.min(Math.max(1, request.limit ?? Bounds.pageDefault), Bounds.pageMax)
      const query = { kind, where, orderBy: "createdAtMillis", descending: true, limit: limit + 1 } as const
      return Effect.map(
        rows.list(request.after === undefined ? query : { ...query, after: request.after }),
        (found): Page<A> => {
          const items = found.slice(0, limit)
          const last = items[items.length - 1]
          const more = found.length > limit && last !== undefined
          const next = more ? { value: Number(last.body["createdAtMillis"]), key: last.key } : null
          return { items: items.map(read), next }
        }
      )
    }

  return {
    session: one("session", toSession),
    turn: one("turn", toTurn),
    action: one("action", toAction),
    /** The halt that stands, or null. */
    halt: one(GatewayRows.halt, ({ body }) => decodeHalt(body))(GatewayRows.haltKey),
    tool: one("tool", toTool),
    tools: page("tool", toTool),
    /** The set of policies that was recorded last, or null. */
    policy: one(GatewayRows.policy, ({ body }) => decodePolicy(body))(GatewayRows.policyKey),
    principal: one("principal", toPrincipal),
    principals: page("principal", toPrincipal),
    sessions: page("session", toSession),
    turns: page("turn", toTurn),
    actions: page("action", toAction),
    /** Rows of one kind whose deadline has passed, earliest first. */
    due: (kind: string, nowMillis: number, limit: number, last?: Row) =>
      rows.list({
        kind,
        atMost: { field: "dueAtMillis", value: nowMillis },
        orderBy: "dueAtMillis",
        limit,
        ...(last === undefined ? {} : { after: { value: Number(last.body["dueAtMillis"]), key: last.key } })
      }),
    /** The earliest deadline of one kind that is still to come, or null. */
    nextDue: (kind: string, nowMillis: number) =>
      Effect.map(
        rows.list({
          kind,
          atMost: { field: "dueAtMillis", value: Number.MAX_SAFE_INTEGER },
          orderBy: "dueAtMillis",
          // Behind every key of this moment: ids are ASCII.
          after: { value: nowMillis, key: "~" },
          limit: 1
        }),
        (found) => (found[0] === undefined ? null : Number(found[0].body["dueAtMillis"]))
      )
  }
})

export type Questions = Effect.Success<typeof make>
