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
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Bounds from "#src/kernel/Bounds.ts"
import { type EventStore, EventStoreError } from "#src/ports/EventStore.ts"
import * as Numbers from "./Numbers.ts"
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
    /** Brings the gauges of restart budgets up to date: the store knows what they are. */
    readonly look: Effect.Effect<void, unknown>
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
        if (exit._tag === "Failure" && isPassing(exit.cause)) {
          // The store does not answer: nothing is wrong with the process, and waiting is all that helps.
          statuses.set(name, "restarting")
          yield* Effect.sleep(Duration.millis(Bounds.restartBackoffMaxMillis / 5))
          continue
        }
        const { allowed, backoffMillis } = yield* budget.spend(name)
        yield* Metric.update(Metric.withAttributes(Numbers.restarts, { of: name }), 1)
        statuses.set(name, allowed ? "restarting" : "down")
        if (!allowed) return yield* Effect.logError(`${name} stays down: its restart budget is spent`)
        yield* Effect.sleep(Duration.millis(backoffMillis))
      }
    })

  return Supervisor.of({
    supervise: (name, process) => Effect.asVoid(Effect.forkScoped(keep(name, process))),
    status: Effect.sync(() => new Map(statuses)),
    look: Effect.gen(function* () {
      yield* Metric.update(Numbers.budget, Bounds.restartBudget)
      for (const [name, status] of statuses) {
        const of = { of: name }
        yield* Metric.update(Metric.withAttributes(Numbers.down, of), status === "down" ? 1 : 0)
        yield* Metric.update(Metric.withAttributes(Numbers.budgetUsed, of), yield* budget.used(name))
      }
    })
  })
})

/** True where each failure is the store's, and the same call may succeed later. */
const isPassing = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.every(
    (reason) => reason._tag === "Fail" && reason.error instanceof EventStoreError && reason.error.retryable
  )

export const layer: Layer.Layer<Supervisor, never, EventStore> = Layer.effect(Supervisor, make)
