/**
 * Whether tools may start in this process.
 *
 * The journal refuses claims while a halt stands. What was claimed a moment before it could still start: this is
 * what it meets last. Set before a halt is acknowledged, so no tool of this process starts after its acknowledgement.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** What the journal says of a halt that stands. */
export interface Standing {
  /** Tools that run are to be stopped too. */
  readonly cancelRunning: boolean
}

export class HaltSwitch extends Context.Service<
  HaltSwitch,
  {
    /** True while a person has stopped everything, as this process knows. */
    readonly on: () => boolean
    /** Asks what stands, and does it: one look at a time, so that an older answer never overtakes a newer one. */
    readonly settle: <E, R>(look: Effect.Effect<Standing | null, E, R>) => Effect.Effect<void, E, R>
    /** Takes hold of the next halt that says that what runs is to be stopped; the effect completes with it. */
    readonly cancelled: () => Effect.Effect<void>
  }
>()("keelson/ports/HaltSwitch") {}
