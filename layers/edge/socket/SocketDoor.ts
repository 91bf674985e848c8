/**
 * Where WebSockets are opened.
 *
 *   request -> Guard -> token (a header, or beside the subprotocol) -> origin -> a place -> handshake -> Connection
 *
 * Owns the handshake and the state that connections share. Does not own what is said (`Connection`).
 *
 * Invariants: whatever is refused is refused by HTTP, as a problem, before the handshake; a place is given back however
 * a connection ends; no page of another origin gets in; what a peer does not close is closed.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import type { Socket as TcpSocket } from "node:net"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Api, socketPath } from "../Api.ts"
import { subprotocol } from "../api/Frames.ts"
import * as Deeds from "../Deeds.ts"
import * as Answers from "../http/Answers.ts"
import * as Exchange from "../http/Exchange.ts"
import * as Problems from "../Problems.ts"
import * as Connection from "./Connection.ts"
import type { Follower } from "./Follower.ts"
import * as Listener from "./Listener.ts"
import * as Registry from "./Registry.ts"
import * as Tail from "./Tail.ts"

export interface Limits extends Registry.Limits, Connection.Limits {
  readonly frameBytesMax: number
  readonly closeMillis: number
}

export const defaults: Limits = {
  frameBytesMax: Bounds.socketFrameBytesMax,
  socketsMax: Bounds.socketsMax,
  socketsPerPrincipalMax: Bounds.socketsPerPrincipalMax,
  socketSessionsMax: Bounds.socketSessionsMax,
  socketCommandsMax: Bounds.socketCommandsMax,
  queueEventsMax: Bounds.socketQueueEventsMax,
  queueTextMax: Bounds.socketQueueTextMax,
  outboxBytesMax: Bounds.socketOutboxBytesMax,
  stallMillis: Bounds.socketStallMillis,
  frameMillis: Bounds.socketFrameMillis,
  nonsenseMax: Bounds.socketNonsenseMax,
  heartbeatMillis: Bounds.heartbeatMillis,
  drainMillis: Bounds.httpDrainMillis,
  closeMillis: Bounds.socketCloseMillis
}

export const connections = Metric.gauge("sockets", { description: "WebSockets that are open." })
export const follows = Metric.gauge("socket_followed_sessions", {
  description: "Sessions, and the work of agents, that are followed over WebSockets, once for each that follows."
})

/** What `ws` is told: sizes, and which subprotocol is answered. Nothing is compressed: what is secret would leak by its size. */
export const handshake = (frameBytesMax: number) => ({
  maxPayload: frameBytesMax,
  perMessageDeflate: false,
  handleProtocols: (offered: Set<string>) => (offered.has(subprotocol) ? subprotocol : false)
})

/** Made in a scope that whoever takes it closes. Where it is not made after all, what there is of it is let go here. */
export const handedOver = <A, E>(
  making: Effect.Effect<A, E, Scope.Scope>,
  take: (made: A, scope: Scope.Closeable) => void
) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const made = yield* restore(alone(scope, making)).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      take(made, scope)
    })
  )

