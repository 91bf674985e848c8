/**
 * Requests of one connection, one after the other.
 *
 * HTTP/1.1 lets a caller send on before it was answered, and Node hands over at once whatever it read: hundreds of
 * requests in one piece. Answers go out in order all the same, so a request waits here until the one before it was
 * answered, and little is begun for a caller, however much it sends.
 *
 * Owns whose turn it is on a connection, and how soon the next one comes. Does not own how often a principal may come
 * (`Admission`) nor how many requests are in hand (`Guard`).
 *
 * Invariants: of one connection at most one request is worked on; while too many others wait nothing more is read from
 * it; an answer that its peer does not take keeps the turn; nothing is begun for a peer that is gone.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Semaphore from "effect/Semaphore"
import type { Socket } from "node:net"
import type { Writable } from "node:stream"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Answers from "./Answers.ts"
import * as Upgrades from "./Upgrades.ts"

type App<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

/** Stands around a request and all that is done for it. */
export const make = () => {
  const connections = new WeakMap<Socket, Connection>()
  const of = (socket: Socket): Connection => {
    const known = connections.get(socket)
    if (known !== undefined) return known
    const made = connection(socket)
    connections.set(socket, made)
    return made
  }

  return <E, R>(app: App<E, R>): App<E, R | HttpServerRequest> =>
    Effect.flatMap(HttpServerRequest, (request) => {
      const incoming = NodeHttpServerRequest.toIncomingMessage(request)
      const { socket } = incoming
      // What is refused before the handshake has no turn to wait for, and none to keep.
      if (Upgrades.isHandedOver(incoming)) return Effect.tap(app, ({ status }) => unopened(status, socket))
      const { inTurn, waiting } = of(socket)
      const answered = sent(NodeHttpServerRequest.toServerResponse(request), socket)
      const pause = (status: number) =>
        Effect.suspend(() => {
          const millis = pauseMillis(status, waiting())
          return millis === 0 ? Effect.void : Effect.sleep(Duration.millis(millis))
        })
      return inTurn(
        Effect.suspend(() => (socket.destroyed ? Effect.succeed(Answers.gone) : app)).pipe(
          Effect.tap(({ status }) => Effect.andThen(answered, pause(status)))
        )
      )
    })
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

interface Connection {
  /** Runs once all that came before on this connection has run. */
  readonly inTurn: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly waiting: () => number
}

const connection = (socket: Socket): Connection => {
  const turn = Semaphore.makeUnsafe(1)
  let waiting = 0
  const full = () => waiting >= Bounds.httpPipelinedMax
  // Node reads on whenever a body is asked for or let go.
  socket.on("resume", () => void (full() && socket.pause()))

  return {
    waiting: () => waiting,
    inTurn: (work) =>
      Effect.suspend(() => {
        let waits = true
        waiting += 1
        if (full()) socket.pause()
        const begin = Effect.sync(() => {
          if (!waits) return
          waits = false
          waiting -= 1
          if (waiting === Bounds.httpPipelinedMax - 1) socket.resume()
        })
        return Effect.ensuring(turn.withPermits(1)(Effect.andThen(begin, work)), begin)
      })
  }
}

/** A connection that was handed over for a WebSocket, which it did not become. */
const unopened = (status: number, socket: Socket) =>
  Effect.sync(() => (status === opened ? undefined : Upgrades.letGo(socket)))

/** Switching Protocols. */
const opened = 101

/** How long the next request of the connection waits after an answer. */
const pauseMillis = (status: number, waiting: number): number => {
  if (status === 429 || (status >= 400 && waiting > 0)) return Bounds.httpFloodMillis
  return waiting > 0 ? Bounds.httpPipelinedMillis : 0
}

/** Completes once the answer is on its way, or nobody is there to take it. */
const sent = (answer: Writable, socket: Socket) =>
  Effect.callback<void>((resume) => {
    if (answer.writableFinished || socket.destroyed) return resume(Effect.void)
    const letGo = () => {
      answer.off("finish", go)
      socket.off("close", go)
    }
    const go = () => {
      letGo()
      resume(Effect.void)
    }
    answer.once("finish", go)
    socket.once("close", go)
    return Effect.sync(letGo)
  })
