/**
 * The frames of a WebSocket: what a client may say, and what it is told.
 *
 * Built from the schemas of the HTTP API, so that a deed takes and answers the same by either door. Satisfies nothing:
 * a client imports it without the service, and `/asyncapi.json` is made from it.
 */
import * as Schema from "effect/Schema"
import { ActionId, CommandKey, ConfirmationId, PrincipalId, SessionId, TurnId } from "#src/kernel/Ids.ts"
import { ToolName } from "#src/gateway/Protocol.ts"
import { CorrelationId, Traceparent } from "#src/kernel/Stamp.ts"
import { codes } from "../Problems.ts"
import { Alive, Claimed, Heartbeat as LeaseHeartbeat, Outcome, ProposeAction, Reconcile } from "./ActionsApi.ts"
import { Approve } from "./ConfirmationsApi.ts"
import { HaltState } from "./HaltApi.ts"
import { declare } from "./ProblemDocument.ts"
import { Action, ActionAnswer, Confirmation, Event, Session, SessionAnswer, Turn, TurnAnswer } from "./Resources.ts"
import { Because, CreateSession } from "./SessionsApi.ts"
import { DeclareTool, ToolAnswer } from "./ToolsApi.ts"
import { StartTurn } from "./TurnsApi.ts"

/** The subprotocol (RFC 6455 section 1.9) that both sides name. */
export const subprotocol = "keelson.v1"
/** Offered beside it, this is the token of a caller that can't set headers: a page in a browser. */
export const tokenSubprotocol = "keelson.token."

export const FrameId = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,64}$/u)).annotate({
  description: "Yours: names the frame until it is answered. 1 to 64 visible ASCII characters.",
  examples: ["1"]
})

/** A position of the journal as a whole number. */
export const Sequence = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

const commandFields = {
  id: FrameId,
  key: CommandKey.annotate({
    description: "As `Idempotency-Key`: a fresh one for every new wish, the same one for a repetition, by any door."
  }),
  correlationId: Schema.optionalKey(
    CorrelationId.annotate({ description: "Ties this command to others in the journal." })
  ),
  traceparent: Schema.optionalKey(
    Traceparent.annotate({ description: "W3C Trace Context, version 00: the span this belongs to." })
  )
}

const questionFields = { id: FrameId, traceparent: commandFields.traceparent }

const ofSession = { params: Schema.Struct({ sessionId: SessionId }) }
const ofTurn = { params: Schema.Struct({ turnId: TurnId }) }
const ofAction = { params: Schema.Struct({ actionId: ActionId }) }
const ofConfirmation = { params: Schema.Struct({ confirmationId: ConfirmationId }) }
const ofTool = { params: Schema.Struct({ name: ToolName }) }
const because = { body: Schema.optionalKey(Because) }

const command = <Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({ type: Schema.Literal(type), ...commandFields, ...fields }).annotate({ identifier: nameOf(type) })

const question = <Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({ type: Schema.Literal(type), ...questionFields, ...fields }).annotate({ identifier: nameOf(type) })

/** `turn.start` is described as `TurnStartFrame`. */
const nameOf = (type: string): string =>
  `${type.replace(/(?:^|\.)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Frame`

/** What changes something: taken once under its key. */
export const commands = {
  "session.create": command("session.create", { body: Schema.optionalKey(CreateSession) }),
  "session.touch": command("session.touch", ofSession),
  "session.close": command("session.close", { ...ofSession, ...because }),
  "session.erase": command("session.erase", ofSession),
  "turn.start": command("turn.start", { ...ofSession, body: StartTurn }),
  "turn.cancel": command("turn.cancel", { ...ofTurn, ...because }),
  "action.propose": command("action.propose", { ...ofSession, body: ProposeAction }),
  "action.claim": command("action.claim", ofAction),
  "action.heartbeat": command("action.heartbeat", { ...ofAction, body: LeaseHeartbeat }),
  "action.outcome": command("action.outcome", { ...ofAction, body: Outcome }),
  "action.reconcile": command("action.reconcile", { ...ofAction, body: Reconcile }),
  "confirmation.approve": command("confirmation.approve", { ...ofConfirmation, body: Schema.optionalKey(Approve) }),
  "confirmation.deny": command("confirmation.deny", { ...ofConfirmation, ...because }),
  "confirmation.withdraw": command("confirmation.withdraw", { ...ofConfirmation, ...because }),
  "tool.declare": command("tool.declare", { body: DeclareTool }),
  "tool.withdraw": command("tool.withdraw", ofTool)
} as const
export type CommandType = keyof typeof commands

