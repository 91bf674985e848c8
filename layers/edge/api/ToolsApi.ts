/** Tools: those that this service runs, and those that agents declared and run elsewhere. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as InputSchema from "#src/gateway/InputSchema.ts"
import { LeaseMillis, RunMillisMax, ToolDescription, ToolName } from "#src/gateway/Protocol.ts"
import { Hash, PrincipalId } from "#src/kernel/Ids.ts"
import { writes } from "./ProblemDocument.ts"
import { Nothing } from "./SessionsApi.ts"
import * as Words from "./Words.ts"

export const Executor = Schema.Struct({
  principalId: PrincipalId,
  leaseMillis: Schema.Int.annotate({ description: "How long a claim lasts without a heartbeat." }),
  runMillisMax: Schema.Int.annotate({ description: "How long a run may take in all." })
}).annotate({ identifier: "Executor", description: "The agent that runs it elsewhere." })

export const Tool = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  inputSchema: Schema.Json.annotate({ description: "JSON Schema (2020-12) of the arguments." }),
  hash: Hash.annotate({ description: "Over all that defines it." }),
  idempotent: Schema.Boolean.annotate({ description: "Running it again changes nothing more." }),
  executor: Schema.NullOr(Executor).annotate({ description: "Null where this service runs it." })
}).annotate({ identifier: "Tool" })
export type Tool = typeof Tool.Type

export const Tools = Schema.Struct({ items: Schema.Array(Tool) }).annotate({ identifier: "Tools" })

export const ToolAnswer = Schema.Struct({
  name: ToolName,
  hash: Hash,
  executorId: PrincipalId,
  status: Schema.Literals(["Declared", "Withdrawn"])
}).annotate({ identifier: "ToolAnswer" })

export const DeclareTool = Schema.Struct({
  name: ToolName.annotate({ description: "Its name for ever.", examples: ["deploy.service"] }),
  description: ToolDescription,
  inputSchema: Schema.Json.annotate({
    description:
      "JSON Schema (2020-12) of the arguments: an object without further properties. No patterns: they can run for ever.",
    examples: [
      {
        type: "object",
        properties: { service: { type: "string" } },
        required: ["service"],
        additionalProperties: false
      }
    ]
  }).check(
    Schema.makeFilter((inputSchema) => {
      const fault = InputSchema.fault(inputSchema)
      return fault === null ? undefined : { path: fault.path, issue: fault.detail }
    })
  ),
  idempotent: Schema.optionalKey(Schema.Boolean),
  leaseMillis: Schema.optionalKey(LeaseMillis),
  runMillisMax: Schema.optionalKey(RunMillisMax),
  executorId: Schema.optionalKey(
    PrincipalId.annotate({ description: "Who runs it. An agent declares for itself; an operator names the agent." })
  )
}).annotate({ identifier: "DeclareTool" })

const params = { name: ToolName }

export const ToolsApi = HttpApiGroup.make("tools")
  .add(
    HttpApiEndpoint.post("declare", "/tools", {
      headers: Words.writing,
      payload: DeclareTool,
      success: HttpApiSchema.WithHeaders(ToolAnswer.pipe(HttpApiSchema.status(201)), Words.created),
      error: writes
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Declare a tool that you run yourself",
        description:
          "The same declaration again changes nothing; another definition needs another name, so that a name means one thing in every decision."
      })
    ),
    HttpApiEndpoint.post("withdraw", "/tools/:name/withdraw", {
      params,
      headers: Words.writing,
      payload: Nothing,
      success: HttpApiSchema.WithHeaders(ToolAnswer, Words.replayed),
      error: writes
    }).annotate(OpenApi.Summary, "Withdraw a tool: nothing more is proposed with it")
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Tools", description: "Tools that agents declare and run where they live." })
  )
