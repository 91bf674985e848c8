/**
 * Everything that can go wrong at a door, in one table, and the way from every error of the system into it.
 *
 * Owns the problem codes, their statuses and what a caller can do about each (RFC 9457). HTTP statuses stand
 * here and nowhere below. Does not own how a problem is sent (`http/Answers`) or described (`api/ProblemDocument`).
 *
 * Invariants: the mapping is total, so a new rejection or reason does not compile until it has a code; what went
 * wrong inside (a database's words, a stack) never stands in a problem; a code's meaning and type never change.
 */
import * as Schema from "effect/Schema"
import type { Refused, Rejection } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import type { ActorError } from "#src/ports/Actors.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import type { Unauthenticated } from "#src/ports/Identity.ts"
import type { OpenError } from "#src/ports/Vault.ts"

export interface Definition {
  readonly status: number
  /** The same sentence for every occurrence. */
  readonly title: string
  /** Whether the very same request (same key, same body) may succeed later. */
  readonly retryable: boolean
  /** Seconds for `Retry-After`; null where waiting alone does not help. */
  readonly retryAfterSeconds: number | null
  /** Members beside the standard ones that this problem may carry. */
  readonly fields: ReadonlyArray<Field>
  /** What the caller can do. */
  readonly remedy: string
}

/** Extension members, with what they mean. */
export const fields = {
  kind: "What kind of thing it is about: `session`, `turn`, `action`.",
  id: "Its id.",
  state: "The state that won.",
  sessionId: "The session.",
  limit: "Which limit.",
  maximum: "Its value.",
  tool: "The tool.",
  policies: "Ids of the policies that determined it.",
  parameter: "The query parameter or header that is wrong.",
  errors: "Where in the body, as RFC 6901 pointers, and what was expected there.",
  allow: "The methods that the path takes."
} as const
export type Field = keyof typeof fields

const define = (
  status: number,
  title: string,
  remedy: string,
  rest: Partial<Pick<Definition, "fields" | "retryable" | "retryAfterSeconds">> = {}
): Definition => ({
  status,
  title,
  remedy,
  retryable: rest.retryable ?? rest.retryAfterSeconds !== undefined,
  retryAfterSeconds: rest.retryAfterSeconds ?? null,
  fields: rest.fields ?? []
})

