/** Actions, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import * as Deeds from "../Deeds.ts"
import * as Answers from "./Answers.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "actions",
  Effect.fnUntraced(function* (handlers) {
    const { commands, questions, readable } = yield* Deeds.make
    return handlers
      .handle(
        "propose",
        Answers.making(commands["action.propose"], ({ actionId }) => `/v1/actions/${actionId}`)
      )
      .handle("list", ({ query }) => Answers.ask((by) => readable.actions(by, query)))
      .handle("get", Answers.asking(questions["action.get"]))
      .handle("claim", Answers.doing(commands["action.claim"]))
      .handle("heartbeat", Answers.doing(commands["action.heartbeat"]))
      .handle("outcome", Answers.doing(commands["action.outcome"]))
      .handle("reconcile", Answers.doing(commands["action.reconcile"]))
  })
)
