/**
 * What one peer is told unasked of the whole service: whether everything is stopped, at its opening and at each change.
 *
 * Owns that no more than one such word waits for a peer. Does not own what stands (`HaltNews`).
 *
 * Invariants: the newest state is told, and told last; nothing is told while the connection is held; a fiber runs only
 * while there is something to tell.
 */
import * as Effect from "effect/Effect"
import type { HaltState } from "../api/HaltApi.ts"
import type { Listener } from "./Listener.ts"
import type { Outbox } from "./Outbox.ts"

/** What a connection keeps of it. */
export interface Notice {
  readonly listener: Listener
  readonly outbox: Outbox
  untold: HaltState | null
}

/** Takes the word for a peer. Where none waits there, what comes back tells it, and must be run. */
export const take = (to: Notice, state: HaltState): Effect.Effect<void> | null => {
  const waits = to.untold !== null
  to.untold = state
  return waits ? null : tell(to)
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Also what came meanwhile, so that a peer that does not read holds up nobody else. */
const tell = (to: Notice): Effect.Effect<void> =>
  Effect.andThen(to.listener.trusted, to.outbox.send(frame(to))).pipe(
    Effect.repeat({ until: () => to.untold === null }),
    Effect.asVoid
  )

const frame = (to: Notice) =>
  Effect.sync(() => {
    if (to.untold === null || !to.listener.isTrusted()) return null
    const text = JSON.stringify({ type: "halt", halt: to.untold })
    to.untold = null
    return text
  })
