/**
 * Time, chance and ids for commands, as data. The only place that reads a clock for a rule.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { EventId, IncarnationId } from "../kernel/Ids.ts"
import type { Actor, Stamp } from "../kernel/Stamp.ts"

/** What ties the command in hand to others, where its caller named it; a command without it is tied to itself. */
export const CurrentCorrelationId = Context.Reference<string | undefined>("keelson/ports/CurrentCorrelationId", {
  defaultValue: () => undefined
})

export class Stamps extends Context.Service<
  Stamps,
  {
    readonly nowMillis: Effect.Effect<number>
    /** One life of this process. */
    readonly incarnation: IncarnationId
    /** `key` is the caller's; the trace context is the current span's. */
    readonly stamp: (input: {
      readonly actor: Actor
      readonly key: string
      readonly correlationId?: string | undefined
      readonly causationId?: EventId | null | undefined
    }) => Effect.Effect<Stamp>
    /** A key no one used before, for commands whose caller brings none (inside tests and the CLI). */
    readonly freshKey: Effect.Effect<string>
  }
>()("keelson/ports/Stamps") {}
