/**
 * How a command reaches its actor, wherever that lives.
 *
 * Owns delivery: one command at a time per actor, bounded waiting, an answer only after commit.
 * Does not own meaning: commands, answers and rejections belong to the rooms.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Json } from "../kernel/Canonical.ts"
import type { Stamp } from "../kernel/Stamp.ts"

/**
 * The command was not answered. `retryable`: the same command with the same key may be sent again.
 *
 * `Overloaded`: mailbox, journal or actor table is full. `Indeterminate`: it may have been committed; only the
 * same key tells. `Unavailable`: the store does not answer. `Full`: no space left. `Draining`: the service stops.
 * `Isolated`: the stream is poisoned or its restart budget is spent. `KeyReused`: the key was used for another body.
 * `Erased`: the subject was forgotten. `Crashed`: a rule threw (a bug). `StreamFull`: the stream holds all it may.
 * `Malformed`: the command holds text that no encoding can carry (half a surrogate pair).
 */
export class ActorError extends Schema.TaggedError<ActorError>()("ActorError", {
  reason: Schema.Literals([
    "Overloaded",
    "Indeterminate",
    "Unavailable",
    "Full",
    "Draining",
    "Isolated",
    "KeyReused",
    "Erased",
    "Crashed",
    "StreamFull",
    "Malformed"
  ]),
  actor: Schema.String,
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return `${this.actor}: ${this.detail}`
  }
}

/** `repeated` says that the command had been answered before and nothing happened now. */
export interface Reply {
  readonly _tag: "Accepted" | "Rejected"
  /** The room's answer or rejection, as it was recorded. */
  readonly body: Json
  readonly repeated: boolean
}

export interface ActorsStatus {
  readonly resident: number
  /** Streams that answer nothing until a person looks, with why. At most 100 are named. */
  readonly isolated: ReadonlyArray<{ readonly stream: string; readonly why: string }>
  readonly isolatedCount: number
  readonly draining: boolean
}

export class Actors extends Context.Service<
  Actors,
  {
    /**
     * `said` is what the caller itself said, where the command holds more (defaults, roles): a repetition is known by
     * it, so that a changed configuration does not turn the same wish into another. Default: the command.
     */
    readonly send: (
      kind: string,
      id: string,
      command: unknown,
      stamp: Stamp,
      said?: Json
    ) => Effect.Effect<Reply, ActorError>
    readonly status: Effect.Effect<ActorsStatus>
  }
>()("keelson/ports/Actors") {}
