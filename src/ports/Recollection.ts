/**
 * What a turn remembers before it answers, and what it leaves to be remembered.
 * Until a memory engine is composed in, the implementation says "none" and the event records that.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export interface Recalled {
  /** Which implementation answered: `none`, or the engine's name. */
  readonly source: string
  readonly items: ReadonlyArray<{ readonly memoryId: string; readonly text: string }>
}

export class Recollection extends Context.Service<
  Recollection,
  {
    readonly recall: (sessionId: string, input: string) => Effect.Effect<Recalled>
    /** Hands over what the turn said; answers the ids of the memories written. */
    readonly remember: (
      sessionId: string,
      turnId: string
    ) => Effect.Effect<{ readonly source: string; readonly memoryIds: ReadonlyArray<string> }>
  }
>()("keelson/ports/Recollection") {}
