/** Turns: start, list, wait for, cancel. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { TurnStatus } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { SessionId, TurnId } from "#src/kernel/Ids.ts"
import { questions, writes } from "./ProblemDocument.ts"
import { Turn, TurnAnswer } from "./Resources.ts"
import { Because } from "./SessionsApi.ts"
import * as Words from "./Words.ts"

export const StartTurn = Schema.Struct({
  input: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(Bounds.inputTextMax)).annotate({
    description: "What is said to the responder.",
    examples: ["read notes.txt"]
  })
}).annotate({ identifier: "StartTurn" })

export const TurnsApi = HttpApiGroup.make("turns")
  .add(
    HttpApiEndpoint.post("start", "/sessions/:sessionId/turns", {
      params: { sessionId: SessionId },
      headers: Words.writing,
      payload: StartTurn,
      success: HttpApiSchema.WithHeaders(TurnAnswer.pipe(HttpApiSchema.status(202)), Words.created),
      error: writes
    }).annotate(OpenApi.Summary, "Start a turn; it runs on by itself"),
    HttpApiEndpoint.get("list", "/sessions/:sessionId/turns", {
      params: { sessionId: SessionId },
      query: { ...Words.paging, status: Schema.optionalKey(TurnStatus) },
      success: Words.page("TurnPage", Turn),
      error: questions
    }).annotate(OpenApi.Summary, "List a session's turns, newest first"),
    HttpApiEndpoint.get("get", "/turns/:turnId", {
      params: { turnId: TurnId },
      query: { waitMillis: Words.WaitMillis },
      success: Turn,
      error: questions
    }).annotate(OpenApi.Summary, "Look at a turn, or wait until it ended"),
    HttpApiEndpoint.post("cancel", "/turns/:turnId/cancel", {
      params: { turnId: TurnId },
      headers: Words.writing,
      payload: Because,
      success: HttpApiSchema.WithHeaders(TurnAnswer, Words.replayed),
      error: writes
    }).annotate(OpenApi.Summary, "Cancel a running turn")
  )
  .annotateMerge(OpenApi.annotations({ title: "Turns", description: "One input, worked on until there is an answer." }))
