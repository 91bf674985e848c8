/**
 * What people, models and tools said, kept so that it can be forgotten.
 *
 * A journal can't be edited. So every field that holds somebody's words is stored sealed
 * under the data key of its subject, and forgetting a subject is destroying that key.
 *
 *   Plain --seal (at append)--> Box --key destroyed--> the door shows a redaction mark
 *
 * Rules never look inside: `decide` may put a `Plain` into an event, `evolve` only moves
 * handles about. Law: `fold(erase(events)) = erase(fold(events))`, run for every decider
 * by `test/laws/decider.ts`.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Json } from "./Canonical.ts"
import { SubjectId } from "./Ids.ts"

/** Words not yet sealed. Never stored: the append path seals it, and the encoder has no form for it. */
export class Plain {
  readonly _tag = "Plain"
  readonly value: Json
  constructor(value: Json) {
    this.value = value
  }
}

/** Words as stored: base64url of nonce (12 bytes), ciphertext and tag (16 bytes), AES-256-GCM under the subject's data key. */
export const Box = Schema.Struct({
  sealed: Schema.Struct({ subject: SubjectId, box: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{38,}$/)) })
})
export type Box = typeof Box.Type

/** What is left of a box when its key is gone. Doors show exactly this object. */
export const Redacted = Schema.Struct({ redacted: Schema.Literal(true) })
export type Redacted = typeof Redacted.Type
export const redacted: Redacted = { redacted: true }

/** A sealed field as rules see it: opaque. */
export type Handle = Plain | Box | Redacted

const PlainSchema = Schema.declare((input: unknown): input is Plain => input instanceof Plain, {
  identifier: "Plain"
})

/** Marks a payload field as sealed. The journal holds a `Box` there. */
export const Handle: Schema.Codec<Handle, unknown> = Schema.Union([Box, Redacted, PlainSchema])

export const plain = (value: Json): Plain => new Plain(value)

export const isPlain = (value: unknown): value is Plain => value instanceof Plain

export const isBox = (value: unknown): value is Box =>
  Predicate.isObject(value) && "sealed" in value && Predicate.isObject(value.sealed) && "box" in value.sealed

/** Replaces every sealed handle in plain data by the redaction mark, as the destruction of its key would. */
export const erase = <A>(value: A): A => {
  if (isPlain(value) || isBox(value)) return redacted as A
  if (Array.isArray(value)) return value.map(erase) as A
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, erase(member)])) as A
  }
  return value
}

/**
 * Replaces every handle that `replace` answers for, at any depth, and says where it stood
 * (`/answer/text`, an RFC 6901 pointer). The one walker that sealing and opening share.
 */
export const mapHandles = (value: unknown, replace: (handle: Handle, pointer: string) => Json, pointer = ""): Json => {
  if (isPlain(value) || isBox(value)) return replace(value, pointer)
  if (Array.isArray(value)) return value.map((member, index) => mapHandles(member, replace, `${pointer}/${index}`))
  if (value !== null && typeof value === "object") {
    const mapped: Record<string, Json> = {}
    for (const [key, member] of Object.entries(value)) {
      if (member !== undefined) mapped[key] = mapHandles(member, replace, `${pointer}/${key}`)
    }
    return mapped
  }
  return value as Json
}
