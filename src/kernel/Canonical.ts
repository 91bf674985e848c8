/**
 * Value to bytes: the only encoder that may be hashed, stored, compared or kept as a golden file.
 *
 * RFC 8785 (JSON Canonicalization Scheme). `encodeByLibrary` is the judge; `encode` is our
 * faster writer of the same text, held equal to the judge by a property test
 * (`test/unit/kernel/canonical.test.ts`). Both refuse what JSON has no words for.
 */
import canonicalize from "canonicalize"
import { jsonDepthMax } from "./Bounds.ts"
import * as JsonText from "./JsonText.ts"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/**
 * A value that JSON can't hold (NaN, undefined in an array, a function, an instance of a class such as `Sealed.Plain`),
 * text with half a surrogate pair, or nesting beyond `Bounds.jsonDepthMax`. A defect: schemas stand before it.
 */
export class NotCanonical extends Error {
  override readonly name = "NotCanonical"
}

/** RFC 8785 by the library. */
export const encodeByLibrary = (value: Json): string => {
  let text: string | undefined
  try {
    text = canonicalize(value)
  } catch (cause) {
    throw new NotCanonical(String(cause), { cause })
  }
  if (text === undefined) throw new NotCanonical("JSON has no form for this value")
  return text
}

/** RFC 8785, faster. Throws `NotCanonical`. */
export const encode = (value: Json): string => write(value, 0)

/** The text of a value that stands `depth` levels deep in what it is a part of. Throws `NotCanonical`. */
export const encodePart = (value: Json, depth: number): string => write(value, depth)

/** The inverse: text that this module wrote, or any JSON text. Throws `SyntaxError`. */
export const decode = (text: string): Json => JsonText.parse(text) as Json

/** One text as a JSON string: for writers of a few fixed keys. Throws `NotCanonical`. */
export const quote = (text: string): string => {
  if (!special.test(text)) return `"${text}"`
  if (!isWellFormed(text)) throw new NotCanonical("text holds half a surrogate pair")
  return JSON.stringify(text)
}

/** Whether text has a canonical form: no half of a surrogate pair stands alone in it. Doors ask before they let text in. */
export const isWellFormed = (text: string): boolean => !halfSurrogate.test(text)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const write = (value: Json, depth: number): string => {
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
      if (depth >= jsonDepthMax) throw new NotCanonical(`nested deeper than ${jsonDepthMax}`)
      return Array.isArray(value)
        ? writeArray(value, depth + 1)
        : writeObject(value as { readonly [key: string]: Json }, depth + 1)
    default:
      throw new NotCanonical(`JSON has no form for a ${typeof value}`)
  }
}

/** All but what RFC 8785 section 3.2.2.2 writes as it is: quote, backslash, controls, and halves of surrogate pairs. Most text holds none. */
const special = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

/** With the `u` flag a whole pair is one code point, so only a lone half matches. */
const halfSurrogate = /\p{Surrogate}/u

const writeArray = (values: ReadonlyArray<Json>, depth: number): string => {
  let text = "["
  for (let index = 0; index < values.length; index++) {
    if (index > 0) text += ","
    text += write(values[index] as Json, depth)
  }
  return text + "]"
}

const writeObject = (value: { readonly [key: string]: Json }, depth: number): string => {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new NotCanonical(`JSON has no form for a ${String(value.constructor?.name)}`)
  }
  let text = "{"
  let first = true
  for (const key of sorted(Object.keys(value))) {
    const member = value[key]
    if (member === undefined) continue
    if (!first) text += ","
    first = false
    text += quote(key) + ":" + write(member, depth)
  }
  return text + "}"
}

/**
 * RFC 8785 section 3.2.3 sorts keys by UTF-16 code units, which is how both `>` and `sort` without a comparator
 * compare. Objects are small: inserting in place costs a third of a general sort.
 */
const sorted = (keys: Array<string>): Array<string> => {
  if (keys.length > 24) return keys.sort()
  for (let index = 1; index < keys.length; index++) {
    const key = keys[index]!
    let at = index - 1
    while (at >= 0 && keys[at]! > key) {
      keys[at + 1] = keys[at]!
      at--
    }
    keys[at + 1] = key
  }
  return keys
}
