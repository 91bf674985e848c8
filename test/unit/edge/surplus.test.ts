import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { createServer } from "node:http"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import * as Surplus from "#layers/edge/http/Surplus.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

/** A server that says of each connection whether it is one too many. */
const served = Effect.fnUntraced(function* (limits: Surplus.Limits) {
  const path = join(yield* TemporaryFolder.make, "socket")
  const server = createServer()
  const isSurplus = Surplus.watch(server, limits)
  server.on("request", (request, response) => response.end(isSurplus(request.socket) ? "surplus" : "served"))
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
  const opened = Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = connect(path).on("error", () => undefined)
      await once(socket, "connect")
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
  return { opened }
})

/** What a connection hears to one question; empty where it was closed. */
const heard = (socket: Socket) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve) => {
        socket.once("data", (chunk: Buffer) => resolve(/\w+$/.exec(chunk.toString())?.[0] ?? ""))
        if (socket.closed) resolve("")
        socket.once("close", () => resolve(""))
        socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      })
  )

it.live("a few connections beyond the limit are told so, those beyond them are closed, and who leaves makes room", () =>
  Effect.gen(function* () {
    const { opened } = yield* served({ connectionsMax: 2, surplusMax: 1, surplusMillis: 60_000 })
    const first = yield* opened
    const second = yield* opened
    assert.strictEqual(yield* heard(first), "served")
    assert.strictEqual(yield* heard(second), "served")
    const third = yield* opened
    assert.strictEqual(yield* heard(third), "surplus")
    assert.strictEqual(yield* heard(yield* opened), "")
    first.destroy()
    yield* Effect.eventually(
      Effect.flatMap(Effect.flatMap(opened, heard), (text) =>
        text === "served" ? Effect.void : Effect.fail("not yet")
      )
    )
    assert.strictEqual(yield* heard(third), "surplus", "and stays one for as long as it is kept")
  }).pipe(Effect.scoped)
)

it.live("a connection beyond the limit that asks nothing is closed, and gives its place to the next", () =>
  Effect.gen(function* () {
    const { opened } = yield* served({ connectionsMax: 1, surplusMax: 1, surplusMillis: 20 })
    const first = yield* opened
    assert.strictEqual(yield* heard(first), "served")
    const silent = yield* opened
    yield* Effect.promise(async () => silent.closed || once(silent.resume(), "close"))
    yield* Effect.eventually(
      Effect.flatMap(Effect.flatMap(opened, heard), (text) =>
        text === "surplus" ? Effect.void : Effect.fail("not yet")
      )
    )
    assert.strictEqual(yield* heard(first), "served")
  }).pipe(Effect.scoped)
)
