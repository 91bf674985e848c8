/**
 * The appends that the script of `callers` makes, by the gateway itself in memory, and how fast a journal takes them ready.
 *
 * What is left of a command then is to write it: no socket, no authentication, no rule, no policy, no seal, no actor. It
 * is checked, and batched, and judged by the journal as it always is.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import type pg from "pg"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PostgresEventStore from "#layers/event-store/PostgresEventStore.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import { owner } from "#layers/identity/FileIdentity.ts"
import * as Volatile from "#layers/profiles/Volatile.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import * as Rows from "#src/gateway/Rows.ts"
import type { Append } from "#src/kernel/Append.ts"
import type { ActionId, SessionId } from "#src/kernel/Ids.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { script } from "./callers.ts"
import { type Sample, sampleOf, type Timed } from "./loop.ts"

/** What each caller hands over, one after the other. */
export type Decided = ReadonlyArray<ReadonlyArray<Append>>

/** Of so many callers, each with the script once. */
export const make = Effect.fnUntraced(function* (callers: number): Effect.fn.Return<Decided> {
  const handedOver: Array<Append> = []
  return yield* Effect.gen(function* () {
    const decided: Array<ReadonlyArray<Append>> = []
    // What the gateway begins with, such as its policies, is nobody's.
    handedOver.splice(0)
    for (let caller = 0; caller < callers; caller++) {
      yield* play(`caller-${caller}`)
      decided.push(handedOver.splice(0))
    }
    return decided
  }).pipe(Effect.provide(gateway(handedOver)), Effect.orDie)
})

export interface Target {
  readonly url: string
  readonly pool: pg.Pool
  /** A schema of its own, made for this and dropped after it. */
  readonly schema: string
}

/**
 * Writes them all into an empty journal, so many at once, each caller's in order; the first ones are not timed, as many as
 * there are at once. Throws where an append is refused, or the journal does not hold what was acknowledged.
 */
export const write = <Measured extends Sample>(
  { pool, schema, url }: Target,
  decided: Decided,
  outstanding: number,
  timed: Timed<Measured>
): Promise<Measured> =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const run = Effect.runPromiseWith(yield* Effect.context<never>())
    const append = async (one: Append) => {
      const [outcome] = await run(store.append([one]))
      if (outcome?._tag !== "Committed") throw new Error(`an append was ${JSON.stringify(outcome)}`)
    }
    const [warm, rest] = [decided.slice(0, outstanding), decided.slice(outstanding)]
    yield* Effect.promise(() => lanes(warm, outstanding, append))
    const sample = yield* Effect.promise(() => timed(() => lanes(rest, outstanding, append)))
    const acknowledged = decided.flat().reduce((sum, { events }) => sum + events.length, 0)
    const { rows } = yield* Effect.promise(() => pool.query(`SELECT count(*)::integer AS count FROM ${schema}.event`))
    if (rows[0].count !== acknowledged) throw new Error(`${rows[0].count} events are there of ${acknowledged}`)
    return sample
  }).pipe(
    Effect.provide(
      PostgresEventStore.layer({ url: Redacted.make(url), schema, rowIndexes: Rows.indexes }).pipe(
        Layer.provide(NodeDigest.layer)
      )
    ),
    Effect.ensuring(Effect.promise(() => pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))),
    Effect.runPromise
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** So many callers at once until all have been: whoever is done takes the next that nobody took. */
const lanes = async (
  decided: Decided,
  outstanding: number,
  append: (one: Append) => Promise<void>
): Promise<Sample> => {
  const latencies: Array<number> = []
  const waiting = decided.values()
  const lane = async () => {
    for (const appends of waiting) {
      for (const one of appends) {
        const before = performance.now()
        await append(one)
        latencies.push(performance.now() - before)
      }
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: outstanding }, lane))
  return sampleOf(latencies, (performance.now() - startedAt) / 1_000)
}

const recording = (handedOver: Array<Append>) =>
  Layer.effectContext(
    Effect.map(Layer.build(VolatileEventStore.layer), (store) => {
      const inMemory = Context.get(store, EventStore)
      const append: typeof inMemory.append = (appends) =>
        Effect.tap(inMemory.append(appends), (outcomes) =>
          Effect.sync(() => {
            for (const [index, { _tag }] of outcomes.entries()) {
              if (_tag === "Committed") handedOver.push(appends[index]!)
            }
          })
        )
      return Context.add(store, EventStore, { ...inMemory, append })
    })
  )

const files = ToolRegistry.register(
  Tool.make("file.write", {
    description: "Writes nothing. For benches.",
    parameters: Schema.Struct({ path: Schema.String, content: Schema.String }),
    success: Schema.Struct({})
  }),
  () => Effect.succeed({})
)

const gateway = (handedOver: Array<Append>) =>
  Volatile.layer({
    tools: [files],
    policies: { "bench.cedar": '@id("ask") @gate("human") @approvers("owner") permit (principal, action, resource);' },
    settings: { sessionsPerPrincipalMax: 1_000_000, confirmationsPendingMax: 100_000 },
    journal: recording(handedOver)
  })

const play = Effect.fnUntraced(function* (caller: string) {
  const gateway = yield* Gateway
  let sessionId: SessionId | null = null
  let actionId: ActionId | null = null
  for (const [count, command] of script.entries()) {
    const key = `${caller}-${count}`
    if (command === "session.create") sessionId = (yield* gateway.createSession(owner, key, {})).body.sessionId
    else if (command === "session.touch") yield* gateway.touchSession(owner, key, sessionId!)
    else if (command === "confirmation.deny") yield* gateway.deny(owner, key, actionId!, null)
    else {
      const input = { sessionId: sessionId!, tool: "file.write", arguments: { path: `${key}.txt`, content: key } }
      actionId = (yield* gateway.propose(owner, key, input)).body.actionId
    }
  }
})
