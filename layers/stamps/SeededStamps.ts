/**
 * Stamps for simulation: everything but the time comes from a seed, and the time is Effect's clock,
 * which a simulation holds in its hand. The same seed and the same order of calls give the same stamps.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CommandId, CommandKey, IncarnationId } from "#src/kernel/Ids.ts"
import { CorrelationId } from "#src/kernel/Stamp.ts"
import { Digest } from "#src/ports/Digest.ts"
import { Stamps } from "#src/ports/Stamps.ts"

export interface Options {
  /** Names the simulated run. */
  readonly seed: string
  /** Which life of the simulated process this is; a restart takes the next number. Default 0. */
  readonly life?: number
}

/** The trace context is always null: span ids come from chance. */
export const make = (options: Options) =>
  Effect.map(Digest, (digest) => {
    const life = String(options.life ?? 0)
    let keys = 0
    return Stamps.of({
      nowMillis: Clock.currentTimeMillis,
      incarnation: IncarnationId.make(digest.derive("inc", options.seed, life)),
      stamp: (input) =>
        Effect.map(Clock.currentTimeMillis, (atMillis) => {
          const key = CommandKey.make(input.key)
          const commandId = digest.derive("cmd", input.actor.id, key) as CommandId
          return {
            atMillis,
            actor: input.actor,
            key,
            commandId,
            correlationId: input.correlationId === undefined ? commandId : CorrelationId.make(input.correlationId),
            causationId: input.causationId ?? null,
            traceparent: null
          }
        }),
      freshKey: Effect.sync(() => digest.derive("cmd", options.seed, life, String(keys++)))
    })
  })

export const layer = (options: Options): Layer.Layer<Stamps, never, Digest> => Layer.effect(Stamps, make(options))
