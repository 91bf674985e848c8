/** Sessions, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import * as Deeds from "../Deeds.ts"
import * as Answers from "./Answers.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "sessions",
  Effect.fnUntraced(function* (handlers) {
    const { commands, questions, readable } = yield* Deeds.make
    return handlers
      .handle(
        "create",
        Answers.making(commands["session.create"], ({ sessionId }) => `/v1/sessions/${sessionId}`)
      )
      .handle("list", ({ query }) => Answers.ask((by) => readable.sessions(by, query)))
      .handle("get", Answers.asking(questions["session.get"]))
      .handle("touch", Answers.doing(commands["session.touch"]))
      .handle("close", Answers.doing(commands["session.close"]))
      .handle("erase", Answers.doing(commands["session.erase"]))
  })
)
