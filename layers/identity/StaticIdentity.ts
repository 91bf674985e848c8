/**
 * A fixed list of tokens and whom they stand for: for tests, and for apps that bring their own secrets.
 *
 * Invariants: tokens are kept hashed; every entry is compared, in constant time, so an answer's time says
 * nothing about which entry matched.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Identity, type Principal, Unauthenticated } from "#src/ports/Identity.ts"
import * as Token from "./Token.ts"

export interface Entry {
  /** A token that `Token.mint` made. Any other text is a defect at start: it could never be presented. */
  readonly token: Redacted.Redacted<string>
  readonly principal: Principal
}

export const make = (entries: ReadonlyArray<Entry>): typeof Identity.Service => {
  refuseSharedIds(entries)
  const known = entries.map(({ token, principal }) => {
    const text = Redacted.value(token)
    if (!Token.isWellFormed(text)) throw new Error(`the token of ${principal.actor.id} is not a Keelson token`)
    return { digest: Token.digest(text), principal: frozen(principal) }
  })
  return Identity.of({
    // Nobody is struck from a fixed list.
    renew: Effect.succeed,
    authenticate: (token) =>
      Effect.suspend(() => {
        const text = Redacted.value(token)
        if (!Token.isWellFormed(text)) return refused
        const presented = Token.digest(text)
        let found: Principal | undefined
        for (const { digest, principal } of known) {
          if (Token.matches(digest, presented)) found = principal
        }
        return found === undefined ? refused : Effect.succeed(found)
      })
  })
}

export const layer = (entries: ReadonlyArray<Entry>): Layer.Layer<Identity> => Layer.sync(Identity, () => make(entries))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const refused = Effect.fail(new Unauthenticated({ retryable: false }))

/** Commands and what they create are named by the id alone: two kinds of actor under one id would answer each other's keys. */
const refuseSharedIds = (entries: ReadonlyArray<Entry>): void => {
  const kinds = new Map<string, string>([["system", "SYSTEM"]])
  for (const { actor } of entries.map(({ principal }) => principal)) {
    const kind = kinds.get(actor.id) ?? actor.kind
    if (kind !== actor.kind) throw new Error(`${actor.id} is the id of a ${kind}; a ${actor.kind} needs another`)
    kinds.set(actor.id, kind)
  }
}

const frozen = ({ actor, roles }: Principal): Principal =>
  Object.freeze({ actor: Object.freeze({ ...actor }), roles: Object.freeze([...roles].sort()) })
