/**
 * The demo as an outsider: HTTP, a bearer token, and nothing else it knows of the service.
 *
 * Owns the few calls a session takes and what it reads of their answers. Does not own the API (`layers/edge`): shapes
 * stand here once more, as any client in any language would write them down.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Json } from "#src/kernel/Canonical.ts"
import type { CommandRefused } from "./CommandRefused.ts"
import { failed } from "./DemoService.ts"
import type { SeenEvent } from "./DemoProof.ts"

const Text = Schema.NullOr(Schema.Union([Schema.String, Schema.Struct({ redacted: Schema.Literal(true) })]))

const SessionAnswer = Schema.Struct({ sessionId: Schema.String })
const TurnAnswer = Schema.Struct({ turnId: Schema.String })
const Turn = Schema.Struct({
  turnId: Schema.String,
  status: Schema.String,
  failure: Schema.NullOr(Schema.String),
  responder: Schema.String,
  text: Text
})
const Question = Schema.Struct({
  confirmationId: Schema.String,
  actionId: Schema.String,
  tool: Schema.String,
  argumentsText: Schema.String,
  digest: Schema.String,
  policies: Schema.Array(Schema.String),
  proposer: Schema.Struct({ kind: Schema.String, id: Schema.String }),
  expiresAt: Schema.NullOr(Schema.String)
})
const Questions = Schema.Struct({ items: Schema.Array(Question) })
const Events = Schema.Struct({
  items: Schema.Array(
    Schema.Struct({
      position: Schema.Int,
      stream: Schema.String,
      version: Schema.Int,
      eventId: Schema.String,
      type: Schema.String,
      occurredAt: Schema.String,
      hash: Schema.String,
      prevHash: Schema.String,
      payload: Schema.Record(Schema.String, Schema.Json)
    })
  ),
  next: Schema.Int,
  atEnd: Schema.Boolean
})
const Problem = Schema.Struct({ code: Schema.String, detail: Schema.String })

export type Turn = typeof Turn.Type
export type Question = typeof Question.Type

/** An answer to a write, as it came, and whether the service said that it is a recorded one. */
export interface Written<A> {
  readonly body: A
  readonly raw: Json
  readonly replayed: boolean
}

type Call<A> = Effect.Effect<A, CommandRefused>

export interface DemoClient {
  readonly createSession: (key: string, title: string) => Call<Written<typeof SessionAnswer.Type>>
  readonly closeSession: (key: string, sessionId: string) => Call<Written<typeof SessionAnswer.Type>>
  readonly startTurn: (key: string, sessionId: string, input: string) => Call<Written<typeof TurnAnswer.Type>>
  /** The turn as it stands, or once it ended, at the latest after `waitMillis`. */
  readonly turn: (turnId: string, waitMillis: number) => Call<Turn>
  /** What waits for a person in a session, oldest first. */
  readonly questions: (sessionId: string) => Call<ReadonlyArray<Question>>
  readonly approve: (key: string, confirmationId: string) => Call<Written<Json>>
  readonly deny: (key: string, confirmationId: string, reason: string) => Call<Written<Json>>
  readonly streamEvents: (stream: string) => Call<ReadonlyArray<SeenEvent>>
  /** The whole journal, page by page. */
  readonly events: Call<ReadonlyArray<SeenEvent>>
}

export const make = Effect.fnUntraced(function* (url: string, token: Redacted.Redacted<string>) {
  const http = yield* HttpClient.HttpClient

  const send = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.scoped(
      Effect.gen(function* () {
        const response = yield* http.execute(request.pipe(HttpClientRequest.bearerToken(token)))
        const raw = yield* response.json
        if (response.status >= 200 && response.status < 300) return { response, raw: raw as Json }
        const { code, detail } = yield* Schema.decodeUnknownEffect(Problem)(raw)
        return yield* failed(`${request.method} ${request.url}: ${response.status} ${code}, ${detail}`)
      })
    ).pipe(
      Effect.catchTags({
        HttpClientError: (error) => Effect.fail(failed(`${request.method} ${request.url}: ${error.message}`)),
        SchemaError: (error) =>
          Effect.fail(
            failed(`${request.method} ${request.url}: an answer that is no problem document, ${error.message}`)
          )
      })
    )

  const decode = <A>(schema: Schema.Decoder<A>, raw: Json): Call<A> =>
    Effect.mapError(Schema.decodeUnknownEffect(schema)(raw), (error) =>
      failed(`an answer not as the API has it: ${error.message}`)
    )

  const ask = <A>(path: string, schema: Schema.Decoder<A>) =>
    Effect.flatMap(send(HttpClientRequest.get(`${url}${path}`)), ({ raw }) => decode(schema, raw))

  const write = <A>(key: string, path: string, body: Json, schema: Schema.Decoder<A>): Call<Written<A>> =>
    HttpClientRequest.post(`${url}${path}`).pipe(
      HttpClientRequest.setHeader("idempotency-key", key),
      HttpClientRequest.bodyJsonUnsafe(body),
      send,
      Effect.flatMap(({ raw, response }) =>
        Effect.map(decode(schema, raw), (body) => ({ body, raw, replayed: isReplayed(response) }))
      )
    )

  const pages = Effect.fnUntraced(function* (query: string) {
    const events: Array<SeenEvent> = []
    for (let after = 0; ;) {
      const page = yield* ask(`/v1/events?limit=200&after=${after}${query}`, Events)
      events.push(...(page.items as ReadonlyArray<SeenEvent>))
      if (page.atEnd) return events as ReadonlyArray<SeenEvent>
      after = page.next
    }
  })

  const client: DemoClient = {
    createSession: (key, title) => write(key, "/v1/sessions", { title }, SessionAnswer),
    closeSession: (key, sessionId) => write(key, `/v1/sessions/${sessionId}/close`, {}, SessionAnswer),
    startTurn: (key, sessionId, input) => write(key, `/v1/sessions/${sessionId}/turns`, { input }, TurnAnswer),
    turn: (turnId, waitMillis) => ask(`/v1/turns/${turnId}?waitMillis=${waitMillis}`, Turn),
    questions: (sessionId) =>
      Effect.map(ask(`/v1/confirmations?sessionId=${sessionId}`, Questions), ({ items }) => items.toReversed()),
    approve: (key, confirmationId) => write(key, `/v1/confirmations/${confirmationId}/approve`, {}, Schema.Json),
    deny: (key, confirmationId, reason) =>
      write(key, `/v1/confirmations/${confirmationId}/deny`, { reason }, Schema.Json),
    streamEvents: (stream) => pages(`&stream=${stream}`),
    events: pages("")
  }
  return client
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const isReplayed = (response: HttpClientResponse.HttpClientResponse): boolean =>
  response.headers["idempotent-replayed"] === "true"
