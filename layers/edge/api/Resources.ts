/**
 * The things of the API as callers see them: sessions, turns, actions, confirmations, events.
 *
 * Two shapes each where a write is involved: the thing as it stands (a question's answer, from the rows) and the
 * answer that was recorded with the command, which a repetition gets again word for word.
 */
import * as Schema from "effect/Schema"
import { Gate } from "#src/gateway/Events.ts"
import { ActionStatus, ConfirmationStatus, SessionStatus, TurnStatus } from "#src/gateway/Protocol.ts"
import { Ref } from "#src/kernel/Envelope.ts"
import * as Ids from "#src/kernel/Ids.ts"
import { Said, Time, Value, Who } from "./Words.ts"

const session = {
  sessionId: Ids.SessionId,
  ownerId: Ids.PrincipalId.annotate({ description: "Who opened it." }),
  agentId: Ids.PrincipalId.annotate({ description: "Under whose name its responder proposes." }),
  status: SessionStatus,
  createdAt: Time,
  expiresAt: Time.annotate({ description: "Absolute end." }),
  idleAt: Time.annotate({ description: "End unless there is a sign of life before." })
}

export const Session = Schema.Struct({ ...session, title: Schema.NullOr(Said) }).annotate({
  identifier: "Session",
  description: "Who talks, for how long, and whether it may still act."
})
export type Session = typeof Session.Type

export const SessionAnswer = Schema.Struct(session).annotate({
  identifier: "SessionAnswer",
  description: "The session as it stood when the command was committed."
})
export type SessionAnswer = typeof SessionAnswer.Type

const turn = {
  turnId: Ids.TurnId,
  sessionId: Ids.SessionId,
  status: TurnStatus,
  step: Schema.Int.annotate({ description: "Answers of the responder so far." })
}

export const Turn = Schema.Struct({
  ...turn,
  ownerId: Ids.PrincipalId,
  agentId: Ids.PrincipalId,
  failure: Schema.NullOr(Schema.String).annotate({ description: "Code of the failure, where it failed." }),
  tokens: Schema.Int.annotate({ description: "Tokens used, in and out." }),
  responder: Schema.String.annotate({ description: "Who answers, as `provider/model`." }),
  createdAt: Time,
  input: Said,
  text: Schema.NullOr(Said).annotate({ description: "What the responder said last." })
}).annotate({ identifier: "Turn", description: "One input, worked on until there is an answer." })
export type Turn = typeof Turn.Type

export const TurnAnswer = Schema.Struct(turn).annotate({
  identifier: "TurnAnswer",
  description: "The turn as it stood when the command was committed."
})
export type TurnAnswer = typeof TurnAnswer.Type

const action = {
  actionId: Ids.ActionId,
  sessionId: Ids.SessionId,
  turnId: Schema.NullOr(Ids.TurnId),
  tool: Schema.String,
  confirmationId: Schema.NullOr(Ids.ConfirmationId).annotate({
    description: "Where people are asked: `act_X` waits as `cfm_X`."
  }),
  policies: Schema.Array(Schema.String).annotate({ description: "Ids of the policies that determined it." }),
  setHash: Schema.NullOr(Ids.Hash).annotate({ description: "Hash of the policy set in force." }),
  permitId: Schema.NullOr(Ids.PermitId),
  claimId: Schema.NullOr(Schema.String)
}

/** What is to be done exactly: text and value are the same bytes read twice. */
const wish = {
  toolHash: Ids.Hash.annotate({ description: "Hash of the tool's definition." }),
  argumentsText: Said.annotate({
    description: "RFC 8785 text of the arguments: what the digest covers, what a person is shown, what the tool gets."
  }),
  arguments: Value,
  digest: Ids.Hash.annotate({ description: "HMAC over proposer, tool and `argumentsText`, under the session's key." }),
  proposer: Who,
  why: Schema.NullOr(Said).annotate({ description: "What the policies said of it, in a sentence." }),
  gate: Gate.annotate({ description: "What stands before the tool: nobody, one person, two people." }),
  approvers: Schema.Array(Schema.String).annotate({ description: "Roles that may decide beside the session's owner." }),
  approvals: Schema.Array(Who).annotate({ description: "Who approved the arguments as they stand." }),
  approvalsMissing: Schema.Int.annotate({ description: "How many more people must approve." }),
  decidedBy: Schema.NullOr(Who),
  edited: Schema.Boolean.annotate({ description: "A person changed the arguments." })
}

export const Action = Schema.Struct({
  ...action,
  ...wish,
  status: ActionStatus,
  ownerId: Ids.PrincipalId,
  agentId: Ids.PrincipalId,
  createdAt: Time,
  deadlineAt: Schema.NullOr(Time).annotate({ description: "When its state changes by itself." }),
  code: Schema.NullOr(Schema.String).annotate({ description: "The tool's code of failure." }),
  output: Value.annotate({ description: "What the tool gave; null before." })
}).annotate({ identifier: "Action", description: "A tool with exact arguments, from proposal to outcome." })
export type Action = typeof Action.Type

export const ActionAnswer = Schema.Struct({
  ...action,
  status: ActionStatus,
  approvalsMissing: wish.approvalsMissing,
  deadlineAt: Schema.NullOr(Time)
}).annotate({
  identifier: "ActionAnswer",
  description: "The action as it stood when the command was committed."
})
export type ActionAnswer = typeof ActionAnswer.Type

export const Confirmation = Schema.Struct({
  confirmationId: Ids.ConfirmationId,
  actionId: action.actionId,
  sessionId: action.sessionId,
  turnId: action.turnId,
  tool: action.tool,
  policies: action.policies,
  setHash: action.setHash,
  ...wish,
  status: ConfirmationStatus,
  createdAt: Time,
  expiresAt: Schema.NullOr(Time).annotate({ description: "Null once it is decided." })
}).annotate({ identifier: "Confirmation", description: "What people are asked, and what they said." })
export type Confirmation = typeof Confirmation.Type

export const Event = Schema.Struct({
  position: Schema.Int.annotate({ description: "Gapless, in commit order." }),
  eventId: Ids.EventId,
  stream: Ids.StreamId,
  version: Schema.Int.annotate({ description: "Gapless within the stream." }),
  type: Schema.String,
  schemaVersion: Schema.Int,
  occurredAt: Time,
  actor: Who,
  commandId: Ids.CommandId,
  correlationId: Schema.String,
  causationId: Schema.NullOr(Ids.EventId),
  traceparent: Schema.NullOr(Schema.String),
  refs: Schema.Array(Ref),
  supersedes: Schema.NullOr(Ids.EventId),
  payload: Schema.Record(Schema.String, Schema.Json).annotate({
    description: 'Sealed fields opened; forgotten ones as `{"redacted": true}`.'
  }),
  prevHash: Ids.Hash,
  hash: Ids.Hash.annotate({ description: "Over the stored, sealed text: not recomputable from this view." })
}).annotate({ identifier: "Event", description: "One event of the journal." })
export type Event = typeof Event.Type
