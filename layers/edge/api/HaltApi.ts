/** The halt: one word that stops every tool, and one that lets them go on. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Reason } from "#src/gateway/Protocol.ts"
import { questions, writes } from "./ProblemDocument.ts"
import { Because } from "./SessionsApi.ts"
import * as Words from "./Words.ts"

const shape = {
  halted: Schema.Boolean,
  by: Schema.NullOr(Words.Who),
  since: Schema.NullOr(Words.Time).annotate({ description: "When the first halt began that still stands." }),
  cancelRunning: Schema.Boolean.annotate({ description: "Whether tools that ran were stopped too." })
}

export const HaltAnswer = Schema.Struct(shape).annotate({ identifier: "HaltAnswer" })
export type HaltAnswer = typeof HaltAnswer.Type

export const HaltState = Schema.Struct({ ...shape, reason: Schema.NullOr(Words.Said) }).annotate({
  identifier: "HaltState"
})
export type HaltState = typeof HaltState.Type

export const HaltAll = Schema.Struct({
  reason: Reason.check(Schema.isMinLength(1)).annotate({
    description: "For whoever finds everything stopped.",
    examples: ["the deploy bot is writing to the wrong host"]
  }),
  cancelRunning: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Stop the tools that run, too; else they may finish." })
  )
}).annotate({ identifier: "HaltAll" })

const answered = HttpApiSchema.WithHeaders(HaltAnswer, Words.replayed)

export const HaltApi = HttpApiGroup.make("halt")
  .add(
    HttpApiEndpoint.get("get", "/halt", { success: HaltState, error: questions }).annotate(
      OpenApi.Summary,
      "Whether everything is stopped, by whom, since when and why"
    ),
    HttpApiEndpoint.post("halt", "/halt", {
      headers: Words.writing,
      payload: HaltAll,
      success: answered,
      error: writes
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Stop everything",
        description:
          "Once this is answered no tool starts, and no turn and no action is taken. What waits for people goes on waiting."
      })
    ),
    HttpApiEndpoint.post("resume", "/resume", {
      headers: Words.writing,
      payload: Because,
      success: answered,
      error: writes
    }).annotate(OpenApi.Summary, "Let everything go on: what was permitted and is still in time runs")
  )
  .annotateMerge(OpenApi.annotations({ title: "Halt", description: "For operators, in an emergency." }))
