/** Principals: who may stand at the door, in which roles, by which keys. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { PrincipalKind } from "#src/gateway/Events.ts"
import { PrincipalStatus, Role } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { KeyId, PrincipalId } from "#src/kernel/Ids.ts"
import { questions, writes } from "./ProblemDocument.ts"
import { Nothing } from "./SessionsApi.ts"
import * as Words from "./Words.ts"

const shape = {
  principalId: PrincipalId,
  kind: PrincipalKind,
  roles: Schema.Array(Schema.String),
  status: PrincipalStatus,
  createdAt: Words.Time,
  keys: Schema.Array(Schema.Struct({ keyId: KeyId, createdAt: Words.Time })).annotate({
    description:
      "Keys that were not revoked, oldest first. While the principal is disabled none of them opens anything."
  })
}

export const Principal = Schema.Struct(shape).annotate({
  identifier: "Principal",
  description: "A person or an agent who may stand at the door."
})
export type Principal = typeof Principal.Type

export const Issued = Schema.Struct({
  ...shape,
  keyId: Schema.NullOr(KeyId).annotate({ description: "The key that was made." }),
  token: Schema.NullOr(Schema.String).annotate({
    description:
      "Shown here and never again; kept nowhere but as a hash. Null in a repeated answer: a token that was lost is replaced by another one."
  })
}).annotate({ identifier: "IssuedKey" })
export type Issued = typeof Issued.Type

const roles = Schema.Array(Role).check(Schema.isMaxLength(Bounds.policyRolesMax))

export const CreatePrincipal = Schema.Struct({
  principalId: PrincipalId.annotate({
    description: "Its name for ever; one of one kind.",
    examples: [PrincipalId.make("ana")]
  }),
  kind: PrincipalKind,
  roles: Schema.optionalKey(
    roles.annotate({
      description:
        "For policies, and `owner` for a person who runs the service. An agent is an `agent` unless told otherwise."
    })
  )
}).annotate({ identifier: "CreatePrincipal" })

export const IssueKey = Schema.Struct({
  replace: Schema.optionalKey(Schema.Boolean.annotate({ description: "Revoke every other key at the same moment." }))
}).annotate({ identifier: "IssueKey" })

export const ChangeRoles = Schema.Struct({ roles }).annotate({ identifier: "ChangeRoles" })

const params = { principalId: PrincipalId }
const made = HttpApiSchema.WithHeaders(Issued.pipe(HttpApiSchema.status(201)), Words.created)
const changed = HttpApiSchema.WithHeaders(Principal, Words.replayed)

export const PrincipalsApi = HttpApiGroup.make("principals")
  .add(
    HttpApiEndpoint.post("create", "/principals", {
      headers: Words.writing,
      payload: CreatePrincipal,
      success: made,
      error: writes
    }).annotate(OpenApi.Summary, "Let a person or an agent in: answers its first token"),
    HttpApiEndpoint.get("list", "/principals", {
      query: Words.paging,
      success: Words.page("PrincipalPage", Principal),
      error: questions
    }).annotate(OpenApi.Summary, "List principals, newest first: all for an operator, else yourself"),
    HttpApiEndpoint.get("get", "/principals/:principalId", { params, success: Principal, error: questions }).annotate(
      OpenApi.Summary,
      "Look at a principal"
    ),
    HttpApiEndpoint.post("issueKey", "/principals/:principalId/keys", {
      params,
      headers: Words.writing,
      payload: IssueKey,
      success: made,
      error: writes
    }).annotate(OpenApi.Summary, "Make another key, beside the others or in their place"),
    HttpApiEndpoint.post("revokeKey", "/principals/:principalId/keys/:keyId/revoke", {
      params: { ...params, keyId: KeyId },
      headers: Words.writing,
      payload: Nothing,
      success: changed,
      error: writes
    }).annotate(OpenApi.Summary, "Revoke a key: what it had opened is closed"),
    HttpApiEndpoint.post("changeRoles", "/principals/:principalId/roles", {
      params,
      headers: Words.writing,
      payload: ChangeRoles,
      success: changed,
      error: writes
    }).annotate(OpenApi.Summary, "Give it these roles and no others"),
    HttpApiEndpoint.post("disable", "/principals/:principalId/disable", {
      params,
      headers: Words.writing,
      payload: Nothing,
      success: changed,
      error: writes
    }).annotate(OpenApi.Summary, "Shut it out: no key of it opens anything"),
    HttpApiEndpoint.post("enable", "/principals/:principalId/enable", {
      params,
      headers: Words.writing,
      payload: Nothing,
      success: changed,
      error: writes
    }).annotate(OpenApi.Summary, "Let it in again, by the keys that it has")
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Principals", description: "People and agents, let in by whoever runs the service." })
  )
