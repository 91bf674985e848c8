/**
 * Peers that talk and do not read.
 *
 * Node's `server.timeout` cuts a connection on which nothing moves. A byte that the peer sends counts as movement there,
 * though the answer before it waits; so whoever asks on, byte by byte, would keep an answer that it never reads.
 *
 * Owns that case alone. Whoever only reads slowly sends nothing meanwhile, and has Node's clock, which counts every byte
 * that the connection takes. Connections that became WebSockets have a clock of their own.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { IncomingMessage, Server } from "node:http"
import type { Socket } from "node:net"

/** Cuts such connections of the server, for as long as it runs; each within `stallMillis` and a quarter of it. */
export const watch = Effect.fnUntraced(function* (server: Server, stallMillis: number) {
  const connections = new Set<Socket>()
  const blocked = new WeakMap<Socket, Blocked>()
  server.on("connection", (socket: Socket) => {
    connections.add(socket)
    socket.once("close", () => connections.delete(socket))
  })
  server.on("upgrade", ({ socket }: IncomingMessage) => connections.delete(socket))

  const look = Effect.map(Clock.currentTimeMillis, (nowMillis) => {
    for (const socket of connections) {
      if (!socket.writableNeedDrain) {
        blocked.delete(socket)
        continue
      }
      const before = blocked.get(socket)
      const taken = socket.bytesWritten - socket.writableLength
      if (before === undefined || before.taken !== taken) {
        blocked.set(socket, { taken, heard: socket.bytesRead, sinceMillis: nowMillis })
      } else if (nowMillis - before.sinceMillis >= stallMillis && socket.bytesRead > before.heard) {
        socket.destroy()
      }
    }
  })
  return yield* Effect.repeat(look, Schedule.spaced(Duration.millis(stallMillis / 4)))
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** A connection that takes no more of an answer: what it took, and what was heard of it, when that began. */
interface Blocked {
  readonly taken: number
  readonly heard: number
  readonly sinceMillis: number
}