/** `origins` are those of pages that may come beside the service's own; connections end with `lasting` at the latest. */
export const layer = (limits: Limits, origins: ReadonlyArray<string>, lasting: Scope.Scope) =>
  HttpApiBuilder.group(
    Api,
    "socket",
    Effect.fnUntraced(function* (handlers) {
      const registry = counted(yield* Registry.make<Listener.Listener, Follower>(limits))
      const tail = yield* Tail.make(registry)
      const serve = yield* Connection.make({ registry, tail, deeds: yield* Deeds.make, limits, lasting })

      /** Takes a place until the scope ends. By hand, since `acquireRelease` would keep all of what took it. */
      const placed = (listener: Listener.Listener) =>
        Effect.uninterruptible(
          Effect.andThen(
            registry.admit(listener),
            Effect.addFinalizer(() => registry.leave(listener.id))
          )
        )

      /** Takes a place and shakes hands, all of it until the scope ends. */
      const opening = Effect.fnUntraced(function* (listener: Listener.Listener, request: HttpServerRequest) {
        yield* placed(listener)
        const socket = yield* request.upgrade
        const incoming = NodeHttpServerRequest.toIncomingMessage(request)
        const tcp = incoming.socket
        // A peer that is gone without a word is missed.
        tcp.setKeepAlive(true, limits.heartbeatMillis)
        yield* Effect.addFinalizer(() => closed(tcp, limits.closeMillis))
        const { pull } = yield* socket.reader
        // The server keeps the request for as long as the socket is open. What it brought is needed no more.
        Object.assign(incoming, { headers: {}, rawHeaders: [] })
        return { pull, writer: yield* socket.writer, tcp }
      })

      const open = Answers.ask(
        Effect.fnUntraced(function* (by) {
          const request = yield* HttpServerRequest
          yield* permitted(request, origins)
          const listener = new Listener.Held(randomUUID(), by)
          yield* handedOver(opening(listener, request), (wire, scope) => serve(listener, by, scope, wire)).pipe(
            // The connection is gone, or was never made: nobody is there to be told.
            Effect.catchTags({ SocketError: () => Effect.void, HttpServerError: () => Effect.void })
          )
          return HttpServerResponse.empty()
        })
      )

      return handlers.handleRaw("open", () => open)
    })
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** With the scope and nothing else: what a socket knows of where it was made, it keeps for as long as it is open. */
const alone = <A, E>(scope: Scope.Scope, effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
  Effect.updateContext(effect, () => Context.make(Scope.Scope, scope))

/** The same registry, its numbers kept as they change. */
const counted = <M extends Registry.Member, F>(registry: Registry.Registry<M, F>): Registry.Registry<M, F> => {
  const noted = Effect.flatMap(registry.counts, (counts) =>
    Effect.andThen(Metric.update(connections, counts.sockets), Metric.update(follows, counts.follows))
  )
  return {
    ...registry,
    admit: (member) => Effect.tap(registry.admit(member), noted),
    leave: (id) => Effect.tap(registry.leave(id), noted),
    follow: (id, sessionId, follower) => Effect.tap(registry.follow(id, sessionId, follower), noted),
    unfollow: (id, sessionId) => Effect.tap(registry.unfollow(id, sessionId), noted)
  }
}

/**
 * A handshake as RFC 6455 section 4.2.1 has it, of a program, of a page of this service, or of one that the deployment
 * names. What `ws` would refuse is refused here, as a problem; so is another spelling of the path, which has no place.
 */
const permitted = Effect.fnUntraced(function* (request: HttpServerRequest, origins: ReadonlyArray<string>) {
  const { headers, method } = request
  const spelled = NodeHttpServerRequest.toIncomingMessage(request).url ?? ""
  const { host = "", origin } = headers
  if (spelled.split("?", 1)[0] !== socketPath) return yield* Problems.make("RouteNotFound")
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim())
  const key = headers["sec-websocket-key"] ?? ""
  if (
    method !== "GET" ||
    headers["upgrade"]?.toLowerCase() !== "websocket" ||
    headers["sec-websocket-version"] !== "13" ||
    !/^[+/0-9A-Za-z]{22}==$/.test(key)
  ) {
    return yield* Problems.make("UpgradeRequired")
  }
  if (!offered.includes(subprotocol) || !offered.every(isToken) || new Set(offered).size < offered.length) {
    return yield* Problems.make("UpgradeRequired", `offer the subprotocol ${subprotocol}, and each only once`)
  }
  if (origin !== undefined && hostOf(origin) !== host.toLowerCase() && !origins.includes(origin)) {
    return yield* Problems.make("Forbidden", "a page of another origin may not open a WebSocket")
  }
  const exchange = yield* Exchange.Current
  exchange.route = socketPath
})

/** A token of RFC 9110 section 5.6.2. */
const isToken = (name: string): boolean => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)

const hostOf = (origin: string): string | null => (URL.canParse(origin) ? new URL(origin).host : null)

/** Waits until the peer closed too, and no longer than it may take. */
const closed = (tcp: TcpSocket, closeMillis: number) =>
  Effect.callback<void>((resume) => {
    if (tcp.destroyed) return resume(Effect.void)
    const go = () => resume(Effect.void)
    tcp.once("close", go)
    return Effect.sync(() => tcp.off("close", go))
  }).pipe(Effect.timeoutOption(Duration.millis(closeMillis)), Effect.andThen(Effect.sync(() => tcp.destroy())))
