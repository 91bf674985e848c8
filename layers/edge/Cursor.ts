/**
 * The opaque cursor of a list: where the page before ended, as base64url of a value and a key.
 *
 * Callers hand it back and look into it at their own risk. It holds no secret and grants nothing: whoever makes
 * one up gets a page of what they may see anyway.
 */
import * as Schema from "effect/Schema"

export interface Position {
  /** Of the field that orders the list: epoch milliseconds of creation. */
  readonly value: number
  readonly key: string
}

export const encode = ({ value, key }: Position): string =>
  Buffer.from(`${value}.${key}`, "latin1").toString("base64url")

/** The keys of a list whose things are called `<prefix>_` and 26 characters. */
export const idsWith = (prefix: string): RegExp => new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`)

/** Null where the text is no cursor that `encode` made for a list with such keys. */
export const decode = (keys: RegExp, text: string): Position | null => {
  const match = shape.exec(Buffer.from(text, "base64url").toString("latin1"))
  if (match === null) return null
  const position = { value: Number(match[1]), key: match[2]! }
  return keys.test(position.key) && encode(position) === text ? position : null
}

/** A cursor as it stands in a query; whether it is one of the list is the list's to say. */
export const Text = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,128}$/u)).annotate({
  description: "`next` of the page before. Opaque.",
  examples: ["MTc3NDAwMDAwMDAwMC5zZXNfMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA"]
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const shape = /^(0|[1-9][0-9]{0,15})\.([A-Za-z0-9_.-]{1,64})$/
