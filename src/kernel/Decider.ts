/**
 * The three members every actor's rules come down to, and the registry of what it may say.
 *
 * `decide` and `evolve` are total: every state and command gives events or a rejection, no
 * exception, no clock, no chance. A rejection is a value; it is recorded like an answer.
 */
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Json } from "./Canonical.ts"
import { type Draft, type Envelope, type Recorded, recorded } from "./Envelope.ts"
import type { Stamp } from "./Stamp.ts"

export interface Decider<State, Command, Event extends Draft, Rejection> {
  readonly initial: State
  readonly decide: (state: State, command: Command, stamp: Stamp) => Result.Result<ReadonlyArray<Event>, Rejection>
  readonly evolve: (state: State, event: Recorded<Event["type"], Event["payload"]>) => State
}

/**
 * One event type: its payload's schema today, and the way from every older version.
 * Sealed fields are those whose schema is `Sealed.Handle`.
 */
export interface EventDefinition {
  readonly type: string
  readonly schemaVersion: number
  readonly payload: Schema.Codec<any, any>
  /** From version n (key) to n + 1. Complete for 1 .. schemaVersion - 1; asserted at load. */
  readonly upcasters: { readonly [version: number]: (payload: Json) => Json }
}

export type EventRegistry = ReadonlyMap<string, EventDefinition>

/** Builds a registry; throws where a type stands twice or a step of an upcaster's path is missing. */
export const registry = (definitions: ReadonlyArray<EventDefinition>): EventRegistry => {
  const map = new Map<string, EventDefinition>()
  for (const definition of definitions) {
    if (map.has(definition.type)) throw new Error(`event type ${definition.type} stands twice in one registry`)
    for (let version = 1; version < definition.schemaVersion; version++) {
      if (definition.upcasters[version] === undefined) {
        throw new Error(`event type ${definition.type} has no way from version ${version} to ${version + 1}`)
      }
    }
    map.set(definition.type, definition)
  }
  return map
}

/** A stored payload as today's code reads it. Throws where the type or a future version is unknown: a poison event. */
export const upcast = (events: EventRegistry, type: string, schemaVersion: number, payload: Json): Json => {
  const definition = events.get(type)
  if (definition === undefined) throw new Error(`unknown event type ${type}`)
  if (schemaVersion > definition.schemaVersion) {
    throw new Error(
      `${type} version ${schemaVersion} is newer than this program, which knows ${definition.schemaVersion}`
    )
  }
  let current = payload
  for (let version = schemaVersion; version < definition.schemaVersion; version++) {
    current = definition.upcasters[version]!(current)
  }
  return current
}

/** A stored event as today's rules see it. Throws like `upcast`. */
export const read = (events: EventRegistry, envelope: Envelope): Recorded => ({
  ...recorded(envelope),
  payload: upcast(events, envelope.type, envelope.schemaVersion, envelope.payload as Json)
})

/** Folds history into state. */
export const fold = <State, Command, Event extends Draft, Rejection>(
  decider: Decider<State, Command, Event, Rejection>,
  events: Iterable<Recorded<Event["type"], Event["payload"]>>,
  from: State = decider.initial
): State => {
  let state = from
  for (const event of events) state = decider.evolve(state, event)
  return state
}
