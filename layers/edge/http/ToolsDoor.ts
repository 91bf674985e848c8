/** Tools that agents declare, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Gateway, type ToolAnswer } from "#src/gateway/Protocol.ts"
import { Api } from "../Api.ts"
import * as Answers from "./Answers.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "tools",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* Gateway
    const same = (answer: ToolAnswer) => answer
    return handlers
      .handle("declare", ({ headers, payload }) =>
        Answers.command(
          headers,
          (by, key) => gateway.declareTool(by, key, payload),
          Answers.created(same, () => "/v1/tools")
        )
      )
      .handle("withdraw", ({ headers, params }) =>
        Answers.command(headers, (by, key) => gateway.withdrawTool(by, key, params.name), Answers.recorded(same))
      )
  })
)
