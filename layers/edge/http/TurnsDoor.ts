/** Turns, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import * as Deeds from "../Deeds.ts"
import * as Answers from "./Answers.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "turns",
  Effect.fnUntraced(function* (handlers) {
    const { commands, questions, readable } = yield* Deeds.make
    return handlers
      .handle(
        "start",
        Answers.making(commands["turn.start"], ({ turnId }) => `/v1/turns/${turnId}`)
      )
      .handle("list", ({ params, query }) => Answers.ask((by) => readable.turns(by, params.sessionId, query)))
      .handle("get", Answers.asking(questions["turn.get"]))
      .handle("cancel", Answers.doing(commands["turn.cancel"]))
  })
)
