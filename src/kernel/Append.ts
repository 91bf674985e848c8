/**
 * What one command changes, as data: the journal takes it whole or refuses it whole.
 *
 * Order of judgement, the same in every store: stream head, receipt, guards that must hold
 * before, then rows and counters, then guards on the counters after. An append that fails
 * changes nothing and never fails its neighbours in the batch.
 */
import type { Json } from "./Canonical.ts"
import type { SealedEvent, StoredEvent } from "./Envelope.ts"
import type { CommandId, CommandKey, Hash, PrincipalId, StreamId, SubjectId } from "./Ids.ts"

/**
 * A change to the rows people and processes ask (`read-models`). Pure function of an event.
 * Rows live in one table, keyed by (kind, key); counters are whole numbers by name.
 */
export type RowChange =
  | {
      readonly _tag: "Put"
      readonly kind: string
      readonly key: string
      readonly body: { readonly [field: string]: Json }
    }
  | { readonly _tag: "Drop"; readonly kind: string; readonly key: string }
  | { readonly _tag: "Add"; readonly counter: string; readonly delta: number }

export const put = (kind: string, key: string, body: { readonly [field: string]: Json }): RowChange => ({
  _tag: "Put",
  kind,
  key,
  body
})
export const drop = (kind: string, key: string): RowChange => ({ _tag: "Drop", kind, key })
export const add = (counter: string, delta: number): RowChange => ({ _tag: "Add", counter, delta })

/** A condition that spans streams. `Present` and `Absent` are judged before the append's own rows, `AtMost` after them. */
export type Guard =
  | { readonly _tag: "Present"; readonly kind: string; readonly key: string }
  | { readonly _tag: "Absent"; readonly kind: string; readonly key: string }
  | { readonly _tag: "AtMost"; readonly counter: string; readonly maximum: number }

export const present = (kind: string, key: string): Guard => ({ _tag: "Present", kind, key })
export const absent = (kind: string, key: string): Guard => ({ _tag: "Absent", kind, key })
export const atMost = (counter: string, maximum: number): Guard => ({ _tag: "AtMost", counter, maximum })

/**
 * The recorded answer to a command. `digest` is the HMAC of the command's body under the subject's key,
 * `answer` is sealed under the same key with `Envelope.receiptAad`.
 * Kept for the stream's life plus seven days.
 */
export interface Receipt {
  readonly principal: PrincipalId
  readonly key: CommandKey
  readonly commandId: CommandId
  readonly stream: StreamId
  /** The stream's version after the command. */
  readonly version: number
  readonly subject: SubjectId
  readonly digest: string
  readonly answer: string
  readonly recordedAtMillis: number
}

/** A data key, wrapped: committed by the append that first needs it. */
export interface WrappedKey {
  readonly subject: SubjectId
  /** Which wrapping key wraps it. */
  readonly wrappingVersion: number
  /** base64url of nonce, wrapped key and tag. */
  readonly wrapped: string
}

export interface Append {
  readonly stream: StreamId
  /** The head this was decided on; 0 where the stream must not exist. */
  readonly expectedVersion: number
  /**
   * Hash of the event at `expectedVersion` (`Envelope.genesis` at 0), compared like the version: an append decided on
   * a tentative event that lost its race must not find another process's event of the same number and pass.
   * A mismatch is a `VersionConflict`.
   */
  readonly expectedHash: Hash
  /** Empty for a refusal that only leaves its receipt: the head is compared all the same. */
  readonly events: ReadonlyArray<SealedEvent>
  readonly receipt: Receipt | null
  readonly rows: ReadonlyArray<RowChange>
  readonly guards: ReadonlyArray<Guard>
  /** Data keys this append is the first to need. */
  readonly keys: ReadonlyArray<WrappedKey>
  /** Subjects to be forgotten: their wrapped keys are destroyed with this commit, and no later append may bring one back. */
  readonly shred: ReadonlyArray<SubjectId>
}

/** Judged in this order, so that whoever decided on an older head is told so, whatever else stands in the way. */
export type Refusal =
  | { readonly _tag: "VersionConflict"; readonly expected: number; readonly actual: number }
  | { readonly _tag: "ReceiptExists"; readonly receipt: Receipt }
  /** A key for a subject that has one already (two first writers), or that was shredded. */
  | { readonly _tag: "KeyConflict"; readonly subject: SubjectId }
  | { readonly _tag: "GuardFailed"; readonly guard: Guard }

export type Outcome =
  | { readonly _tag: "Committed"; readonly events: ReadonlyArray<StoredEvent> }
  | { readonly _tag: "Refused"; readonly refusal: Refusal }
  /** The answer was lost: it may have been committed. Drop what you know, read again, repeat with the same key. */
  | { readonly _tag: "Indeterminate"; readonly cause: string }
