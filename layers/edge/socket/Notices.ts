/**
 * What one peer is told unasked of the whole service: whether everything is stopped, at its opening and at each change.
 *
 * Owns that no more than one such word waits for a peer. Does not own what stands (`HaltNews`).
 *
 * Invariants: the newest state is told, and told last; nothing is told while the connection is held; a fiber runs only
 * while there is something to tell.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type { HaltState } from "../api/HaltApi.ts"
import type { Hear } from "../HaltNews.ts"
import type { Listener } from "./Listener.ts"
import type { Outbox } from "./Outbox.ts"

/** Tells in a fiber of the connection's own set, so that a peer that does not read holds up nobody else. */
export const make = (listener: Listener, outbox: Outbox, fibers: FiberSet.FiberSet<void, never>): Hear => {
  let untold: HaltState | null = null

  const frame = Effect.sync(() => {
    if (untold === null || !listener.isTrusted()) return null
    const text = JSON.stringify({ type: "halt", halt: untold })
    untold = null
    return text
  })

  const tell = Effect.andThen(listener.trusted, outbox.send(frame)).pipe(
    Effect.repeat({ until: () => untold === null }),
    Effect.asVoid
  )

  return (state) =>
    Effect.suspend(() => {
      const waits = untold !== null
      untold = state
      return waits ? Effect.void : Effect.asVoid(FiberSet.run(fibers, tell))
    })
}
