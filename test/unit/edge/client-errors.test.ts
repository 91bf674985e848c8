import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import { connect } from "node:net"
import { join } from "node:path"
import * as ClientErrors from "#layers/edge/http/ClientErrors.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

/** A server with nothing behind it. */
const served = Effect.gen(function* () {
  const path = join(yield* TemporaryFolder.make, "socket")
  const server = createServer()
  ClientErrors.attach(server)
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((listening) => server.listen(path, listening))),
    () =>
      Effect.promise(
        () =>
          new Promise<void>((closed) => {
            server.close(() => closed())
            server.closeAllConnections()
          })
      )
  )
  const connections = Effect.promise(
    () => new Promise<number>((known) => server.getConnections((_error, count) => known(count)))
  )
  return { path, connections }
})

/** Sends what is no HTTP, reads nothing and never hangs up. */
const stubborn = (path: string) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<ReturnType<typeof connect>>((sent) => {
          const socket = connect({ path, allowHalfOpen: true })
          socket.on("error", () => undefined)
          socket.pause()
          socket.write("hello\r\n\r\n", () => sent(socket))
        })
    ),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe("what never became a request", () => {
  it.live("is let go, though its caller neither reads the problem nor hangs up", () =>
    Effect.gen(function* () {
      const { connections, path } = yield* served
      const socket = yield* stubborn(path)
      yield* Effect.eventually(
        Effect.flatMap(connections, (count) => (count === 0 ? Effect.void : Effect.fail("still connected")))
      ).pipe(Effect.timeout("10 seconds"))
      assert.isFalse(socket.destroyed)
      const heard = yield* Effect.promise(() => new Promise<Buffer>((resolve) => socket.once("data", resolve).resume()))
      assert.match(heard.toString(), /^HTTP\/1\.1 400 /)
    })
  )
})
