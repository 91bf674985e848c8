/** Actions, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { type ActionAnswer, Gateway } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import type { ActionId, ClaimId } from "#src/kernel/Ids.ts"
import type { Principal } from "#src/ports/Identity.ts"
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
    const recorded = Answers.recorded(Show.actionAnswer)
    const questions = yield* Questions.make

    /** The recorded answer of a claim, with the words that it is about: they stand sealed in the row. */
    const claim = Effect.fnUntraced(function* (by: Principal, key: string, id: ActionId) {
      const answered = yield* gateway.claim(by, key, id)
      const action = yield* Effect.flatMap(readable.action(by, id), readable.show.action)
      return { ...answered, body: Show.claimed(answered.body, action) }
    })

    const heartbeat = Effect.fnUntraced(function* (by: Principal, key: string, id: ActionId, claimId: ClaimId) {
      const answered = yield* gateway.renewLease(by, key, id, claimId)
      const halt = yield* questions.halt
      return { ...answered, body: Show.alive(answered.body, halt?.cancelRunning ?? false) }
    })

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
      .handle("claim", ({ headers, params }) =>
        Answers.command(
          headers,
          (by, key) => claim(by, key, params.actionId),
          Answers.recorded((body) => body)
        )
      )
      .handle("heartbeat", ({ headers, params, payload }) =>
        Answers.command(
          headers,
          (by, key) => heartbeat(by, key, params.actionId, payload.claimId),
          Answers.recorded((body) => body)
        )
      )
      .handle("outcome", ({ headers, params, payload }) =>
        Answers.command(headers, (by, key) => gateway.reportOutcome(by, key, params.actionId, payload), recorded)
      )
      .handle("reconcile", ({ headers, params, payload }) =>
        Answers.command(headers, (by, key) => gateway.reconcile(by, key, params.actionId, payload), recorded)
      )
  })
)
