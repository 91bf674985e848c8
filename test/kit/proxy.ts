/**
 * A TCP proxy between a store and its server that loses what a test tells it to.
 *
 *   pass --> forwards both ways
 *   loseAnswer --> forwards the next request, then cuts the connection instead of its answer, and passes again
 *   swallow --> forwards requests, keeps answers to itself, cuts nothing: a peer that went silent
 */
import * as Effect from "effect/Effect"
import { connect, createServer, type Socket } from "node:net"

export interface Proxy {
  readonly port: number
  readonly loseAnswer: Effect.Effect<void>
  readonly swallow: Effect.Effect<void>
  readonly pass: Effect.Effect<void>
  /** Refuses new connections and cuts the old ones. */
  readonly close: Effect.Effect<void>
  /** Answers that were lost. */
  readonly lost: () => number
}

export const make = (target: { readonly host: string; readonly port: number }) =>
  Effect.acquireRelease(
    Effect.promise(() => open(target)),
    (proxy) => proxy.close
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const open = (target: { readonly host: string; readonly port: number }): Promise<Proxy> => {
  const sockets = new Set<Socket>()
  let mode: "pass" | "loseAnswer" | "swallow" = "pass"
  let lost = 0

  const server = createServer((client) => {
    const upstream = connect(target)
    let losing = false
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      sockets.add(socket)
      socket.on("error", () => undefined)
      socket.on("close", () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on("data", (data) => {
      if (mode === "loseAnswer") {
        mode = "pass"
        losing = true
      }
      upstream.write(data)
    })
    upstream.on("data", (data) => {
      if (losing) {
        lost += 1
        client.destroy()
      } else if (mode !== "swallow") {
        client.write(data)
      }
    })
  })

  const set = (next: typeof mode) => Effect.sync(() => void (mode = next))
  const close = Effect.callback<void>((resume) => {
    for (const socket of sockets) socket.destroy()
    server.close(() => resume(Effect.void))
  })
  return new Promise((resolve) => {
    // Asked for by number zero, a port comes from the system: nobody else has it.
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resolve({
        port,
        loseAnswer: set("loseAnswer"),
        swallow: set("swallow"),
        pass: set("pass"),
        close,
        lost: () => lost
      })
    })
  })
}
