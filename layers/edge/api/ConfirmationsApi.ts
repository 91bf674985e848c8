/** Confirmations: what people are asked, and how they answer. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ConfirmationStatus } from "#src/gateway/Protocol.ts"
import { ConfirmationId, SessionId } from "#src/kernel/Ids.ts"
import { questions, writes } from "./ProblemDocument.ts"
import { ActionAnswer, Confirmation } from "./Resources.ts"
import { Because } from "./SessionsApi.ts"
import * as Words from "./Words.ts"

export const Approve = Schema.Struct({
  arguments: Schema.optionalKey(
    Schema.Json.annotate({
      description: "Run these instead. They pass the policies again, and earlier approvals no longer count."
    })
  )
}).annotate({ identifier: "Approve" })

const params = { confirmationId: ConfirmationId }
const decided = HttpApiSchema.WithHeaders(ActionAnswer, Words.replayed)

export const ConfirmationsApi = HttpApiGroup.make("confirmations")
  .add(
    HttpApiEndpoint.get("list", "/confirmations", {
      query: {
        ...Words.paging,
        sessionId: Schema.optionalKey(SessionId),
        status: Schema.optionalKey(ConfirmationStatus)
      },
      success: Words.page("ConfirmationPage", Confirmation),
      error: questions
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List confirmations, newest first; those that wait, unless you ask for others",
        description: "Waiting ones are those that you may decide, as the session's owner or by a role."
      })
    ),
    HttpApiEndpoint.get("get", "/confirmations/:confirmationId", {
      params,
      query: { waitMillis: Words.WaitMillis },
      success: Confirmation,
      error: questions
    }).annotate(OpenApi.Summary, "Look at a confirmation, or wait until it is decided"),
    HttpApiEndpoint.post("approve", "/confirmations/:confirmationId/approve", {
      params,
      headers: Words.writing,
      payload: Approve,
      success: decided,
      error: writes
    }).annotate(OpenApi.Summary, "Approve, as it stands or with other arguments"),
    HttpApiEndpoint.post("deny", "/confirmations/:confirmationId/deny", {
      params,
      headers: Words.writing,
      payload: Because,
      success: decided,
      error: writes
    }).annotate(OpenApi.Summary, "Deny; nothing runs"),
    HttpApiEndpoint.post("withdraw", "/confirmations/:confirmationId/withdraw", {
      params,
      headers: Words.writing,
      payload: Because,
      success: decided,
      error: writes
    }).annotate(OpenApi.Summary, "Withdraw what you proposed")
  )
  .annotateMerge(
    OpenApi.annotations({
      title: "Confirmations",
      description:
        "One decision wins; whoever comes second gets 409 with the state that won. Repeating the winning call gives its answer again."
    })
  )
