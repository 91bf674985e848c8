/**
 * What stands around every request: who may call by which name, how many at once, and that nothing leaves but an
 * answer or a problem, with the headers that keep browsers at bay.
 *
 * Invariants: no defect, no unknown path and no failure of the platform leaves as anything but a problem; every
 * answer carries the request's id; nothing is cached anywhere, nothing is framed, no other origin is let in; nobody
 * who waits, and no number of requests or connections, keeps an operator from the doors of an emergency.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerError from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Socket } from "node:net"
import { Api, docsPath, socketPath } from "../Api.ts"
import * as Problems from "../Problems.ts"
import * as Answers from "./Answers.ts"
import * as Authentication from "./Authentication.ts"
import { Drain } from "./Drain.ts"
import * as Exchange from "./Exchange.ts"
import * as Hosts from "./Hosts.ts"
import * as Paths from "./Paths.ts"

export interface Options {
  /** Names the service answers to; null for any. */
  readonly hosts: ReadonlySet<string> | null
  readonly requestsMax: number
  /** Whether a connection is one too many, and kept only to be told so. */
  readonly isSurplus: (socket: Socket) => boolean
  /** Whether its connection takes no request after this one. */
  readonly isLast: (request: object) => boolean
}

type App<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

export const make = Effect.fnUntraced(function* (options: Options) {
  const drain = yield* Drain
  const methodsOf = Paths.make()
  let inHand = 0

  const refusal = (request: HttpServerRequest, surplus: boolean): Problems.Problem | null => {
    const path = pathOf(request.url)
    if (surplus && !operators.has(path)) {
      return Problems.make("Overloaded", "there are as many connections as the service takes")
    }
    const { host } = request.headers
    // RFC 9112 section 3.2: none, or more than one (which arrive joined), is malformed.
    const name = host === undefined ? null : Hosts.nameOf(host)
    if (name === null) return Problems.make("MalformedRequest", "the request needs one valid `Host`")
    if (options.hosts !== null && !options.hosts.has(name)) return Problems.make("HostRefused")
    if (drain.begun()) return Problems.make("Draining")
    if (apart(path)) return null
    return inHand >= options.requestsMax ? Problems.make("Overloaded") : null
  }

  /** A path or a method that is not there, a broken-off request, or a bug. */
  const unexpected = (cause: Cause.Cause<unknown>, request: HttpServerRequest) => {
    const error = Cause.findErrorOption(cause)
    if (error._tag === "Some" && HttpServerError.isHttpServerError(error.value)) {
      const { reason } = error.value
      if (reason._tag === "RouteNotFound") {
        const allow = methodsOf(request.url)
        return Answers.refuse(
          allow.length === 0 ? Problems.make("RouteNotFound") : Problems.make("MethodNotAllowed", undefined, { allow })
        )
      }
      if (reason._tag === "RequestParseError") return Answers.refuse(Problems.make("MalformedRequest"))
    }
    if (isGone(cause)) return Effect.succeed(Answers.gone)
    if (Cause.hasInterruptsOnly(cause)) return Answers.refuse(Problems.make("Draining"))
    return Effect.flatMap(Exchange.Current, ({ requestId }) =>
      Effect.andThen(
        Effect.annotateLogs(Effect.logError("a request met a bug", cause), { requestId }),
        Answers.refuse(Problems.make("InternalError"))
      )
    )
  }

  return <E, R>(app: App<E, R>): App<never, R | HttpServerRequest> =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest
      const { requestId } = yield* Exchange.Current
      const incoming = NodeHttpServerRequest.toIncomingMessage(request)
      const surplus = options.isSurplus(incoming.socket)
      const refused = refusal(request, surplus)
      const path = pathOf(request.url)
      const named =
        path === socketPath ? Effect.provideService(app, HttpServerRequest, Authentication.withToken(request)) : app
      const served: App<E, R | HttpServerRequest> = refused === null ? named : Answers.refuse(refused)
      const place = apart(path) ? 0 : 1
      inHand += place
      const answer = yield* served.pipe(
        Effect.catchCause((cause) => unexpected(cause, request)),
        Effect.ensuring(Effect.sync(() => (inHand -= place)))
      )
      return HttpServerResponse.setHeaders(answer, {
        ...(path === docsPath ? page : plain),
        ...(drain.begun() || surplus || options.isLast(incoming) ? { connection: "close" } : {}),
        "x-request-id": requestId
      })
    })
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const isGone = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => reason._tag === "Interrupt" && reason.annotations.has(HttpServerError.ClientAbort.key))

/**
 * What an operator needs when nothing else goes: a halt, whether the service lives, its numbers. They are done at once and
 * wait for nothing, so the connections are limit enough; and a connection that is one too many lasts long enough for them.
 */
const operators: ReadonlySet<string> = new Set(
  [Api.groups.halt, Api.groups.probes, Api.groups.metrics, Api.groups.prometheus].flatMap(({ endpoints }) =>
    Object.values(endpoints).map(({ path }) => path)
  )
)

/** Counted elsewhere: WebSockets last, and have places of their own. */
const apart = (path: string): boolean => path === socketPath || operators.has(path)

const pathOf = (url: string): string => url.split("?", 1)[0] ?? ""

const everywhere = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin"
}

const plain = { ...everywhere, "content-security-policy": "default-src 'none'; frame-ancestors 'none'" }

/** The page of the API's description: its own script and style stand in it, and it may talk to this service alone. */
const page = {
  ...everywhere,
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'unsafe-inline'",
    "style-src 'unsafe-inline'",
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")
}
