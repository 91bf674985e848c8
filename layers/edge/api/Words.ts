/**
 * Words that all resources share: times, actors, words that may have been forgotten, pages, waits.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Actor, CorrelationId } from "#src/kernel/Stamp.ts"
import { IdempotencyKey } from "./IdempotencyKey.ts"
import * as Cursor from "../Cursor.ts"

/** RFC 3339, UTC, millisecond precision. */
export const Time = Schema.String.check(Schema.isPattern(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/u)).annotate({
  format: "date-time",
  examples: ["2026-03-20T09:30:00.000Z"]
})

export const Who = Actor.annotate({ identifier: "Actor", description: "A person, an agent, or Keelson itself." })

/** What is left of words whose key was destroyed. */
export const Redacted = Schema.Struct({ redacted: Schema.Literal(true) }).annotate({
  identifier: "Redacted",
  description: "The words were forgotten: the key that sealed them is destroyed."
})

/** Words that a person, a model or a tool said. */
export const Said = Schema.Union([Schema.String, Redacted])

/** A value that a tool took or gave. */
export const Value = Schema.Json.annotate({ description: 'Any JSON; `{"redacted": true}` once it was forgotten.' })

/** A whole number in decimal digits, as queries carry it. */
const digits = (minimum: number, maximum: number, description: string) =>
  Schema.String.check(Schema.isPattern(/^(0|[1-9][0-9]{0,15})$/u))
    .annotate({ description })
    .pipe(
      Schema.decodeTo(Schema.Int.check(Schema.isBetween({ minimum, maximum })), SchemaTransformation.numberFromString)
    )

export const Limit = Schema.optionalKey(
  digits(1, Bounds.pageMax, `Items in the page: 1 to ${Bounds.pageMax}, else ${Bounds.pageDefault}.`)
)

export const WaitMillis = Schema.optionalKey(
  digits(
    0,
    Bounds.longPollMillisMax,
    `Long poll: answer at once when it is over, else after so many milliseconds (at most ${Bounds.longPollMillisMax}).`
  )
)

export const Position = digits(0, Number.MAX_SAFE_INTEGER, "Events after this position; 0 from the beginning.")

/** Query of every list that is newest first. */
export const paging = { after: Schema.optionalKey(Cursor.Text), limit: Limit }

/** Headers of every write. */
export const writing = {
  "idempotency-key": IdempotencyKey,
  "x-correlation-id": Schema.optionalKey(
    CorrelationId.annotate({ description: "Ties this command to others in the journal; 1 to 200 visible characters." })
  )
}

/** Headers of every answer to a write. */
export const replayed = {
  "idempotent-replayed": Schema.optionalKey(
    Schema.Literal("true").annotate({ description: "This is the recorded answer; nothing happened now." })
  )
}

/** And where what was made is found. */
export const created = {
  ...replayed,
  location: Schema.String.annotate({ description: "The path of what was made." })
}

export const page = <S extends Schema.Constraint>(identifier: string, item: S) =>
  Schema.Struct({
    items: Schema.Array(item),
    next: Schema.NullOr(Schema.String).annotate({
      description: "Hand it back as `after`. Null at the end; a page may be short, or empty, and still have a next one."
    })
  }).annotate({ identifier })
