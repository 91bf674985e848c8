/** Principals, served. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Redacted from "effect/Redacted"
import { Gateway, type Issued } from "#src/gateway/Protocol.ts"
import { Api } from "../Api.ts"
import * as Answers from "./Answers.ts"
import * as Readable from "./Readable.ts"
import * as Show from "./Show.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "principals",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* Gateway
    const readable = yield* Readable.make
    const changed = Answers.recorded(Show.principal)
    return handlers
      .handle("create", ({ headers, payload }) =>
        Answers.command(headers, (by, key) => gateway.createPrincipal(by, key, payload), issued)
      )
      .handle("list", ({ query }) => Answers.ask((by) => readable.principals(by, query)))
      .handle("get", ({ params }) =>
        Answers.ask((by) => Effect.map(readable.principal(by, params.principalId), Show.principal))
      )
      .handle("issueKey", ({ headers, params, payload }) =>
        Answers.command(
          headers,
          (by, key) => gateway.issueKey(by, key, params.principalId, payload.replace ?? false),
          issued
        )
      )
      .handle("revokeKey", ({ headers, params }) =>
        Answers.command(headers, (by, key) => gateway.revokeKey(by, key, params.principalId, params.keyId), changed)
      )
      .handle("changeRoles", ({ headers, params, payload }) =>
        Answers.command(headers, (by, key) => gateway.changeRoles(by, key, params.principalId, payload.roles), changed)
      )
      .handle("disable", ({ headers, params }) =>
        Answers.command(headers, (by, key) => gateway.disablePrincipal(by, key, params.principalId), changed)
      )
      .handle("enable", ({ headers, params }) =>
        Answers.command(headers, (by, key) => gateway.enablePrincipal(by, key, params.principalId), changed)
      )
  })
)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** The one place where a token leaves the service. */
const issued = (answered: Issued) => {
  const { body, headers } = Answers.created(
    Show.principal,
    ({ principalId }: Issued["body"]) => `/v1/principals/${principalId}`
  )(answered)
  const token = answered.token === null ? null : Redacted.value(answered.token)
  return HttpApiSchema.withHeaders({ body: { ...body, keyId: answered.body.issued, token }, headers })
}
