/** About the service: who you are to it, which tools it has, whether it lives and is ready. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Gate } from "#src/gateway/Events.ts"
import { Hash, PrincipalId } from "#src/kernel/Ids.ts"
import { ActorKind } from "#src/kernel/Stamp.ts"
import { Tools } from "./ToolsApi.ts"
import { busy, probes, questions } from "./ProblemDocument.ts"
import * as Words from "./Words.ts"

export const Whoami = Schema.Struct({
  kind: ActorKind,
  id: PrincipalId,
  roles: Schema.Array(Schema.String)
}).annotate({ identifier: "Whoami" })

export const Policy = Schema.Struct({
  hash: Hash.annotate({
    description: "Of the set that decides in this process; every action carries that of its own."
  }),
  since: Schema.NullOr(Words.Time).annotate({
    description: "When the journal learned of it; null where it does not know yet, or another process uses another set."
  }),
  policies: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      file: Schema.String.annotate({ description: "Its name in the policy folder." }),
      gate: Schema.NullOr(Gate).annotate({ description: "What stands before the tool; null where the policy forbids." })
    }).annotate({ identifier: "PolicyInForce" })
  )
}).annotate({ identifier: "Policy" })
export type Policy = typeof Policy.Type

export const Health = Schema.Struct({
  status: Schema.Literal("ok"),
  contract: Schema.Int.annotate({
    description: "Number of the contract of routes, events and tables: what you build on."
  })
}).annotate({ identifier: "Health" })

const readiness = {
  draining: Schema.Boolean,
  halted: Schema.Boolean.annotate({ description: "A person stopped all actions; the service itself is well." }),
  isolatedStreams: Schema.Int.annotate({ description: "Streams that answer nothing until a person looks." }),
  checks: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      ready: Schema.Boolean,
      reason: Schema.NullOr(Schema.String)
    })
  )
}

export const Ready = Schema.Struct({ ready: Schema.Literal(true), ...readiness }).annotate({ identifier: "Ready" })
export const Unready = Schema.Struct({ ready: Schema.Literal(false), ...readiness }).annotate({
  identifier: "Unready",
  httpApiStatus: 503
})

export const ServiceApi = HttpApiGroup.make("service")
  .add(
    HttpApiEndpoint.get("whoami", "/whoami", { success: Whoami, error: questions }).annotate(
      OpenApi.Summary,
      "Who you are to the service"
    ),
    HttpApiEndpoint.get("tools", "/tools", { success: Tools, error: questions }).annotate(
      OpenApi.Summary,
      "The tools there are"
    ),
    HttpApiEndpoint.get("policy", "/policy", { success: Policy, error: questions }).annotate(
      OpenApi.Summary,
      "Which policies decide, since when, and which gates they set"
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Service", description: "About the service itself." }))

/** Open without a token: for whatever watches the process. They say nothing of what is inside. */
export const ProbesApi = HttpApiGroup.make("probes")
  .add(
    HttpApiEndpoint.get("health", "/health", { success: Health, error: [...probes, ...busy] }).annotate(
      OpenApi.Summary,
      "The process answers"
    ),
    HttpApiEndpoint.get("ready", "/ready", {
      success: [Ready, Unready, ...busy],
      error: probes
    }).annotate(OpenApi.Summary, "The service can do its work; every check with its reason")
  )
  .annotateMerge(OpenApi.annotations({ title: "Probes", description: "For whatever watches the process. No token." }))
