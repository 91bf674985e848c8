/**
 * The journal.
 *
 * Owns order (gapless positions in commit order), compare-and-set on stream heads, receipts, guards,
 * rows and wrapped keys: all of one append commits, or none. Does not own meaning: it never looks
 * into a payload.
 *
 * Invariants: no outcome is answered before its commit; `position > cursor` misses nothing;
 * events are never changed or removed; a batch's appends fail alone.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Append, Outcome, Receipt, WrappedKey } from "../kernel/Append.ts"
import type { Json } from "../kernel/Canonical.ts"
import type { StoredEvent } from "../kernel/Envelope.ts"
import type { CommandKey, PrincipalId, StreamId, SubjectId } from "../kernel/Ids.ts"

export class EventStoreError extends Schema.TaggedError<EventStoreError>()("EventStoreError", {
  /** `Overloaded`: the bounded queue is full. `Unavailable`: the database does not answer. `Full`: no space left. `Corrupt`: what is stored contradicts itself. */
  reason: Schema.Literals(["Overloaded", "Unavailable", "Full", "Corrupt"]),
  operation: Schema.String,
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return `${this.operation}: ${this.detail}`
  }
}

/** Everything an actor needs to stand up again. */
export interface StreamSlice {
  readonly events: ReadonlyArray<StoredEvent>
  readonly receipts: ReadonlyArray<Receipt>
}

export class EventStore extends Context.Service<
  EventStore,
  {
    /**
     * Joins the next batch (bounded; one batch in flight; no timer) and answers after its commit, one outcome
     * per append, in order. Appends handed over together stay together and in order. Fails only where nothing
     * was written at all: a lost answer is the outcome `Indeterminate`, not an error.
     */
    readonly append: (appends: ReadonlyArray<Append>) => Effect.Effect<ReadonlyArray<Outcome>, EventStoreError>
    /** The stream from version 1, checked: contiguous versions, chain, hashes. */
    readonly readStream: (stream: StreamId) => Effect.Effect<StreamSlice, EventStoreError>
    /**
     * Events after a position, at most `limit` (bounded by `Bounds.readLimitMax`). With `textMax` (UTF-8 bytes of
     * canonical text) the one that passes it is the last; there is always one, where there is any.
     */
    readonly readAll: (
      afterPosition: number,
      limit: number,
      textMax?: number
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError>
    /** Position of the newest committed event; 0 when empty. */
    readonly head: Effect.Effect<number, EventStoreError>
    /** Everything after a position, then everything that commits: each event once, in order; wakes at commit. */
    readonly follow: (afterPosition: number) => Stream.Stream<StoredEvent, EventStoreError>
    readonly receipt: (principal: PrincipalId, key: CommandKey) => Effect.Effect<Receipt | null, EventStoreError>
    /**
     * Forgets receipts, at most `limit`, that were recorded before `quietSinceMillis` in streams whose last event is
     * older than that too. Answers how many.
     */
    readonly forgetReceipts: (quietSinceMillis: number, limit: number) => Effect.Effect<number, EventStoreError>
    readonly wrappedKey: (subject: SubjectId) => Effect.Effect<WrappedKey | null, EventStoreError>
    /** Replaces a wrapped key by the same data key under a newer wrapping key, where it still is the old one. */
    readonly rewrapKey: (from: WrappedKey, to: WrappedKey) => Effect.Effect<boolean, EventStoreError>
    /** A durable compare-and-set cell outside the journal (restart budgets, follower cursors): bounded text by name. */
    readonly cell: (name: string) => Effect.Effect<string | null, EventStoreError>
    readonly setCell: (name: string, from: string | null, to: string) => Effect.Effect<boolean, EventStoreError>
    /** Answers while the store can write; the readiness check. */
    readonly probe: Effect.Effect<void, EventStoreError>
  }
>()("keelson/ports/EventStore") {}

/** One row as it is asked for. */
export interface Row {
  readonly kind: string
  readonly key: string
  readonly body: { readonly [field: string]: Json }
  /** Position of the event that wrote it last. */
  readonly position: number
}

export interface RowsQuery {
  readonly kind: string
  /** Fields of the body that must equal these texts or numbers. Each field must be declared in the room's `RowIndex`es. */
  readonly where?: { readonly [field: string]: string | number | boolean }
  /** A numeric body field that must be at most this; rows without it never match. */
  readonly atMost?: { readonly field: string; readonly value: number }
  /** Rows come by `key`, or by a numeric body field then key. */
  readonly orderBy?: string
  readonly descending?: boolean
  /** The last row of the page before: (value of `orderBy`, key), or only key. */
  readonly after?: { readonly value?: number; readonly key: string }
  readonly limit: number
}

/** A declared index over a body field of one kind: `text` for equality, `number` for order and bounds. */
export interface RowIndex {
  readonly kind: string
  readonly field: string
  readonly type: "text" | "number"
}

/**
 * Questions over rows committed with the events, so that any process answers truly.
 * The same store implements it; a room's questions are written against it.
 */
export class Rows extends Context.Service<
  Rows,
  {
    readonly get: (kind: string, key: string) => Effect.Effect<Row | null, EventStoreError>
    readonly list: (query: RowsQuery) => Effect.Effect<ReadonlyArray<Row>, EventStoreError>
    readonly counter: (name: string) => Effect.Effect<number, EventStoreError>
    readonly counters: (prefix: string) => Effect.Effect<ReadonlyArray<readonly [string, number]>, EventStoreError>
  }
>()("keelson/ports/Rows") {}
