/**
 * Whether the service can do its work: named checks, each with its reason.
 *
 * Owns the list of checks and running them, bounded in time and shared between askers, so that asking often costs
 * nothing. A reason is shown to anyone who asks: it names what is wrong, never a path, an address or a driver's words.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Supervisor } from "#layers/actors/Supervisor.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { EventStore } from "#src/ports/EventStore.ts"

export interface Check {
  readonly name: string
  /** Fails with why not. What it succeeds with is shown too: something to mend that keeps the service from no work. */
  readonly check: Effect.Effect<string | void, string>
}

export interface Report {
  readonly name: string
  readonly ready: boolean
  readonly reason: string | null
}

export class Readiness extends Context.Service<
  Readiness,
  {
    readonly report: Effect.Effect<ReadonlyArray<Report>>
  }
>()("keelson/edge/Readiness") {}

export const make = Effect.fnUntraced(function* (checks: ReadonlyArray<Check>) {
  const run = ({ name, check }: Check): Effect.Effect<Report> =>
    check.pipe(
      Effect.timeoutOrElse({
        duration: Duration.millis(Bounds.readinessMillis),
        orElse: () => Effect.fail("no answer in time")
      }),
      Effect.match({
        onFailure: (reason) => ({ name, ready: false, reason }),
        onSuccess: (note) => ({ name, ready: true, reason: note ?? null })
      }),
      Effect.catchDefect(() => Effect.succeed({ name, ready: false, reason: "the check itself broke" }))
    )
  const all = Effect.forEach(checks, run, { concurrency: "unbounded" })
  return Readiness.of({ report: yield* Effect.cachedWithTTL(all, Duration.millis(freshMillis)) })
})

/** The store can write. */
export const store = Effect.map(EventStore, (store): Check => ({
  name: "store",
  check: Effect.mapError(store.probe, ({ reason }) => reason)
}))

/** No supervised process stays down. */
export const processes = Effect.map(Supervisor, ({ status }): Check => ({
  name: "processes",
  check: Effect.flatMap(status, (statuses) => {
    const down = [...statuses].flatMap(([name, status]) => (status === "down" ? [name] : []))
    return down.length === 0 ? Effect.void : Effect.fail(`down: ${down.join(", ")}`)
  })
}))

export const layerChecks = (checks: ReadonlyArray<Check>): Layer.Layer<Readiness> =>
  Layer.effect(Readiness, make(checks))

/** Store and supervised processes, and what a deployment adds. */
export const layer = (added: ReadonlyArray<Check> = []): Layer.Layer<Readiness, never, EventStore | Supervisor> =>
  Layer.effect(
    Readiness,
    Effect.gen(function* () {
      return yield* make([yield* store, yield* processes, ...added])
    })
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** How old a report may be. */
const freshMillis = 200
