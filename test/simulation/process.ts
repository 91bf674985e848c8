/**
 * One life of one simulated process: the gateway of `layers/profiles/Core` over a journal that it shares with others.
 *
 * Owns which ports it is given: the volatile journal behind a line on which calls take their time, fail, and die with
 * the process; seeded stamps, keys and nonces; tools and a responder that the run looks at. Does not own when it lives.
 *
 * Invariant: nothing that the store does after a crash reaches the process that crashed.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tool from "effect/ai/Tool"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as FaultyEventStore from "#layers/faults/FaultyEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as VolatilePolicyEngine from "#layers/policy-engine/VolatilePolicyEngine.ts"
import * as Core from "#layers/profiles/Core.ts"
import { defaults } from "#layers/profiles/Settings.ts"
import * as Lines from "#src/gateway/Lines.ts"
import * as NoneRecollection from "#layers/recollection/NoneRecollection.ts"
import * as SeededStamps from "#layers/stamps/SeededStamps.ts"
import * as DeclaredTools from "#layers/tool-executor/DeclaredTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import { EventStore, EventStoreError, Rows } from "#src/ports/EventStore.ts"
import { KeyRing, KeyRingError } from "#src/ports/KeyRing.ts"
import { PolicyEngine } from "#src/ports/PolicyEngine.ts"
import { Responder } from "#src/ports/Responder.ts"
import type { Life } from "./machine.ts"
import { times } from "./steps.ts"

/** Small enough that a run of a minute meets them. */
export const limits = { sessionsMax: 2, pendingMax: 4, pendingPerSessionMax: 2, turnsMax: 1 }

const settings = {
  ...defaults,
  confirmationTtlMillis: times.confirmationMillis,
  claimLeaseMillis: times.leaseMillis,
  confirmationsPendingMax: limits.pendingMax,
  confirmationsPendingPerSessionMax: limits.pendingPerSessionMax,
  sessionTtlMillis: times.ttlMillis,
  sessionIdleMillis: times.idleMillis,
  sessionsPerPrincipalMax: limits.sessionsMax,
  turnsPerSessionMax: limits.turnsMax,
  turnTimeoutMillis: times.turnMillis
}

const narrow = { turnsInFlightMax: 1, turnsWaitingMax: 1, toolsInFlightMax: 1, toolsWaitingMax: 1 }

/** What still stands in a process's lines once nothing is in hand; null where all have left. */
export const leaked = ({ tools, turns }: Lines.Lines["Service"]): string | null => {
  for (const [name, line] of [["tools", tools] as const, ["turns", turns] as const]) {
    const left = Effect.runSync(line.size)
    if (left + line.waiting() > 0) return `${left} places for ${name} are never given back, ${line.waiting()} wait`
  }
  return null
}

/** The world that tools change. Each call is one run of a tool. */
export interface Outside {
  readonly ran: (run: ToolRegistry.ToolContext & { readonly tool: string; readonly text: string }) => void
}

const CurrentOutside = Context.Reference<Outside>("keelson/test/simulation/Outside", {
  defaultValue: () => ({
    ran: () => {
      throw new Error("a tool ran outside of every run")
    }
  })
})

/** What all lives of all runs share: policies and schemas are compiled once per thread. */
export type Compiled = Context.Context<PolicyEngine | ToolRegistry.ToolRegistry>

/** `look` runs, `note` and what runs elsewhere ask a person, `pair` asks two, anything else is denied. */
const policies = {
  "simulation.cedar": `
@id("look") permit (principal, action == Action::"look", resource);
@id("note") @gate("human") @approvers("approver") permit (principal, action == Action::"note", resource);
@id("pair") @gate("two-people") @approvers("approver") permit (principal, action == Action::"pair", resource);
@id("far") @gate("human") @approvers("approver") permit (principal, action, resource)
  unless { [Action::"look", Action::"note", Action::"pair", Action::"hidden"].contains(action) };
`
}

const tool = (name: string) =>
  ToolRegistry.register(
    Tool.make(name, {
      description: "Leaves its text in the world. For simulation.",
      parameters: Schema.Struct({ text: Schema.String, millis: Schema.Int }),
      success: Schema.Struct({ left: Schema.String })
    }),
    ({ millis, text }, context) =>
      Effect.gen(function* () {
        const outside = yield* CurrentOutside
        outside.ran({ ...context, tool: name, text })
        if (millis > 0) yield* Effect.sleep(millis)
        if (text.endsWith("fails")) return yield* ToolRegistry.failed(name, "Broken", text)
        return { left: text }
      })
  )

/** Must be built once per thread, and outlives every run. */
export const compiled = VolatilePolicyEngine.layerText(policies).pipe(
  Layer.provide(ToolRegistry.layerCatalog),
  Layer.provideMerge(ToolRegistry.layer(["look", "note", "pair", "hidden"].map(tool))),
  Layer.provide(NodeDigest.layer)
)

export interface Line {
  /** Reads, of the journal or of keys, that fail from here on. */
  blind: number
  /** Reads that take `slowMillis` from here on. */
  slow: number
  slowMillis: number
}