export const questions = {
  "session.get": question("session.get", ofSession),
  "turn.get": question("turn.get", ofTurn),
  "action.get": question("action.get", ofAction),
  "confirmation.get": question("confirmation.get", ofConfirmation),
  "halt.get": question("halt.get", {})
} as const
export type QuestionType = keyof typeof questions

const Executor = PrincipalId.annotate({ description: "Yourself, as the agent that runs the tools." })

/** What concerns the connection alone. */
export const controls = {
  subscribe: Schema.Struct({
    type: Schema.Literal("subscribe"),
    id: FrameId,
    sessionId: SessionId,
    after: Schema.optionalKey(
      Sequence.annotate({
        description: "Go on after this `sequence`: the last one you saw; 0 from the beginning. Without it, from now on."
      })
    )
  }).annotate({ identifier: "SubscribeFrame" }),
  unsubscribe: Schema.Struct({ type: Schema.Literal("unsubscribe"), id: FrameId, sessionId: SessionId }).annotate({
    identifier: "UnsubscribeFrame"
  }),
  "work.subscribe": Schema.Struct({
    type: Schema.Literal("work.subscribe"),
    id: FrameId,
    executorId: Executor,
    after: Schema.optionalKey(Sequence.annotate({ description: "As in `subscribe`." }))
  }).annotate({ identifier: "WorkSubscribeFrame" }),
  "work.unsubscribe": Schema.Struct({
    type: Schema.Literal("work.unsubscribe"),
    id: FrameId,
    executorId: Executor
  }).annotate({ identifier: "WorkUnsubscribeFrame" }),
  ping: Schema.Struct({ type: Schema.Literal("ping"), id: FrameId }).annotate({ identifier: "PingFrame" })
} as const

export const asked = { ...commands, ...questions, ...controls } as const
export type AskedType = keyof typeof asked

/** Everything that a client may say. */
export type ClientFrame = (typeof asked)[AskedType]["Type"]

const Nothing = Schema.Struct({})

export const Following = Schema.Struct({
  sessionId: SessionId,
  after: Sequence.annotate({ description: "Events after this one come." })
}).annotate({ identifier: "Following" })

export const FollowingWork = Schema.Struct({ executorId: PrincipalId, after: Following.fields.after }).annotate({
  identifier: "FollowingWork"
})

/** What answers each of them. */
export const bodies = {
  "session.create": SessionAnswer,
  "session.touch": SessionAnswer,
  "session.close": SessionAnswer,
  "session.erase": SessionAnswer,
  "turn.start": TurnAnswer,
  "turn.cancel": TurnAnswer,
  "action.propose": ActionAnswer,
  "action.claim": Claimed,
  "action.heartbeat": Alive,
  "action.outcome": ActionAnswer,
  "action.reconcile": ActionAnswer,
  "confirmation.approve": ActionAnswer,
  "confirmation.deny": ActionAnswer,
  "confirmation.withdraw": ActionAnswer,
  "tool.declare": ToolAnswer,
  "tool.withdraw": ToolAnswer,
  "session.get": Session,
  "turn.get": Turn,
  "action.get": Action,
  "confirmation.get": Confirmation,
  "halt.get": HaltState,
  subscribe: Following,
  unsubscribe: Nothing,
  "work.subscribe": FollowingWork,
  "work.unsubscribe": Nothing,
  ping: Nothing
} as const satisfies { readonly [Type in AskedType]: Schema.Constraint }

