/** The halt, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Gateway } from "#src/gateway/Protocol.ts"
import { Api } from "../Api.ts"
import * as Deeds from "../Deeds.ts"
import * as Answers from "./Answers.ts"
import * as Show from "./Show.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "halt",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* Gateway
    const { questions } = yield* Deeds.make
    const recorded = Answers.recorded(Show.haltAnswer)
    return handlers
      .handle("get", () => Answers.ask(questions["halt.get"]))
      .handle("halt", ({ headers, payload }) =>
        Answers.command(headers, (by, key) => gateway.halt(by, key, payload), recorded)
      )
      .handle("resume", ({ headers, payload }) =>
        Answers.command(headers, (by, key) => gateway.resume(by, key, payload.reason ?? null), recorded)
      )
  })
)
