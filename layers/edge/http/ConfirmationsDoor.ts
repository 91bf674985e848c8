/** Confirmations, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Gateway } from "#src/gateway/Protocol.ts"
import { Api } from "../Api.ts"
import * as Answers from "./Answers.ts"
import * as Readable from "./Readable.ts"
import * as Show from "./Show.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "confirmations",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* Gateway
    const readable = yield* Readable.make
    const { actionIdOf } = Readable
    const recorded = Answers.recorded(Show.actionAnswer)
    return handlers
      .handle("list", ({ query }) => Answers.ask((by) => readable.confirmations(by, query)))
      .handle("get", ({ params, query }) =>
        Answers.ask((by) =>
          Effect.flatMap(readable.confirmation(by, params.confirmationId, query.waitMillis), readable.show.confirmation)
        )
      )
      .handle("approve", ({ headers, params, payload }) =>
        Answers.command(
          headers,
          (by, key) => gateway.approve(by, key, actionIdOf(params.confirmationId), payload.arguments),
          recorded
        )
      )
      .handle("deny", ({ headers, params, payload }) =>
        Answers.command(
          headers,
          (by, key) => gateway.deny(by, key, actionIdOf(params.confirmationId), payload.reason ?? null),
          recorded
        )
      )
      .handle("withdraw", ({ headers, params, payload }) =>
        Answers.command(
          headers,
          (by, key) => gateway.withdraw(by, key, actionIdOf(params.confirmationId), payload.reason ?? null),
          recorded
        )
      )
  })
)
