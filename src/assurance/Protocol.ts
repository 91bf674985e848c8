/**
 * What others may ask of assurance: how far this journal is vouched for.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export interface CheckpointStatus {
  /** Events that the newest checkpoint covers; 0 where there is none. */
  readonly size: number
  /** Why nothing is signed: the journal is not the one that was signed. Null where it is. A sentence for the operator. */
  readonly contradiction: string | null
  /** Why the last attempt came to nothing, where the journal is not to blame. Null where it went well. */
  readonly failure: string | null
}

export class Checkpoints extends Context.Service<
  Checkpoints,
  {
    readonly status: Effect.Effect<CheckpointStatus>
    /** Looks at the journal now, and signs what is new. Answers as `status` does. Never fails: the status says why. */
    readonly take: Effect.Effect<CheckpointStatus>
  }
>()("keelson/assurance/Checkpoints") {}
