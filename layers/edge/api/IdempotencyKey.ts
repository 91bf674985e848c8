/**
 * The header that makes a write safe to repeat (draft-ietf-httpapi-idempotency-key-header).
 *
 * The draft has it a quoted string (RFC 8941); most clients send it bare. Both are taken, and `"k1"` is the same
 * key as `k1`. It is scoped to the principal and names one request, whatever its path, for as long as its receipt is kept.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { CommandKey } from "#src/kernel/Ids.ts"

/** The key in the header's text, or null. */
export const parse = (text: string): string | null => {
  const bare = text.startsWith('"') ? unquoted(text) : text
  return bare !== null && isKey(bare) ? bare : null
}

export const IdempotencyKey = Schema.String.annotate({
  description: "A fresh key for every new wish, the same key for a repetition: 1 to 200 visible ASCII characters.",
  examples: ["6f9d2c1e-7a4b-4f6e-9a53-0d6b1f1c2e70"]
}).pipe(
  Schema.decodeTo(
    CommandKey,
    SchemaTransformation.transformEffect<string, string>({
      decode: (text, options) => {
        const key = parse(text)
        return key === null
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: "Expected an idempotency key" }, text, options))
          : Effect.succeed(key)
      },
      encode: (key) => Effect.succeed(key)
    })
  )
)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const isKey = Schema.is(CommandKey)

/** An RFC 8941 string without parameters: printable ASCII, with `\"` and `\\` as the only escapes. */
const unquoted = (text: string): string | null =>
  /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/.test(text) ? text.slice(1, -1).replace(/\\(["\\])/g, "$1") : null