export const table = {
  MalformedRequest: define(400, "This is not HTTP as RFC 9112 has it", "Use an HTTP client; name one `Host`."),
  InvalidJson: define(400, "The body is not JSON in UTF-8", "Send one JSON object in valid UTF-8."),
  InvalidBody: define(400, "The body is not what this path takes", "Mend what `errors` points at.", {
    fields: ["errors"]
  }),
  InvalidParameter: define(400, "A parameter or header is not what this path takes", "Mend `parameter`.", {
    fields: ["parameter"]
  }),
  InvalidCursor: define(400, "The cursor is not one of this list", "Begin without a cursor, and hand `next` back."),
  IdempotencyKeyMissing: define(400, "A write needs an Idempotency-Key", "Send a fresh key with every new wish."),
  IdempotencyKeyInvalid: define(
    400,
    "The Idempotency-Key is malformed",
    "Use 1 to 200 visible ASCII characters, bare or as a quoted string."
  ),
  Unauthenticated: define(401, "No valid bearer token", "Send `Authorization: Bearer` with a current token."),
  Forbidden: define(403, "You may not do this", "Ask someone who may."),
  PolicyDenied: define(403, "A policy forbids this", "Change the arguments, or the policies.", {
    fields: ["policies"]
  }),
  RouteNotFound: define(404, "There is no such path", "See `/openapi.json`."),
  NotFound: define(404, "There is no such thing, or you may not know of it", "Check the id.", {
    fields: ["kind", "id"]
  }),
  MethodNotAllowed: define(405, "The path does not take this method", "Use one that `Allow` names.", {
    fields: ["allow"]
  }),
  RequestTimeout: define(408, "The request came too slowly", "Send it again, faster.", { retryable: true }),
  Conflict: define(409, "Somebody or something else was first", "Accept `state`, or read the thing again.", {
    fields: ["kind", "id", "state"]
  }),
  SessionNotOpen: define(409, "The session is not open", "Open another session.", { fields: ["sessionId"] }),
  NotDue: define(409, "It is too early for this", "Wait for the deadline.", { retryable: true }),
  StreamFull: define(409, "This session, turn or action holds all that it may", "Go on in another session."),
  Erased: define(410, "The session was forgotten", "Nothing brings it back.", { fields: ["sessionId"] }),
  BodyTooLarge: define(413, "The body is too large", "Send less.", { fields: ["maximum"] }),
  UnsupportedMediaType: define(
    415,
    "The body is not application/json",
    "Send `Content-Type: application/json`, not compressed."
  ),
  HostRefused: define(
    421,
    "This service does not answer to that host name",
    "Call it by the address it listens on, or add the name to its configuration."
  ),
  KeyReused: define(422, "The Idempotency-Key was used for another request", "Send a fresh key."),
  UnknownTool: define(422, "There is no such tool", "See `/v1/tools`.", { fields: ["tool"] }),
  ArgumentsInvalid: define(422, "The tool does not take these arguments", "See its schema in `/v1/tools`.", {
    fields: ["tool"]
  }),
  ToolUnusable: define(422, "The tool can't be declared so", "Mend what `detail` says.", { fields: ["tool"] }),
  Halted: define(423, "A person stopped all actions", "Wait until a person resumes them.", { retryable: true }),
  UpgradeRequired: define(
    426,
    "This path takes a WebSocket handshake only",
    "Use a WebSocket client; offer the subprotocol `keelson.v1`."
  ),
  LimitReached: define(429, "A limit is reached", "Finish something, or wait.", {
    retryAfterSeconds: 1,
    fields: ["limit", "maximum"]
  }),
  HeadersTooLarge: define(431, "The request's headers are too large", "Send fewer or shorter headers."),
  InternalError: define(500, "Something broke that should not", "Report it with the request id."),
  Crashed: define(500, "A rule of the service broke; nothing was changed", "Report it with the request id."),
  Corrupt: define(500, "What is stored contradicts itself", "Have an operator run `keelson verify`."),
  Overloaded: define(503, "The service has more work than it takes", "Repeat with the same key.", {
    retryAfterSeconds: 1
  }),
  Indeterminate: define(
    503,
    "The answer to the commit was lost: it may have happened",
    "Repeat with the same key; the recorded answer comes back if it did.",
    { retryAfterSeconds: 1 }
  ),
  Unavailable: define(503, "The store or the key ring does not answer", "Repeat with the same key.", {
    retryAfterSeconds: 2
  }),
  Draining: define(503, "The service is stopping", "Repeat with the same key once it is back.", {
    retryAfterSeconds: 5
  }),
  Isolated: define(503, "This stream is isolated until a person looks at it", "Tell an operator."),
  Full: define(507, "There is no space left to write", "Repeat with the same key once there is.", { retryable: true })
} as const satisfies { readonly [code: string]: Definition }

export type Code = keyof typeof table
export const codes = Object.keys(table) as ReadonlyArray<Code>
export const definitionOf = (code: Code): Definition => table[code]

/** The stable URI of a problem type: `urn:keelson:problem:session-not-open`. */
export const typeOf = (code: Code): string =>
  `urn:keelson:problem:${code.replace(/[A-Z]/g, (letter, at) => (at === 0 ? "" : "-") + letter.toLowerCase())}`

/** One occurrence, on its way to the caller. */
export class Problem extends Schema.TaggedError<Problem>()("Problem", {
  code: Schema.Literals(codes),
  /** What a person can read about this occurrence. Never a stranger's words, never the machine's inside. */
  detail: Schema.String,
  fields: Schema.Record(Schema.String, Schema.Json),
  /** The refusal had been recorded before. */
  repeated: Schema.Boolean
}) {
  override get message() {
    return `${this.code}: ${this.detail}`
  }
}

export const make = (
  code: Code,
  detail: string = table[code].title,
  fields: { readonly [F in Field]?: Json } = {},
  repeated = false
): Problem => new Problem({ code, detail, fields, repeated })

/** Everything that a handler can fail with. */
export type Failure = Problem | Refused | ActorError | EventStoreError | OpenError | Unauthenticated

