/**
 * The journal's order and nothing of its words: for whoever commits to it.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Hash } from "../kernel/Ids.ts"
import type { EventStoreError } from "./EventStore.ts"

export interface Placed {
  readonly position: number
  /** As it stands beside the event; whether the event has it is `keelson verify`'s question. */
  readonly hash: Hash
}

export class JournalHashes extends Context.Service<
  JournalHashes,
  {
    /** Committed events after a position, in order, at most `limit` (bounded by `Bounds.readLimitMax`). */
    readonly after: (position: number, limit: number) => Effect.Effect<ReadonlyArray<Placed>, EventStoreError>
  }
>()("keelson/ports/JournalHashes") {}
