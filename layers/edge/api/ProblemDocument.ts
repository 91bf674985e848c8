/**
 * The problem document (RFC 9457) as the description of the API shows it: one schema per status, with the codes
 * that come with it. Derived from the table in `../Problems.ts`; it can't say anything else.
 */
import * as Schema from "effect/Schema"
import { type Code, codes, definitionOf, type Field, fields, table, typeOf } from "../Problems.ts"

const extensions: { readonly [F in Field]: Schema.Codec<unknown, unknown> } = {
  kind: Schema.String,
  id: Schema.String,
  state: Schema.String,
  sessionId: Schema.String,
  limit: Schema.String,
  maximum: Schema.Int,
  tool: Schema.String,
  policies: Schema.Array(Schema.String),
  parameter: Schema.String,
  errors: Schema.Array(Schema.Struct({ pointer: Schema.String, detail: Schema.String })),
  allow: Schema.Array(Schema.String)
}

/** A union of one would be described as one. */
const oneOf = (values: ReadonlyArray<string>): Schema.Codec<string> =>
  values.length === 1 ? Schema.Literal(values[0]!) : Schema.Literals(values)

const of = (status: number) => {
  const here = codes.filter((code) => definitionOf(code).status === status)
  const members = new Set(here.flatMap((code) => definitionOf(code).fields))
  const optional = Object.fromEntries(
    [...members].map((field) => [field, Schema.optionalKey(extensions[field].annotate({ description: fields[field] }))])
  )
  return Schema.Struct({
    type: oneOf(here.map(typeOf)).annotate({ description: "The stable name of the problem." }),
    title: Schema.String.annotate({ description: "The same sentence for every occurrence." }),
    status: Schema.Literal(status),
    detail: Schema.String.annotate({ description: "What happened here, for a person." }),
    instance: Schema.String.annotate({ description: "This occurrence: the request's id as a URN." }),
    code: oneOf(here).annotate({ description: "The last part of `type`, for a `switch`." }),
    retryable: Schema.Boolean.annotate({
      description: "Whether the very same request, with the same key, may succeed later."
    }),
    ...optional
  }).annotate({
    identifier: `Problem${status}`,
    description: here.map((code) => `\`${code}\`: ${definitionOf(code).title}.`).join(" "),
    httpApiStatus: status,
    "~httpApiEncoding": { _tag: "Json", contentType: "application/problem+json" }
  })
}

const statuses = [...new Set(codes.map((code) => definitionOf(code).status))]
const byStatus = new Map(statuses.map((status) => [status, of(status)]))

/** Schemas of the problems that these codes can come as, one per status. */
export const declare = (...codes: ReadonlyArray<Code>) =>
  [...new Set(codes.map((code) => table[code].status))].map((status) => byStatus.get(status)!)

/** What any request may meet. */
const everywhere: ReadonlyArray<Code> = [
  "MalformedRequest",
  "RequestTimeout",
  "HostRefused",
  "HeadersTooLarge",
  "InternalError",
  "Overloaded"
]

/** What whatever watches the process may meet; 503 apart, which a probe also says by itself. */
export const probes = declare(...everywhere.filter((code) => definitionOf(code).status !== 503))
export const busy = declare("Overloaded")

/** What a question may meet. */
export const questions = declare(...everywhere, "InvalidParameter", "Unauthenticated", "Forbidden", "NotFound", "Full")

/** What a write may meet. */
export const writes = declare(
  ...everywhere,
  "InvalidBody",
  "Unauthenticated",
  "Forbidden",
  "NotFound",
  "Conflict",
  "Erased",
  "BodyTooLarge",
  "UnsupportedMediaType",
  "KeyReused",
  "Halted",
  "LimitReached",
  "Full"
)
