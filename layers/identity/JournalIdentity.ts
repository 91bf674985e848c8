/**
 * Whoever the service's owner let in, by the keys that the journal's rows know.
 *
 *   token -> well formed? -> the owner's? -> SHA-256 -> row `principal-key` -> who, with which roles
 *
 * Owns the look-up. Does not own who there is (`gateway/Principal`) or the owner's token (`FileIdentity`).
 *
 * Invariants: asked anew with every request, by any process: what was revoked opens nothing from its commit on;
 * a token is looked up by its hash, so how long that takes says nothing about which tokens there are.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Hash, KeyId, PrincipalId } from "#src/kernel/Ids.ts"
import { EventStoreError, type Row, Rows } from "#src/ports/EventStore.ts"
import { Identity, type Principal, Tokens, Unauthenticated } from "#src/ports/Identity.ts"
import * as Token from "./Token.ts"

/** Over the identity of those whose tokens are not in the journal: they are asked first. */
export const make = Effect.gen(function* () {
  const first = yield* Identity
  const rows = yield* Rows

  const authenticate: Identity["Service"]["authenticate"] = Effect.fnUntraced(function* (token) {
    const text = Redacted.value(token)
    if (!Token.isWellFormed(text)) return yield* refused
    const known = yield* Effect.option(first.authenticate(token))
    if (known._tag === "Some") return known.value
    const row = yield* rows.get("principal-key", Token.digest(text).toString("hex"))
    if (row === null) return yield* refused
    const { keyId, kind, principalId, roles } = yield* read(decodeKey, row)
    // Copied to its size: a decoded array keeps room to grow, and every connection that stays open holds this one.
    return { actor: { kind, id: principalId }, roles: [...roles], keyId }
  })

  const renew: Identity["Service"]["renew"] = Effect.fnUntraced(function* (by) {
    if (by.keyId === undefined) return by
    const row = yield* rows.get("principal", by.actor.id)
    if (row === null) return yield* refused
    const { keys, roles, status } = yield* read(decodePrincipal, row)
    if (status !== "Active" || !keys.some(({ keyId }) => keyId === by.keyId)) return yield* refused
    const now: Principal = { ...by, roles }
    return now
  })

  return Identity.of({ authenticate, renew })
})

/** Replaces the identity it stands on by one that knows the journal's principals too. */
export const layer: Layer.Layer<Identity, never, Identity | Rows> = Layer.effect(Identity, make)

export const layerTokens: Layer.Layer<Tokens> = Layer.succeed(Tokens, {
  mint: Effect.sync(() => {
    const token = Token.mint()
    return { token, digest: Hash.make(Token.digest(Redacted.value(token)).toString("hex")) }
  })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const refused = Effect.fail(new Unauthenticated({ retryable: false }))

const Kind = Schema.Literals(["HUMAN", "AGENT"])
const decodeKey = Schema.decodeUnknownEffect(
  Schema.Struct({ principalId: PrincipalId, keyId: KeyId, kind: Kind, roles: Schema.Array(Schema.String) })
)
const decodePrincipal = Schema.decodeUnknownEffect(
  Schema.Struct({
    status: Schema.String,
    roles: Schema.Array(Schema.String),
    keys: Schema.Array(Schema.Struct({ keyId: KeyId }))
  })
)

const read = <A, E>(decode: (body: unknown) => Effect.Effect<A, E>, row: Row): Effect.Effect<A, EventStoreError> =>
  Effect.mapError(
    decode(row.body),
    () =>
      new EventStoreError({
        reason: "Corrupt",
        operation: "authenticate",
        detail: `the row ${row.kind} ${row.key} is not what this program writes`,
        retryable: false
      })
  )
