/** Sessions, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Gateway, type SessionAnswer } from "#src/gateway/Protocol.ts"
import { Api } from "../Api.ts"
import * as Answers from "./Answers.ts"
import * as Readable from "./Readable.ts"
import * as Show from "./Show.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "sessions",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* Gateway
    const readable = yield* Readable.make
    const opened = Answers.created(Show.sessionAnswer, ({ sessionId }: SessionAnswer) => `/v1/sessions/${sessionId}`)
    const recorded = Answers.recorded(Show.sessionAnswer)
    return handlers
      .handle("create", ({ headers, payload }) =>
        Answers.command(headers, (by, key) => gateway.createSession(by, key, payload), opened)
      )
      .handle("list", ({ query }) => Answers.ask((by) => readable.sessions(by, query)))
      .handle("get", ({ params }) =>
        Answers.ask((by) => Effect.flatMap(readable.session(by, params.sessionId), readable.show.session))
      )
      .handle("touch", ({ headers, params }) =>
        Answers.command(headers, (by, key) => gateway.touchSession(by, key, params.sessionId), recorded)
      )
      .handle("close", ({ headers, params, payload }) =>
        Answers.command(
          headers,
          (by, key) => gateway.closeSession(by, key, params.sessionId, payload.reason ?? null),
          recorded
        )
      )
      .handle("erase", ({ headers, params }) =>
        Answers.command(headers, (by, key) => gateway.eraseSession(by, key, params.sessionId), recorded)
      )
  })
)
