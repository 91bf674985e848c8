/** Sessions: open, list, look at, keep alive, close, forget. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Reason, SessionStatus } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import { questions, writes } from "./ProblemDocument.ts"
import { Session, SessionAnswer } from "./Resources.ts"
import * as Words from "./Words.ts"

const millis = (description: string) =>
  Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1_000, maximum: Bounds.sessionTtlMillisMax })).annotate({
      description
    })
  )

export const CreateSession = Schema.Struct({
  title: Schema.optionalKey(
    Schema.String.check(Schema.isMaxLength(200)).annotate({ description: "For people.", examples: ["Fix the build"] })
  ),
  agentId: Schema.optionalKey(
    PrincipalId.annotate({ description: "Under whose name the responder proposes; else `assistant`." })
  ),
  ttlMillis: millis("Absolute life; the service's default is 30 minutes."),
  idleMillis: millis("Life without a sign of life; the service's default is 10 minutes.")
}).annotate({ identifier: "CreateSession" })

export const Nothing = Schema.Record(Schema.String, Schema.Never).annotate({
  identifier: "Nothing",
  description: "An empty object, or no body at all."
})

export const Because = Schema.Struct({
  reason: Schema.optionalKey(Reason.annotate({ description: "Kept sealed with the event." }))
}).annotate({ identifier: "Because" })

const params = { sessionId: SessionId }
const accepted = HttpApiSchema.WithHeaders(SessionAnswer, Words.replayed)

export const SessionsApi = HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.post("create", "/sessions", {
      headers: Words.writing,
      payload: CreateSession,
      success: HttpApiSchema.WithHeaders(SessionAnswer.pipe(HttpApiSchema.status(201)), Words.created),
      error: writes
    }).annotate(OpenApi.Summary, "Open a session"),
    HttpApiEndpoint.get("list", "/sessions", {
      query: { ...Words.paging, status: Schema.optionalKey(SessionStatus) },
      success: Words.page("SessionPage", Session),
      error: questions
    }).annotate(OpenApi.Summary, "List your sessions, newest first"),
    HttpApiEndpoint.get("get", "/sessions/:sessionId", { params, success: Session, error: questions }).annotate(
      OpenApi.Summary,
      "Look at a session"
    ),
    HttpApiEndpoint.post("touch", "/sessions/:sessionId/touch", {
      params,
      headers: Words.writing,
      payload: Nothing,
      success: accepted,
      error: writes
    }).annotate(OpenApi.Summary, "Give a sign of life: renews the idle clock only"),
    HttpApiEndpoint.post("close", "/sessions/:sessionId/close", {
      params,
      headers: Words.writing,
      payload: Because,
      success: accepted,
      error: writes
    }).annotate(OpenApi.Summary, "Close a session: cancels its turns, withdraws what it asks"),
    HttpApiEndpoint.post("erase", "/sessions/:sessionId/erase", {
      params,
      headers: Words.writing,
      payload: Nothing,
      success: accepted,
      error: writes
    }).annotate(OpenApi.Summary, "Forget every word said in a session, for ever")
  )
  .annotateMerge(
    OpenApi.annotations({
      title: "Sessions",
      description: "Who talks, for how long, and whether it may still act."
    })
  )
