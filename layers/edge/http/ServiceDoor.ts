/** About the service, served: with a token who and what, without one whether it lives and is ready. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Questions from "#src/gateway/Questions.ts"
import { CONTRACT_VERSION } from "#src/kernel/Contract.ts"
import { Actors } from "#src/ports/Actors.ts"
import { HaltSwitch } from "#src/ports/HaltSwitch.ts"
import { PolicyEngine } from "#src/ports/PolicyEngine.ts"
import { ToolCatalog } from "#src/ports/ToolExecutor.ts"
import { Api } from "../Api.ts"
import type { Policy } from "../api/ServiceApi.ts"
import { Readiness } from "../Readiness.ts"
import * as Answers from "./Answers.ts"
import { Drain } from "./Drain.ts"
import * as Exchange from "./Exchange.ts"
import * as Show from "./Show.ts"

const service = HttpApiBuilder.group(
  Api,
  "service",
  Effect.fnUntraced(function* (handlers) {
    const catalog = yield* ToolCatalog
    const engine = yield* PolicyEngine
    const questions = yield* Questions.make
    const policy = Effect.gen(function* () {
      const { hash, policies } = yield* engine.set
      const recorded = yield* questions.policy
      return {
        hash,
        since: recorded?.hash === hash ? Show.time(recorded.sinceMillis) : null,
        policies: policies.map(({ effect, file, gate, id }) => ({ id, file, gate: effect === "forbid" ? null : gate }))
      } satisfies Policy
    })
    return handlers
      .handle("policy", () => Answers.ask((by) => Effect.andThen(Answers.permit(by, "policy.read"), policy)))
      .handle("whoami", () => Answers.ask(({ actor, roles }) => Effect.succeed({ ...actor, roles })))
      .handle("tools", () => Answers.ask(() => Effect.map(catalog.tools, (tools) => ({ items: tools.map(Show.tool) }))))
  })
)

const probes = HttpApiBuilder.group(
  Api,
  "probes",
  Effect.fnUntraced(function* (handlers) {
    const readiness = yield* Readiness
    const actors = yield* Actors
    const drain = yield* Drain
    const haltSwitch = yield* HaltSwitch
    const ready = Effect.gen(function* () {
      const checks = yield* readiness.report
      const status = yield* actors.status
      const draining = status.draining || drain.begun()
      const rest = { draining, halted: haltSwitch.on(), isolatedStreams: status.isolatedCount, checks }
      return !draining && checks.every((check) => check.ready)
        ? { ready: true as const, ...rest }
        : { ready: false as const, ...rest }
    })
    return handlers
      .handle("health", ({ endpoint }) =>
        Effect.as(noted(endpoint.path), { status: "ok" as const, contract: CONTRACT_VERSION })
      )
      .handle("ready", ({ endpoint }) => Effect.andThen(noted(endpoint.path), ready))
  })
)

export const layer = Layer.mergeAll(service, probes)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** These doors have no intake that would note the route. */
const noted = (path: string) =>
  Effect.map(Exchange.Current, (exchange) => {
    exchange.route = path
  })
