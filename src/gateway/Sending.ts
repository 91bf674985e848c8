/**
 * From a principal to an actor and back: allowed, stamped, sent, its answer read.
 *
 * Owns what every command of the gateway's door has in common. What the caller may not know of is `NotFound`, not
 * `Forbidden`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Json } from "../kernel/Canonical.ts"
import { CommandKey } from "../kernel/Ids.ts"
import { ActorError, Actors, type Reply } from "../ports/Actors.ts"
import type { EventStoreError } from "../ports/EventStore.ts"
import type { Principal } from "../ports/Identity.ts"
import { CurrentCorrelationId, Stamps } from "../ports/Stamps.ts"
import * as Authority from "./Authority.ts"
import {
  type ActionCommand,
  type HaltCommand,
  type PrincipalCommand,
  Refused,
  Rejection,
  type SessionCommand,
  type ToolCommand,
  type TurnCommand
} from "./Protocol.ts"

type Command = SessionCommand | TurnCommand | ActionCommand | PrincipalCommand | ToolCommand | HaltCommand

export const make = Effect.gen(function* () {
  const actors = yield* Actors
  const stamps = yield* Stamps

  const send = Effect.fnUntraced(function* <A>(
    by: Principal,
    key: string,
    to: { readonly kind: string; readonly id: string },
    command: Command,
    said: Json,
    answer: Schema.Codec<A, unknown>
  ) {
    const correlationId = yield* CurrentCorrelationId
    const stamp = yield* stamps.stamp({ actor: by.actor, key: CommandKey.make(key), correlationId })
    const reply = yield* actors.send(to.kind, to.id, command, stamp, { deed: command._tag, said })
    if (reply._tag === "Rejected") return yield* refused(reply)
    const body = yield* Effect.orDie(Schema.decodeUnknownEffect(answer)(reply.body))
    return { body, repeated: reply.repeated }
  })

  const refused = (reply: Reply) =>
    Effect.flatMap(Effect.orDie(Schema.decodeUnknownEffect(Rejection)(reply.body)), (rejection) =>
      Effect.fail(new Refused({ rejection, repeated: reply.repeated, retryable: retryable.has(rejection._tag) }))
    )

  const refuse = (rejection: Rejection) =>
    Effect.fail(new Refused({ rejection, repeated: false, retryable: retryable.has(rejection._tag) }))

  /** `NotFound` for what the caller may not even read, `Forbidden` for what it may not do. */
  const permit = Effect.fnUntraced(function* (
    by: Principal,
    deed: Authority.Deed,
    read: Authority.Deed,
    thing: { readonly kind: string; readonly id: string },
    subject: Authority.Subject | null
  ) {
    if (subject === null || !Authority.may(by.actor, by.roles, read, subject)) {
      return yield* refuse({ _tag: "NotFound", ...thing })
    }
    if (!Authority.may(by.actor, by.roles, deed, subject)) {
      return yield* refuse({ _tag: "Forbidden", detail: `${by.actor.kind} ${by.actor.id} may not ${deed}` })
    }
  })

  return { send, refuse, permit, unreadable }
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Refusals after which the same wish may be granted: something ends, or a person resumes. */
const retryable: ReadonlySet<Rejection["_tag"]> = new Set(["LimitReached", "Halted"])

/** The rows did not answer a look before the command. */
const unreadable = ({ message, reason, retryable }: EventStoreError) =>
  Effect.fail(
    new ActorError({ reason: reason === "Corrupt" ? "Isolated" : reason, actor: "rows", detail: message, retryable })
  )
