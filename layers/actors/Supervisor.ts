/**
 * Keeps the service's own processes running: restart with backoff, on a durable budget, failing closed.
 *
 * Owns the restarts and what readiness says of them. A process is an effect that should never end.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { EventStore } from "#src/ports/EventStore.ts"
import * as RestartBudget from "./RestartBudget.ts"

export type ProcessStatus = "running" | "restarting" | "down"

export class Supervisor extends Context.Service<
  Supervisor,
  {
    /** Runs `process` in the background for the life of the scope. */
    readonly supervise: <E, R>(
      name: string,
      process: Effect.Effect<never, E, R>
    ) => Effect.Effect<void, never, R | Scope.Scope>
    readonly status: Effect.Effect<ReadonlyMap<string, ProcessStatus>>
  }
>()("keelson/layers/Supervisor") {}

export const make = Effect.gen(function* () {
  const budget = yield* RestartBudget.make
  const statuses = new Map<string, ProcessStatus>()

  const keep = <E, R>(name: string, process: Effect.Effect<never, E, R>) =>
    Effect.gen(function* () {
      for (;;) {
        statuses.set(name, "running")
        const exit = yield* Effect.exit(process)
        if (exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)) return
        yield* Effect.logError(`${name} stopped`, exit)
        const { allowed, backoffMillis } = yield* budget.spend(name)
        statuses.set(name, allowed ? "restarting" : "down")
        if (!allowed) return yield* Effect.logError(`${name} stays down: its restart budget is spent`)
        yield* Effect.sleep(Duration.millis(backoffMillis))
      }
    })

  return Supervisor.of({
    supervise: (name, process) => Effect.asVoid(Effect.forkScoped(keep(name, process))),
    status: Effect.sync(() => new Map(statuses))
  })
})

export const layer: Layer.Layer<Supervisor, never, EventStore> = Layer.effect(Supervisor, make)
