/** Actions, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { type ActionAnswer, Gateway } from "#src/gateway/Protocol.ts"
import { Api } from "../Api.ts"
import * as Answers from "./Answers.ts"
import * as Readable from "./Readable.ts"
import * as Show from "./Show.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "actions",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* Gateway
    const readable = yield* Readable.make
    const proposed = Answers.created(Show.actionAnswer, ({ actionId }: ActionAnswer) => `/v1/actions/${actionId}`)
    return handlers
      .handle("propose", ({ headers, params, payload }) =>
        Answers.command(headers, (by, key) => gateway.propose(by, key, { ...params, ...payload }), proposed)
      )
      .handle("list", ({ query }) => Answers.ask((by) => readable.actions(by, query)))
      .handle("get", ({ params, query }) =>
        Answers.ask((by) =>
          Effect.flatMap(readable.action(by, params.actionId, query.waitMillis), readable.show.action)
        )
      )
  })
)
