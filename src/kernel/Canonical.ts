/**
 * Value to bytes: the only encoder that may be hashed, stored, compared or kept as a golden file.
 *
 * RFC 8785 (JSON Canonicalization Scheme). `encodeByLibrary` is the judge; `encode` is our
 * faster writer of the same text, held equal to the judge by a property test
 * (`test/unit/kernel/canonical.test.ts`). Both refuse what JSON has no words for.
 */
import canonicalize from "canonicalize"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** A value that JSON can't hold (NaN, undefined, a function) or text with half a surrogate pair. A defect: schemas stand before it. */
export class NotCanonical extends Error {
  override readonly name = "NotCanonical"
}

/** RFC 8785 by the library. */
export const encodeByLibrary = (value: Json): string => {
  const text = canonicalize(value)
  if (text === undefined) throw new NotCanonical("JSON has no form for this value")
  return text
}

/** RFC 8785, faster. Throws `NotCanonical`. */
export const encode = (value: Json): string => {
  switch (typeof value) {
    case "string":
      return quote(value)
    case "number":
      if (!Number.isFinite(value)) throw new NotCanonical(`JSON has no form for ${value}`)
      return Object.is(value, -0) ? "0" : String(value)
    case "boolean":
      return value ? "true" : "false"
    case "object":
      if (value === null) return "null"
      return Array.isArray(value) ? encodeArray(value) : encodeObject(value as { readonly [key: string]: Json })
    default:
      throw new NotCanonical(`JSON has no form for a ${typeof value}`)
  }
}

/** The inverse: text that this module wrote, or any JSON text. Throws `SyntaxError`. */
export const decode = (text: string): Json => JSON.parse(text) as Json

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** With the `u` flag a whole pair is one code point, so only a lone half matches. */
const halfSurrogate = /\p{Surrogate}/u

const quote = (text: string): string => {
  if (halfSurrogate.test(text)) throw new NotCanonical("text holds half a surrogate pair")
  return JSON.stringify(text)
}

const encodeArray = (values: ReadonlyArray<Json>): string => {
  let text = "["
  for (let index = 0; index < values.length; index++) {
    if (index > 0) text += ","
    text += encode(values[index] as Json)
  }
  return text + "]"
}

/** RFC 8785 section 3.2.3 sorts keys by UTF-16 code units, which is what `sort` without a comparator does. */
const encodeObject = (value: { readonly [key: string]: Json }): string => {
  const keys = Object.keys(value).sort()
  let text = "{"
  let first = true
  for (const key of keys) {
    const member = value[key]
    if (member === undefined) continue
    if (!first) text += ","
    first = false
    text += quote(key) + ":" + encode(member)
  }
  return text + "}"
}
