/**
 * Who stands at the door.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Actor } from "../kernel/Stamp.ts"

export interface Principal {
  readonly actor: Actor
  /** Role names for policies and authority, sorted. */
  readonly roles: ReadonlyArray<string>
}

/** The credential is missing, malformed, unknown or revoked. Says no more than that. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  retryable: Schema.Literal(false)
}) {}

export class Identity extends Context.Service<
  Identity,
  {
    readonly authenticate: (token: Redacted.Redacted<string>) => Effect.Effect<Principal, Unauthenticated>
  }
>()("keelson/ports/Identity") {}
