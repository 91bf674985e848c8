/** Actions: propose, list, wait for. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ActionStatus, Reason } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { ActionId, ClaimId, PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import { questions, writes } from "./ProblemDocument.ts"
import { Nothing } from "./SessionsApi.ts"
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

/** What a remote executor needs to run it, and no more. */
export const Claimed = Schema.Struct({
  actionId: ActionId,
  claimId: ClaimId.annotate({ description: "Names this run in heartbeats and in the outcome." }),
  tool: Schema.String,
  argumentsText: Words.Said.annotate({ description: "RFC 8785 text: what a person was shown." }),
  arguments: Words.Value,
  status: ActionStatus,
  leaseUntil: Schema.NullOr(Words.Time)
}).annotate({ identifier: "Claimed" })
export type Claimed = typeof Claimed.Type

export const Heartbeat = Schema.Struct({ claimId: ClaimId }).annotate({ identifier: "Heartbeat" })

export const Alive = Schema.Struct({
  status: ActionStatus,
  leaseUntil: Schema.NullOr(Words.Time),
  cancel: Schema.Boolean.annotate({ description: "A person stopped everything that runs: stop, and report `Failed`." })
}).annotate({ identifier: "Alive" })
export type Alive = typeof Alive.Type

export const Outcome = Schema.Struct({
  claimId: ClaimId,
  outcome: Schema.Literals(["Executed", "Failed"]),
  code: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u)).annotate({
      description: "Of a failure: a stable name.",
      examples: ["HostUnreachable"]
    })
  ),
  output: Schema.optionalKey(
    Schema.Json.annotate({ description: "What it gave; sealed under the session's key." }).check(
      Schema.makeFilter((output) => JSON.stringify(output).length <= Bounds.resultTextMax, {
        message: `takes at most ${Bounds.resultTextMax} characters of JSON`
      })
    )
  )
}).annotate({ identifier: "Outcome" })

export const Reconcile = Schema.Struct({
  outcome: Schema.Literals(["Executed", "Failed"]),
  note: Reason.check(Schema.isMinLength(1)).annotate({
    description: "How you know.",
    examples: ["the file is there, with the right content"]
  })
}).annotate({ identifier: "Reconcile" })

const params = { actionId: ActionId }
const recorded = HttpApiSchema.WithHeaders(ActionAnswer, Words.replayed)

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
        executorId: Schema.optionalKey(
          PrincipalId.annotate({ description: "Those whose tool this agent runs: you, where you are that agent." })
        ),
        status: Schema.optionalKey(ActionStatus)
      },
      success: Words.page("ActionPage", Action),
      error: questions
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List actions, newest first",
        description:
          "Those of your sessions, of one session, or those whose tool you run. An agent names the session or itself."
      })
    ),
    HttpApiEndpoint.get("get", "/actions/:actionId", {
      params,
      query: { waitMillis: Words.WaitMillis },
      success: Action,
      error: questions
    }).annotate(OpenApi.Summary, "Look at an action, or wait until it ended"),
    HttpApiEndpoint.post("claim", "/actions/:actionId/claim", {
      params,
      headers: Words.writing,
      payload: Nothing,
      success: HttpApiSchema.WithHeaders(Claimed, Words.replayed),
      error: writes
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Claim the permit of an action whose tool you run",
        description:
          "Spends the permit: nobody else gets it, and nor do you a second time. Run exactly `argumentsText`, give signs of life before the lease ends, and report what came of it."
      })
    ),
    HttpApiEndpoint.post("heartbeat", "/actions/:actionId/heartbeat", {
      params,
      headers: Words.writing,
      payload: Heartbeat,
      success: HttpApiSchema.WithHeaders(Alive, Words.replayed),
      error: writes
    }).annotate(OpenApi.Summary, "Give a sign of life: renews the lease, and tells whether to stop"),
    HttpApiEndpoint.post("outcome", "/actions/:actionId/outcome", {
      params,
      headers: Words.writing,
      payload: Outcome,
      success: recorded,
      error: writes
    }).annotate(OpenApi.Summary, "Report what came of it; late too, once, after `Unknown`"),
    HttpApiEndpoint.post("reconcile", "/actions/:actionId/reconcile", {
      params,
      headers: Words.writing,
      payload: Reconcile,
      success: recorded,
      error: writes
    }).annotate(OpenApi.Summary, "Say, as a person who looked, what became of an unknown outcome")
  )
  .annotateMerge(
    OpenApi.annotations({
      title: "Actions",
      description: "A tool with exact arguments, from proposal to outcome. Nothing here runs a tool past the gate."
    })
  )