const answerTo = <Type extends AskedType>(to: Type) =>
  Schema.Struct({
    type: Schema.Literal("answer"),
    to: Schema.Literal(to),
    id: FrameId,
    repeated: Schema.Boolean.annotate({ description: "This is the recorded answer; nothing happened now." }),
    body: bodies[to]
  }).annotate({ identifier: nameOf(to).replace(/Frame$/, "AnswerFrame") })

export const answers = Object.fromEntries(
  Object.keys(asked).map((type) => [type, answerTo(type as AskedType)])
) as unknown as { readonly [Type in AskedType]: ReturnType<typeof answerTo<Type>> }

export const ProblemFrame = Schema.Struct({
  type: Schema.Literal("problem"),
  id: Schema.NullOr(FrameId).annotate({ description: "Of the frame that is refused; null where it had none." }),
  retryAfterSeconds: Schema.NullOr(Schema.Int).annotate({ description: "When to try again, where waiting helps." }),
  problem: Schema.Union(declare(...codes)).annotate({ description: "RFC 9457, as by HTTP." })
}).annotate({ identifier: "ProblemFrame" })

export const EventFrame = Schema.Struct({
  type: Schema.Literal("event"),
  sessionId: SessionId,
  sequence: Sequence.annotate({ description: "Grows along a session; remember the last one to go on after it." }),
  previous: Sequence.annotate({
    description: "The `sequence` of the session's event before this one, or what you asked to go on after."
  }),
  event: Event
}).annotate({ identifier: "EventFrame" })

export const WorkFrame = Schema.Struct({
  type: Schema.Literal("work"),
  executorId: PrincipalId,
  sequence: Sequence.annotate({ description: "Grows along your work; remember the last one to go on after it." }),
  previous: Sequence.annotate({
    description: "The `sequence` of the event of your work before this one, or what you asked to go on after."
  }),
  event: Event
}).annotate({ identifier: "WorkFrame" })

export const HeartbeatFrame = Schema.Struct({
  type: Schema.Literal("heartbeat"),
  sessions: Schema.Array(
    Schema.Struct({
      sessionId: SessionId,
      sequence: Sequence.annotate({ description: "Nothing up to here is missing: go on after it." })
    })
  ),
  work: Schema.Array(Schema.Struct({ executorId: PrincipalId, sequence: Sequence })).annotate({
    description: "The same of your work, where you follow it."
  })
}).annotate({ identifier: "HeartbeatFrame" })

export const EndFrame = Schema.Struct({
  type: Schema.Literal("end"),
  sessionId: SessionId,
  sequence: Sequence.annotate({ description: "Subscribe after this one to go on." }),
  code: Schema.Literals(codes),
  detail: Schema.String,
  retryable: Schema.Boolean
}).annotate({ identifier: "EndFrame" })

export const WorkEndFrame = Schema.Struct({
  type: Schema.Literal("work.end"),
  executorId: PrincipalId,
  sequence: EndFrame.fields.sequence,
  code: EndFrame.fields.code,
  detail: Schema.String,
  retryable: Schema.Boolean
}).annotate({ identifier: "WorkEndFrame" })

export const HaltFrame = Schema.Struct({
  type: Schema.Literal("halt"),
  halt: HaltState
}).annotate({ identifier: "HaltFrame" })

/** What comes without being asked for. */
export const pushed = {
  event: EventFrame,
  work: WorkFrame,
  heartbeat: HeartbeatFrame,
  halt: HaltFrame,
  end: EndFrame,
  "work.end": WorkEndFrame
} as const

/** Everything that a client may be told. */
export const Told = Schema.Union([...Object.values(answers), ProblemFrame, ...Object.values(pushed)])

/** Why the service closes a WebSocket, beside the codes of RFC 6455. The last digits are those of the HTTP status. */
export const closings = {
  1001: "the service is stopping: come back later, and go on after the last sequence you saw",
  4400: "too many frames that mean nothing",
  4401: "your key opens nothing any more",
  4408: "half a frame, and the rest did not come",
  4429: "too slow: come back, and go on after the last sequence you saw"
} as const
export type Closing = keyof typeof closings