/** Everything a process does, until it dies. */
export const layer = (options: {
  readonly seed: string
  readonly life: Life
  readonly store: Context.Context<EventStore | Rows>
  readonly compiled: Compiled
  readonly line: Line
  readonly isNarrow: boolean
}) => {
  const { life, line, seed, compiled, isNarrow } = options
  const journal = Layer.provideMerge(FaultyEventStore.layer, Layer.succeedContext(wired(options.store, life, line)))
  return Core.layer(isNarrow ? { ...settings, ...narrow } : settings).pipe(
    Layer.provideMerge(Layer.provide(DeclaredTools.layer, ToolRegistry.layerCatalog)),
    Layer.provideMerge(Layer.succeedContext(compiled)),
    Layer.provideMerge(
      Layer.mergeAll(
        journal,
        Layer.effect(KeyRing, Effect.map(VolatileKeyRing.make({ seed, life: life.number }), distant(life, line))),
        SeededStamps.layer({ seed, life: life.number })
      )
    ),
    Layer.provideMerge(Layer.mergeAll(NodeDigest.layer, NoneRecollection.layer, responder))
  )
}

/** What its fibers run by. Numbers and logs of one life are nobody's. */
export const running = (life: Life, outside: Outside): Context.Context<never> =>
  Context.empty().pipe(
    Context.add(Scheduler.Scheduler, life.scheduler),
    Context.add(Clock.Clock, life.clock),
    Context.add(References.TracerEnabled, false),
    Context.add(References.MinimumLogLevel, "None"),
    Context.add(Metric.MetricRegistry, new Map()),
    Context.add(CurrentOutside, outside)
  ) as Context.Context<never>

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Proposes once what the input's last words name, then says so. */
const responder = Layer.succeed(Responder, {
  identity: { provider: "keelson", model: "simulation", deterministic: true },
  respond: (transcript) =>
    Effect.sync(() => {
      const [first] = transcript
      const text = first?._tag === "Input" ? first.text : ""
      const [said = "", names = ""] = text.split(" : ")
      const open = transcript.some(({ _tag }) => _tag === "Said")
      const tools = open || names === "" ? [] : names.split(" ")
      const proposals = tools.map((name, index) => ({
        callId: `c${index}`,
        tool: name,
        arguments: { text: said, millis: 0 }
      }))
      return { text: said, proposals, inputTokens: 1, outputTokens: 1 }
    })
})

type Store = EventStore["Service"]

/** A call goes out, and an answer comes back: both take a step, and neither reaches the dead. */
const calling = (life: Life, line: Line) => {
  const living = Effect.suspend(() => (life.alive() ? Effect.yieldNow : Effect.never))
  const call = <A, E>(there: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.andThen(living, Effect.tap(there, living))
  /** A read, which fails or waits where it was told to. */
  const read = <A, E>(there: Effect.Effect<A, E>, failure: () => E): Effect.Effect<A, E> =>
    call(
      Effect.suspend(() => {
        if (line.blind > 0) {
          line.blind -= 1
          return Effect.fail(failure())
        }
        if (line.slow === 0) return there
        line.slow -= 1
        return Effect.delay(there, line.slowMillis)
      })
    )
  return { living, call, read }
}

/** A key ring that takes its time, and does not always answer. */
const distant =
  (life: Life, line: Line) =>
  (ring: KeyRing["Service"]): KeyRing["Service"] => {
    const { read } = calling(life, line)
    const ask = <A>(subject: string, there: Effect.Effect<A, KeyRingError>): Effect.Effect<A, KeyRingError> =>
      read(there, () => new KeyRingError({ reason: "Unavailable", subject, detail: "planned fault", retryable: true }))
    return KeyRing.of({
      ...ring,
      create: (subject) => ask(subject, ring.create(subject)),
      unwrap: (wrapped) => ask(wrapped.subject, ring.unwrap(wrapped)),
      rewrap: (wrapped) => ask(wrapped.subject, ring.rewrap(wrapped))
    })
  }

const wired = (
  context: Context.Context<EventStore | Rows>,
  life: Life,
  line: Line
): Context.Context<EventStore | Rows> => {
  const store = Context.get(context, EventStore)
  const rows = Context.get(context, Rows)
  const { call, living, read: reading } = calling(life, line)
  const read = <A>(operation: string, there: Effect.Effect<A, EventStoreError>): Effect.Effect<A, EventStoreError> =>
    reading(
      there,
      () => new EventStoreError({ reason: "Unavailable", operation, detail: "planned fault", retryable: true })
    )
  const wiredStore: Store = {
    append: (appends) => call(store.append(appends)),
    readStream: (stream) => read("readStream", store.readStream(stream)),
    readAll: (after, limit, textMax) => read("readAll", store.readAll(after, limit, textMax)),
    head: read("head", store.head),
    follow: (after) => Stream.mapEffect(store.follow(after), (event) => Effect.as(living, event)),
    receipt: (principal, key) => read("receipt", store.receipt(principal, key)),
    forgetReceipts: (since, limit) => call(store.forgetReceipts(since, limit)),
    wrappedKey: (subject) => read("wrappedKey", store.wrappedKey(subject)),
    rewrapKey: (from, to) => call(store.rewrapKey(from, to)),
    cell: (name) => read("cell", store.cell(name)),
    setCell: (name, from, to) => call(store.setCell(name, from, to)),
    probe: read("probe", store.probe)
  }
  const wiredRows: Rows["Service"] = {
    get: (kind, key) => read("get", rows.get(kind, key)),
    list: (query) => read("list", rows.list(query)),
    counter: (name) => read("counter", rows.counter(name)),
    counters: (prefix) => read("counters", rows.counters(prefix))
  }
  return Context.make(EventStore, EventStore.of(wiredStore)).pipe(Context.add(Rows, Rows.of(wiredRows)))
}
