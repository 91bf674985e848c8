/**
 * Who stands at the door.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Hash, KeyId } from "../kernel/Ids.ts"
import type { Actor } from "../kernel/Stamp.ts"
import type { EventStoreError } from "./EventStore.ts"

export interface Principal {
  readonly actor: Actor
  /** Role names for policies and authority, sorted. */
  readonly roles: ReadonlyArray<string>
  /** The key that it came in by, where that can be revoked while it is in. */
  readonly keyId?: KeyId | undefined
}

/** The credential is missing, malformed, unknown or revoked. Says no more than that. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  retryable: Schema.Literal(false)
}) {}

export class Identity extends Context.Service<
  Identity,
  {
    readonly authenticate: (
      token: Redacted.Redacted<string>
    ) => Effect.Effect<Principal, Unauthenticated | EventStoreError>
    /**
     * The same principal as it stands now, for whoever keeps a door open: with its roles of today, or
     * `Unauthenticated` once its key is revoked.
     */
    readonly renew: (by: Principal) => Effect.Effect<Principal, Unauthenticated | EventStoreError>
  }
>()("keelson/ports/Identity") {}

/** Where tokens come from: chance. */
export class Tokens extends Context.Service<
  Tokens,
  {
    /** A new token, and the SHA-256 under which it is kept. */
    readonly mint: Effect.Effect<{ readonly token: Redacted.Redacted<string>; readonly digest: Hash }>
  }
>()("keelson/ports/Tokens") {}
