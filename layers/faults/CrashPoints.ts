/**
 * Every moment at which a process may die between two things that must agree, by name.
 *
 *   the gateway -> here -> the journal and the keys behind it
 *
 * Owns where the moments are and what they are called. Does not own what happens there: `pass` is given by whoever
 * wants to be asked. The store behind it stays honest.
 *
 * An append is called after its first event that has moments (`action.claimed`: what policies that changed meanwhile say of
 * an action may stand before it), after what it destroys (`erasure`), or `refusal` where it leaves a receipt only. `before` it nothing is written; `after` it everything is, and nobody was answered.
 *
 * Invariants: every event type there is has its moments or the reason why it has none (the compiler holds the list
 * against the events); what appends are called never keeps them from being made.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Payloads } from "#src/gateway/Events.ts"
import type { Append } from "#src/kernel/Append.ts"
import { EventStore, EventStoreError } from "#src/ports/EventStore.ts"
import { KeyRing } from "#src/ports/KeyRing.ts"

export interface Options {
  /** Called at each moment with its name: it goes on, waits, or ends the process. */
  readonly pass: (point: string) => Effect.Effect<void>
  /** Asked at every event that a follower is about to hear: true lets that follower fail, as a broken process does. */
  readonly breaksFollower: () => boolean
}

/** Journal and keys with the moments between them and the gateway. */
export const layer = (options: Options): Layer.Layer<EventStore | KeyRing, never, EventStore | KeyRing> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const store = yield* EventStore
      const ring = yield* KeyRing
      const create: KeyRing["Service"]["create"] = (subject) => between(options, "key.create", ring.create(subject))
      return Context.make(EventStore, EventStore.of(around(store, options))).pipe(
        Context.add(KeyRing, KeyRing.of({ ...ring, create }))
      )
    })
  )

/** What an append that begins with an event has: moments before and after it, or none, and then why. */
type Moments = "begins" | { readonly inside: string } | { readonly unplanned: string }

const withProposal = { inside: "action.proposed, or with the decision that lets the action go on" } as const

export const byEvent = {
  "session.created": "begins",
  "session.touched": "begins",
  "session.closed": "begins",
  "session.expired": "begins",
  "session.erased": { inside: "erasure" },
  "turn.started": "begins",
  "turn.recalled": "begins",
  "turn.responded": "begins",
  "turn.outcome-recorded": "begins",
  "turn.memories-recorded": "begins",
  "turn.completed": "begins",
  "turn.failed": { unplanned: "no client can make a turn fail when it likes; `turn.cancelled` ends one the same way" },
  "turn.cancelled": "begins",
  "tool.declared": "begins",
  "tool.withdrawn": "begins",
  "tool.restored": "begins",
  "action.proposed": "begins",
  "action.judged": withProposal,
  "action.denied": { inside: "action.proposed" },
  "confirmation.requested": { inside: "action.proposed" },
  "confirmation.approved": "begins",
  "confirmation.denied": "begins",
  "confirmation.expired": "begins",
  "confirmation.withdrawn": "begins",
  "action.permitted": withProposal,
  "action.lapsed": "begins",
  "action.claimed": "begins",
  "action.lease-renewed": "begins",
  "action.executed": "begins",
  "action.failed": "begins",
  "action.unknown": "begins",
  "action.reconciled": "begins",
  "principal.created": "begins",
  "principal.key-issued": "begins",
  "principal.key-revoked": "begins",
  "principal.roles-changed": "begins",
  "principal.disabled": "begins",
  "principal.enabled": "begins",
  "service.halted": "begins",
  "service.resumed": "begins",
  "policy.changed": { unplanned: "written by a start whose policies are others, and no client works yet" },
  "permit.refused": { unplanned: "no client can bring a forged permit as far as the executor" }
} as const satisfies { readonly [T in keyof Payloads]: Moments }

/** What appends with moments are called. */
export type Named =
  | "erasure"
  | "refusal"
  | { readonly [T in keyof typeof byEvent]: (typeof byEvent)[T] extends "begins" ? T : never }[keyof typeof byEvent]

/** What an append is called: see above. */
export const nameOf = ({ events, shred }: Append): string => {
  if (shred.length > 0) return "erasure"
  const types = events.map(({ envelope }) => envelope.type)
  return types.find((type) => !isKnown(type) || !isInside(byEvent[type])) ?? types[0] ?? "refusal"
}

/** The moments of a start: what it reads first, and the streams of work that a crash left. */
export const recovery = { head: "recovery: the head was read", stream: "recovery: a stream was read" } as const

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const isInside = (moments: Moments): boolean => typeof moments === "object" && "inside" in moments

const isKnown = (type: string): type is keyof typeof byEvent => Object.hasOwn(byEvent, type)

const between = <A, E, R>({ pass }: Options, name: string, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.andThen(
    pass(`before ${name}`),
    Effect.tap(work, () => pass(`after ${name}`))
  )

const around = (store: EventStore["Service"], options: Options): EventStore["Service"] => {
  const { breaksFollower, pass } = options
  const all = (when: "before" | "after", appends: ReadonlyArray<Append>) =>
    Effect.forEach(new Set(appends.map(nameOf)), (name) => pass(`${when} ${name}`), { discard: true })
  const broken = () =>
    new EventStoreError({ reason: "Corrupt", operation: "follow", detail: "planned fault", retryable: false })
  return {
    ...store,
    append: (appends) =>
      Effect.andThen(
        all("before", appends),
        Effect.tap(store.append(appends), () => all("after", appends))
      ),
    setCell: (name, from, to) => {
      const work = store.setCell(name, from, to)
      return name.startsWith("restarts:") ? between(options, "restart-budget", work) : work
    },
    head: Effect.tap(store.head, () => pass(recovery.head)),
    readStream: (stream) => Effect.tap(store.readStream(stream), () => pass(recovery.stream)),
    follow: (after) =>
      Stream.mapEffect(store.follow(after), (event) =>
        breaksFollower() ? Effect.fail(broken()) : Effect.succeed(event)
      )
  }
}
