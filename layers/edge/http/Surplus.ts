/**
 * Connections beyond the limit: a few more are taken, for long enough to hear why they are not served, or to
 * bring a halt.
 *
 * Owns which connections those are. Does not own the answer, nor what is served all the same (`Guard`).
 *
 * Invariants: at most `connectionsMax` are served at once, and `surplusMax` are refused at once, each for at most
 * `surplusMillis`; what comes beyond both is closed by Node without a word.
 */
import type { Server } from "node:http"
import type { Socket } from "node:net"
import * as Bounds from "#src/kernel/Bounds.ts"

export interface Limits {
  readonly connectionsMax: number
  readonly surplusMax: number
  readonly surplusMillis: number
}

export const limits = (connectionsMax: number): Limits => ({
  connectionsMax,
  surplusMax: Bounds.httpSurplusMax,
  surplusMillis: Bounds.httpSurplusMillis
})

/** Watches the server's connections; says of each whether it is one too many. */
export const watch = (server: Server, { connectionsMax, surplusMax, surplusMillis }: Limits) => {
  const surplus = new WeakSet<Socket>()
  let served = 0
  server.maxConnections = connectionsMax + surplusMax
  server.on("connection", (socket: Socket) => {
    if (served < connectionsMax) {
      served += 1
      socket.once("close", () => (served -= 1))
      return
    }
    surplus.add(socket)
    const patience = setTimeout(() => socket.destroy(), surplusMillis).unref()
    socket.once("close", () => clearTimeout(patience))
  })
  return (socket: Socket): boolean => surplus.has(socket)
}
