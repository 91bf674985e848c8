/** Turns, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Gateway, type TurnAnswer } from "#src/gateway/Protocol.ts"
import { Api } from "../Api.ts"
import * as Answers from "./Answers.ts"
import * as Readable from "./Readable.ts"
import * as Show from "./Show.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "turns",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* Gateway
    const readable = yield* Readable.make
    const started = Answers.created(Show.turnAnswer, ({ turnId }: TurnAnswer) => `/v1/turns/${turnId}`)
    const recorded = Answers.recorded(Show.turnAnswer)
    return handlers
      .handle("start", ({ headers, params, payload }) =>
        Answers.command(headers, (by, key) => gateway.startTurn(by, key, params.sessionId, payload.input), started)
      )
      .handle("list", ({ params, query }) => Answers.ask((by) => readable.turns(by, params.sessionId, query)))
      .handle("get", ({ params, query }) =>
        Answers.ask((by) => Effect.flatMap(readable.turn(by, params.turnId, query.waitMillis), readable.show.turn))
      )
      .handle("cancel", ({ headers, params, payload }) =>
        Answers.command(
          headers,
          (by, key) => gateway.cancelTurn(by, key, params.turnId, payload.reason ?? null),
          recorded
        )
      )
  })
)
