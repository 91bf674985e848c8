/**
 * The gateway in memory with a few tools that remember what they did, so that a test can ask the outside world.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as Volatile from "#layers/profiles/Volatile.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import { type ActionStatus, endedStatuses, Gateway } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import type { ActionId, TurnId } from "#src/kernel/Ids.ts"
import type { EventStore, Rows } from "#src/ports/EventStore.ts"
import { Feed } from "#src/ports/Feed.ts"
import type { Principal } from "#src/ports/Identity.ts"
import { actor } from "./decider.ts"

export const person = (id: string, roles: ReadonlyArray<string> = []): Principal => ({
  actor: actor("HUMAN", id),
  roles
})
export const owner = person("owner", ["owner"])

/** A tool by that name that takes a text and answers a number. */
export const note = (name: string, keep: (text: string) => Effect.Effect<number>) =>
  ToolRegistry.register(
    Tool.make(name, {
      description: "Keeps a text in a list. For tests.",
      parameters: Schema.Struct({ text: Schema.String }),
      success: Schema.Struct({ kept: Schema.Int })
    }),
    ({ text }) => Effect.map(keep(text), (kept) => ({ kept }))
  )

/** `look` runs, `note` and what agents declared ask a person, `pair` asks two, anything else is denied. */
export const policies = {
  "test.cedar": `
@id("look") permit (principal, action == Action::"look", resource);
@id("note") @gate("human") @approvers("approver") permit (principal, action == Action::"note", resource);
@id("pair") @gate("two-people") @approvers("approver") permit (principal, action == Action::"pair", resource);
@id("remote") @gate("human") @approvers("approver") permit (principal, action, resource)
  unless { [Action::"look", Action::"note", Action::"pair", Action::"hidden"].contains(action) };
@id("never") forbid (principal, action == Action::"note", resource) when { context.arguments.text == "forbidden" };
`
}

export interface World {
  /** What the tools did, in order. */
  readonly done: Array<string>
  readonly layer: ReturnType<typeof Volatile.layer>
  /** The same over a store that outlives it, as a restart would find it. */
  readonly over: (store: Context.Context<EventStore | Rows>) => ReturnType<typeof Volatile.layer>
}

/** The same wrapping keys in every life, as files would give them. */
const keyRing = VolatileKeyRing.layerSeeded({ seed: "world" })

/** `before` runs inside a tool, before it does its work: for tests that need a tool to take time. */
export const make = (
  options: Partial<Volatile.Options> = {},
  before: (text: string) => Effect.Effect<void> = () => Effect.void
): World => {
  const done: Array<string> = []
  const keep = (name: string) =>
    note(name, (text) =>
      Effect.map(before(text), () => {
        done.push(`${name} ${text}`)
        return done.length
      })
    )
  const tools = ["look", "note", "pair", "hidden"].map(keep)
  const given = { tools, policies, ...options }
  return {
    done,
    layer: Volatile.layer(given),
    over: (store) => Volatile.layer({ ...given, journal: Layer.succeedContext(store), keyRing })
  }
}

/** Waits, without a clock, until a row satisfies a condition. */
const until = <A>(stream: string, ask: Effect.Effect<A | null, unknown, never>, holds: (row: A) => boolean) =>
  Effect.gen(function* () {
    const feed = yield* Feed
    for (;;) {
      const row = yield* Effect.scoped(
        Effect.gen(function* () {
          const change = yield* feed.changed(stream)
          const found = yield* Effect.orDie(ask)
          if (found !== null && holds(found)) return found
          yield* change
          return null
        })
      )
      if (row !== null) return row
    }
  })

export const actionUntil = (id: ActionId, status?: ActionStatus) =>
  Effect.flatMap(Questions.make, (questions) =>
    until(`action:${id}`, questions.action(id), (row) =>
      status === undefined ? endedStatuses.has(row.status) : row.status === status
    )
  )

export const turnUntilEnded = (id: TurnId) =>
  Effect.flatMap(Questions.make, (questions) =>
    until(`turn:${id}`, questions.turn(id), (row) => row.status !== "Running")
  )

/** A session of the owner. */
export const session = Effect.fnUntraced(function* (key = "session") {
  const gateway = yield* Gateway
  return (yield* gateway.createSession(owner, key, {})).body.sessionId
})
