/** Tools that agents declare, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import * as Deeds from "../Deeds.ts"
import * as Answers from "./Answers.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "tools",
  Effect.fnUntraced(function* (handlers) {
    const { commands } = yield* Deeds.make
    return handlers
      .handle(
        "declare",
        Answers.making(commands["tool.declare"], () => "/v1/tools")
      )
      .handle("withdraw", Answers.doing(commands["tool.withdraw"]))
  })
)
