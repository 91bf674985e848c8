/** Confirmations, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import * as Deeds from "../Deeds.ts"
import * as Answers from "./Answers.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "confirmations",
  Effect.fnUntraced(function* (handlers) {
    const { commands, questions, readable } = yield* Deeds.make
    return handlers
      .handle("list", ({ query }) => Answers.ask((by) => readable.confirmations(by, query)))
      .handle("get", Answers.asking(questions["confirmation.get"]))
      .handle("approve", Answers.doing(commands["confirmation.approve"]))
      .handle("deny", Answers.doing(commands["confirmation.deny"]))
      .handle("withdraw", Answers.doing(commands["confirmation.withdraw"]))
  })
)
