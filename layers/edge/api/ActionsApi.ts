/** Actions: propose, list, wait for. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ActionStatus } from "#src/gateway/Protocol.ts"
import { ActionId, SessionId } from "#src/kernel/Ids.ts"
import { questions, writes } from "./ProblemDocument.ts"
import { Action, ActionAnswer } from "./Resources.ts"
import * as Words from "./Words.ts"

export const ProposeAction = Schema.Struct({
  tool: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(128)).annotate({
    description: "Name of a tool of `/v1/tools`.",
    examples: ["file.write"]
  }),
  arguments: Schema.Json.annotate({
    description: "What the tool's schema takes.",
    examples: [{ path: "notes.txt", content: "hello" }]
  })
}).annotate({ identifier: "ProposeAction" })

export const ActionsApi = HttpApiGroup.make("actions")
  .add(
    HttpApiEndpoint.post("propose", "/sessions/:sessionId/actions", {
      params: { sessionId: SessionId },
      headers: Words.writing,
      payload: ProposeAction,
      success: HttpApiSchema.WithHeaders(ActionAnswer.pipe(HttpApiSchema.status(201)), Words.created),
      error: writes
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Propose an action",
        description:
          "The policies decide: `Approved` runs by itself, `Pending` waits for people, `Denied` is recorded and never runs."
      })
    ),
    HttpApiEndpoint.get("list", "/actions", {
      query: {
        ...Words.paging,
        sessionId: Schema.optionalKey(SessionId),
        status: Schema.optionalKey(ActionStatus)
      },
      success: Words.page("ActionPage", Action),
      error: questions
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List actions, newest first",
        description: "Those of your sessions, or of one session. An agent names the session."
      })
    ),
    HttpApiEndpoint.get("get", "/actions/:actionId", {
      params: { actionId: ActionId },
      query: { waitMillis: Words.WaitMillis },
      success: Action,
      error: questions
    }).annotate(OpenApi.Summary, "Look at an action, or wait until it ended")
  )
  .annotateMerge(
    OpenApi.annotations({
      title: "Actions",
      description: "A tool with exact arguments, from proposal to outcome. Nothing here runs a tool past the gate."
    })
  )
