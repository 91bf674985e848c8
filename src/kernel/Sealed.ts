/**
 * What people, models and tools said, kept so that it can be forgotten.
 *
 * A journal can't be edited. So every field that holds somebody's words is stored sealed
 * under the data key of its subject, and forgetting a subject is destroying that key.
 *
 *   Plain --seal (at append)--> Box --key destroyed--> the door shows a redaction mark
 *
 * A box names the place where it was sealed, because rules move handles: state keeps one, a later
 * event or a row shows it again, sometimes in another stream. The place is authenticated with the
 * words, so a box opens wherever it stands, and only as what it was sealed as.
 *
 * Rules never look inside: `decide` may put a `Plain` into an event, `evolve` only moves
 * handles about. Law: `fold(erase(events)) = erase(fold(events))`, run for every decider
 * by `test/laws/decider.ts`.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Json } from "./Canonical.ts"
import { SubjectId } from "./Ids.ts"

/**
 * Under a symbol, so that no encoder, logger or inspector that walks an object's keys shows the words,
 * while a test's deep comparison still sees them.
 */
const words: unique symbol = Symbol("keelson/words")

/** Words not yet sealed. Never stored: the append path seals it, and the encoder has no form for it. */
export class Plain {
  readonly _tag = "Plain"
  readonly [words]: Json
  constructor(value: Json) {
    this[words] = value
  }
  get value(): Json {
    return this[words]
  }
  toJSON(): string {
    return "<sealed words>"
  }
  toString(): string {
    return "<sealed words>"
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "<sealed words>"
  }
}

/** Words as stored. */
export const Box = Schema.Struct({
  sealed: Schema.Struct({
    subject: SubjectId,
    /** Where it was sealed (`Envelope.aad`): stream, version and pointer. Authenticated with the words. */
    at: Schema.String.check(Schema.isPattern(/^[a-z][a-z-]{0,31}:[A-Za-z0-9_.-]{1,87}#[1-9][0-9]{0,15}#(\/.*)?$/s)),
    /** base64url of nonce (12 bytes), ciphertext and tag (16 bytes), AES-256-GCM under the subject's data key. */
    box: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{38,}$/))
  })
})
export type Box = typeof Box.Type

/** What is left of a box when its key is gone. Doors show exactly this object. */
export const Redacted = Schema.Struct({ redacted: Schema.Literal(true) })
export type Redacted = typeof Redacted.Type
export const redacted: Redacted = Object.freeze({ redacted: true })

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
  Predicate.isObject(value) &&
  "sealed" in value &&
  Predicate.isObject(value.sealed) &&
  typeof value.sealed["box"] === "string" &&
  typeof value.sealed["at"] === "string" &&
  typeof value.sealed["subject"] === "string"

export const isRedacted = (value: unknown): value is Redacted =>
  Predicate.isObject(value) && value["redacted"] === true && Object.keys(value).length === 1

/**
 * Replaces sealed handles in plain data by the redaction mark, as the destruction of a key would:
 * those of one subject, or all.
 */
export const erase = <A>(value: A, subject?: SubjectId): A => {
  if (isPlain(value)) return redacted as A
  if (isBox(value)) return subject === undefined || value.sealed.subject === subject ? (redacted as A) : value
  if (Array.isArray(value)) return value.map((member) => erase(member, subject)) as A
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, erase(member, subject)])) as A
  }
  return value
}

/**
 * Replaces every handle by what `replace` answers, at any depth, and says where it stood
 * (`/answer/text`, an RFC 6901 pointer). The one walker that sealing and opening share.
 */
export const mapHandles = (
  value: unknown,
  replace: (handle: Plain | Box, pointer: string) => Json,
  pointer = ""
): Json => {
  if (isPlain(value) || isBox(value)) return replace(value, pointer)
  if (Array.isArray(value)) return value.map((member, index) => mapHandles(member, replace, `${pointer}/${index}`))
  if (value !== null && typeof value === "object") {
    const mapped: Record<string, Json> = {}
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue
      const inner = mapHandles(member, replace, `${pointer}/${escaped(key)}`)
      // An assignment to this one name would set the prototype and lose the member.
      if (key === "__proto__") Object.defineProperty(mapped, key, { ...own, value: inner })
      else mapped[key] = inner
    }
    return mapped
  }
  return value as Json
}

/** Whose keys it takes to open the value. */
export const subjects = (value: unknown): ReadonlySet<SubjectId> => {
  const found = new Set<SubjectId>()
  mapHandles(value, (handle) => {
    if (isBox(handle)) found.add(handle.sealed.subject)
    return null
  })
  return found
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const own = { enumerable: true, configurable: true, writable: true } as const

/** RFC 6901 section 3: without it `{"a/b"}` and `{"a":{"b"}}` would be one place. */
const escaped = (key: string): string =>
  key.includes("~") || key.includes("/") ? key.replaceAll("~", "~0").replaceAll("/", "~1") : key