export const from = (failure: Failure): Problem => {
  switch (failure._tag) {
    case "Problem":
      return failure
    case "Refused":
      return fromRejection(failure.rejection, failure.repeated)
    case "ActorError":
      // Its detail may hold a driver's words; the table's sentence says what the caller needs.
      return make(failure.reason === "Malformed" ? "InvalidBody" : failure.reason)
    case "EventStoreError":
      return make(failure.reason)
    case "NotOpened":
      return make("Corrupt")
    case "KeyRingError":
      return make("Unavailable")
    case "Unauthenticated":
      return make("Unauthenticated")
  }
}

export const fromRejection = (rejection: Rejection, repeated: boolean): Problem => {
  const told = (code: Code, detail: string, fields: { readonly [F in Field]?: Json } = {}) =>
    make(code, detail, fields, repeated)
  switch (rejection._tag) {
    case "NotFound":
      return told("NotFound", `there is no ${rejection.kind} ${rejection.id}`, {
        kind: rejection.kind,
        id: rejection.id
      })
    case "Conflict": {
      const { kind, id, status } = rejection
      return told("Conflict", `${kind} ${id} is ${status}`, { kind, id, state: status })
    }
    case "SessionNotOpen":
      return told("SessionNotOpen", `session ${rejection.sessionId} is not open`, { sessionId: rejection.sessionId })
    case "Forbidden":
      return told("Forbidden", rejection.detail)
    case "LimitReached": {
      const { limit, maximum } = rejection
      return told("LimitReached", `${limit} is limited to ${maximum}`, { limit, maximum })
    }
    case "PolicyDenied":
      return told("PolicyDenied", rejection.reason, { policies: rejection.policies })
    case "UnknownTool":
      return told("UnknownTool", `there is no tool ${rejection.tool}`, { tool: rejection.tool })
    case "ArgumentsInvalid":
      return told("ArgumentsInvalid", rejection.detail, { tool: rejection.tool })
    case "ToolUnusable":
      return told("ToolUnusable", rejection.detail, { tool: rejection.tool })
    case "Erased":
      return told("Erased", `session ${rejection.sessionId} was forgotten`, { sessionId: rejection.sessionId })
    case "Halted":
    case "NotDue":
      return told(rejection._tag, table[rejection._tag].title)
  }
}

/** A limit of a door: the gateway's own come as rejections. */
export const limitReached = (limit: string, maximum: number, detail = `${limit} is limited to ${maximum}`): Problem =>
  make("LimitReached", detail, { limit, maximum })

/** Something of that name is in a state in which this can't be done. */
export const conflict = ({ id, kind }: { readonly kind: string; readonly id: string }, state: string): Problem =>
  make("Conflict", `${kind} ${id} is ${state} already`, { kind, id, state })

export const bodyTooLarge = (maximum: number = Bounds.httpBodyBytesMax): Problem =>
  make("BodyTooLarge", `a body may hold ${maximum} bytes`, { maximum })

/** The document of RFC 9457 section 3.1, as it goes on the wire. */
export const document = (problem: Problem, instance: string): { readonly [member: string]: Json } => {
  const { status, title, retryable } = definitionOf(problem.code)
  return {
    type: typeOf(problem.code),
    title,
    status,
    detail: problem.detail.slice(0, detailMax),
    instance,
    code: problem.code,
    retryable,
    ...(problem.fields as { readonly [member: string]: Json })
  }
}

/** Headers that the problem itself asks for. */
export const headers = (problem: Problem): { readonly [name: string]: string } => {
  const { retryAfterSeconds } = definitionOf(problem.code)
  const { allow } = problem.fields as { readonly allow?: ReadonlyArray<string> }
  return {
    ...(retryAfterSeconds === null ? {} : { "retry-after": String(retryAfterSeconds) }),
    ...(problem.code === "Unauthenticated" ? { "www-authenticate": 'Bearer realm="keelson"' } : {}),
    ...(problem.code === "RequestTimeout" || problem.code === "Draining" ? { connection: "close" } : {}),
    ...(allow === undefined ? {} : { allow: allow.join(", ") }),
    // RFC 9110 section 15.5.22.
    ...(problem.code === "UpgradeRequired" ? { connection: "upgrade", upgrade: "websocket" } : {}),
    ...(problem.repeated ? { "idempotent-replayed": "true" } : {})
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** A tool's or a policy's sentence may be long; nobody reads more of it in a problem. */
const detailMax = 2_000
