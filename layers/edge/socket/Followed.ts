/**
 * What can be followed on a connection, and how its frames name it: the events of a session, or an agent's work, which is
 * those of the actions with tools that it runs, whoever's sessions they are in.
 */
import * as Effect from "effect/Effect"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import type { PrincipalId, SessionId } from "#src/kernel/Ids.ts"
import type { Event } from "../api/Resources.ts"
import { type Belongs, isOf } from "../Belonging.ts"
import type * as Problems from "../Problems.ts"
import * as WorkSeen from "../WorkSeen.ts"

/** As problems name it, and as tables hold it: two of the same content are the same. */
export type Key =
  | { readonly kind: "session"; readonly id: SessionId }
  | { readonly kind: "work"; readonly id: PrincipalId }

export const sessionOf = (id: SessionId): Key => ({ kind: "session", id })
export const workOf = (id: PrincipalId): Key => ({ kind: "work", id })

export interface Followed {
  readonly key: Key
  /** Its member of every frame. */
  readonly name: { readonly sessionId: SessionId } | { readonly executorId: PrincipalId }
  readonly types: {
    readonly subscribe: "subscribe" | "work.subscribe"
    readonly event: "event" | "work"
    readonly end: "end" | "work.end"
  }
  readonly concerns: (belongs: Belongs) => boolean
  /** What of an event it is told. */
  readonly cut: (event: Event) => Event
  /** Whether the reader may be told that event of it, as the rows stand now. */
  readonly mayTell: (stored: StoredEvent) => Effect.Effect<boolean, Problems.Failure>
}

/** Whose session it is and whose agent speaks there never change: that was judged when it was subscribed. */
export const session = (sessionId: SessionId): Followed => ({
  key: sessionOf(sessionId),
  name: { sessionId },
  types: { subscribe: "subscribe", event: "event", end: "end" },
  concerns: (belongs) => isOf(belongs, { sessionId }),
  cut: (event) => event,
  mayTell: () => Effect.succeed(true)
})

export const work = (executorId: PrincipalId, mayTell: Followed["mayTell"]): Followed => ({
  key: workOf(executorId),
  name: { executorId },
  types: { subscribe: "work.subscribe", event: "work", end: "work.end" },
  concerns: (belongs) => isOf(belongs, { executorId }),
  cut: WorkSeen.cut,
  mayTell
})
