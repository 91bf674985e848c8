/**
 * Keelson from somewhere else: every path of its API as a typed function.
 *
 *   const client = yield* Client.make({ url: "http://127.0.0.1:7717", token })
 *   const { body } = yield* client.sessions.create({ headers: Client.fresh(), payload: {} })
 *
 * Owns the address, the token and patience: what may succeed later is sent again, the very same request with the very
 * same key, so nothing happens twice. Problems (RFC 9457) come as typed failures. Needs an `HttpClient`.
 */
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Api } from "#layers/edge/Api.ts"
import { CommandKey } from "#src/kernel/Ids.ts"

export interface Options {
  /** Where the service listens: `http://127.0.0.1:7717`. */
  readonly url: string
  readonly token: Redacted.Redacted<string>
  /** How often one request is sent again where that may help; 8 unless told, with pauses from 100 ms to 5 s. */
  readonly retriesMax?: number | undefined
}

export const make = ({ retriesMax = 8, token, url }: Options) =>
  HttpApiClient.make(Api, {
    baseUrl: url,
    transformClient: (http) =>
      http.pipe(
        HttpClient.mapRequest(HttpClientRequest.bearerToken(token)),
        HttpClient.retryTransient({ times: retriesMax, schedule: patiently })
      )
  })

export type Client = Effect.Success<ReturnType<typeof make>>

/** Whether the service can do its work, asked once. Needs no token. */
export const ready = ({ url }: Pick<Options, "url">) =>
  Effect.flatMap(HttpApiClient.make(Api, { baseUrl: url }), ({ probes }) => probes.ready())

/** The headers of a new wish. To repeat a wish later, keep them. */
export const fresh = (): { readonly "idempotency-key": CommandKey } => key(crypto.randomUUID())

/** The headers of the wish of that name. 1 to 200 visible ASCII characters. */
export const key = (name: string): { readonly "idempotency-key": CommandKey } => ({
  "idempotency-key": CommandKey.make(name)
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const patiently = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])
