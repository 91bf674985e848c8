/**
 * The gateway over any journal, any keys, any tools: what every profile shares.
 *
 * Takes the ports that a deployment chooses and gives the door (`Gateway`), with actors, executor and the
 * supervised processes behind it. Composes, decides nothing.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as LocalActors from "#layers/actors/LocalActors.ts"
import * as Supervisor from "#layers/actors/Supervisor.ts"
import * as LocalHaltSwitch from "#layers/halt-switch/LocalHaltSwitch.ts"
import * as StoreFeed from "#layers/feed/StoreFeed.ts"
import * as JournalIdentity from "#layers/identity/JournalIdentity.ts"
import * as Observed from "#layers/telemetry/Observed.ts"
import * as Vitals from "#layers/telemetry/Vitals.ts"
import * as GuardedToolExecutor from "#layers/tool-executor/GuardedToolExecutor.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import * as ActionActor from "#src/gateway/ActionActor.ts"
import * as Bypass from "#src/gateway/Bypass.ts"
import * as BypassReporter from "#src/gateway/BypassReporter.ts"
import * as Dispatcher from "#src/gateway/Dispatcher.ts"
import * as GatewayService from "#src/gateway/GatewayService.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as DeclaredTool from "#src/gateway/DeclaredTool.ts"
import * as Halt from "#src/gateway/Halt.ts"
import * as Lines from "#src/gateway/Lines.ts"
import * as PolicyInForce from "#src/gateway/PolicyInForce.ts"
import * as PolicyRecorder from "#src/gateway/PolicyRecorder.ts"
import * as Principal from "#src/gateway/Principal.ts"
import * as ReceiptKeeper from "#src/gateway/ReceiptKeeper.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import * as Session from "#src/gateway/Session.ts"
import * as Timekeeper from "#src/gateway/Timekeeper.ts"
import * as Turn from "#src/gateway/Turn.ts"
import * as Gauge from "#src/kernel/Gauge.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { HaltSwitch } from "#src/ports/HaltSwitch.ts"
import { Bypasses } from "#src/ports/ToolExecutor.ts"
import type { Settings } from "./Settings.ts"

/** Mailboxes over the journal, with the gateway's behaviours. */
export const actors = (settings: Settings) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const action = yield* ActionActor.make({
        confirmationTtlMillis: settings.confirmationTtlMillis,
        claimLeaseMillis: settings.claimLeaseMillis,
        pendingMax: settings.confirmationsPendingMax,
        pendingPerSessionMax: settings.confirmationsPendingPerSessionMax
      })
      return LocalActors.layer({
        behaviours: [
          Session.behaviour,
          Turn.behaviour,
          action,
          Bypass.behaviour,
          Halt.behaviour,
          Principal.behaviour,
          DeclaredTool.behaviour,
          PolicyInForce.behaviour
        ]
      })
    })
  )

const bypasses = Layer.effect(Bypasses, BypassReporter.make)

const gateway = (settings: Settings) =>
  Layer.effect(Gateway, Effect.map(GatewayService.make(settings), Observed.gateway)).pipe(
    Layer.provide(JournalIdentity.layerTokens)
  )

/** Places for work, outliving the processes that do it. */
const lines = (settings: Settings) => Layer.effect(Lines.Lines, Lines.make(settings))

/** Deadlines and work, kept running, and what an operator sees of them. */
const processes = Layer.effect(
  Vitals.Vitals,
  Effect.gen(function* () {
    const { look, supervise } = yield* Supervisor.Supervisor
    const timekeeper = yield* Timekeeper.make
    // Taken before anything is served: what is acknowledged from now on is followed.
    const cursor: Dispatcher.Cursor = { position: yield* (yield* EventStore).head }
    yield* supervise("timekeeper", timekeeper.process)
    yield* supervise("receipt-keeper", yield* ReceiptKeeper.make)
    const policies = yield* PolicyRecorder.make
    yield* policies.begin
    yield* supervise("policy-recorder", policies.process)
    yield* supervise(
      "dispatcher",
      Effect.scoped(Effect.flatMap(Dispatcher.make(cursor), (dispatcher) => dispatcher.process))
    )
    const haltSwitch = yield* HaltSwitch
    yield* Gauge.show(numbers.halted, () => (haltSwitch.on() ? 1 : 0))
    const { tools, turns } = yield* Lines.Lines
    yield* Gauge.show(numbers.turns, turns.waiting)
    yield* Gauge.show(numbers.tools, tools.waiting)
    return yield* Vitals.make([{ name: "restarts", look }, yield* journal(cursor)])
  })
)

const numbers = {
  head: Metric.gauge("journal_head_position", { description: "Position of the newest event." }),
  lag: Metric.gauge("dispatcher_lag_events", {
    description: "Events that the dispatcher has not looked at: head minus its cursor."
  }),
  pending: Metric.gauge("confirmations_pending", { description: "Actions that wait for people." }),
  turns: Metric.gauge("turns_waiting", { description: "Turns that wait for a place to be worked on." }),
  tools: Metric.gauge("tools_waiting", { description: "Permitted actions that wait for a place to run in." }),
  bypasses: Metric.gauge("bypasses_recorded", {
    description: "Bypass attempts in the journal: permits that opened nothing, since the journal began."
  }),
  halted: Metric.gauge("halted", { description: "1 while a person has stopped all actions." })
}

/** What the store knows of work that waits, and of the dispatcher behind it. */
const journal = Effect.fnUntraced(function* (cursor: Dispatcher.Cursor) {
  const store = yield* EventStore
  const rows = yield* Rows
  const look = Effect.gen(function* () {
    // The cursor first: what commits between the two shows as a lag of one that is there, never as one below zero.
    const at = cursor.position
    const head = yield* store.head
    yield* Metric.update(numbers.head, head)
    yield* Metric.update(numbers.lag, head - at)
    yield* Metric.update(numbers.pending, yield* rows.counter(GatewayRows.pending))
    yield* Metric.update(numbers.bypasses, yield* rows.counter(GatewayRows.permitsRefused))
  })
  return { name: "journal", look }
})

/** Everything between the ports that a deployment chooses and the gateway's door. */
export const layer = (settings: Settings) =>
  processes.pipe(
    Layer.provideMerge(gateway(settings)),
    Layer.provideMerge(GuardedToolExecutor.layer),
    Layer.provideMerge(bypasses),
    Layer.provideMerge(actors(settings)),
    Layer.provideMerge(lines(settings)),
    Layer.provideMerge(Layer.mergeAll(StoreFeed.layer, Supervisor.layer, StoreVault.layer, LocalHaltSwitch.layer))
  )
