import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { createServer } from "node:http"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import * as Pipelining from "#layers/edge/http/Pipelining.ts"
import * as Upgrades from "#layers/edge/http/Upgrades.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

/** A server that answers `/<status>` at once, and `/held` once it is let go; knows what was begun, and when. */
const served = Effect.gen(function* () {
  const path = join(yield* TemporaryFolder.make, "socket")
  const server = createServer(Upgrades.make())
  const http = yield* NodeHttpServer.make(() => server, { path })
  const letGo = Deferred.makeUnsafe<void>()
  const begun: Array<{ readonly url: string; readonly atMillis: number }> = []
  const app = Effect.gen(function* () {
    const { url } = yield* HttpServerRequest
    begun.push({ url, atMillis: performance.now() })
    if (url === "/held") yield* Deferred.await(letGo)
    return HttpServerResponse.text("", { status: Number(url.slice(1)) || 200 })
  })
  const sockets: Array<Socket> = []
  server.on("connection", (socket) => void sockets.push(socket))
  yield* http.serve(app, Pipelining.make())
  const connected = Effect.acquireRelease(
    Effect.sync(() => connect(path).on("error", () => undefined)),
    (socket) => Effect.sync(() => socket.destroy())
  )
  const socket = yield* connected
  let text = ""
  socket.on("data", (chunk: Buffer) => void (text += chunk.toString("latin1")))
  const statuses = () => Array.from(text.matchAll(/HTTP\/1\.1 (\d+)/g), ([, status]) => Number(status))
  const until = (holds: () => boolean) =>
    Effect.eventually(Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet"))))
  return { begun, connected, letGo, socket, sockets, statuses, until }
})

const ask = (...urls: ReadonlyArray<string>): string =>
  urls.map((url) => `GET ${url} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join("")

it.live("what is sent on before an answer waits for it, and answers come in order", () =>
  Effect.gen(function* () {
    const { begun, letGo, socket, statuses, until } = yield* served
    socket.write(ask("/held", "/201", "/202"))
    yield* until(() => begun.length > 0)
    socket.write(ask("/203"))
    assert.deepStrictEqual(statuses(), [])
    yield* Deferred.succeed(letGo, undefined)
    yield* until(() => statuses().length === 4)
    assert.deepStrictEqual(statuses(), [200, 201, 202, 203])
    const gaps = begun.slice(1).map(({ atMillis }, index) => atMillis - begun[index]!.atMillis)
    for (const gap of gaps) assert.isAtLeast(gap, Bounds.httpPipelinedMillis - 2)
  }).pipe(Effect.scoped)
)

it.live("a request that asks for an upgrade waits its turn like any other", () =>
  Effect.gen(function* () {
    const { begun, letGo, socket, statuses, until } = yield* served
    const wish = ask("/201").replace("\r\n\r\n", "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    socket.write(ask("/held"))
    yield* until(() => begun.length > 0)
    socket.write(wish)
    // What there is to be read is read in a round of the event loop.
    yield* Effect.repeat(Effect.yieldNow, { times: 100 })
    assert.strictEqual(begun.length, 1)
    yield* Deferred.succeed(letGo, undefined)
    yield* until(() => statuses().length === 2)
    assert.deepStrictEqual(statuses(), [200, 201])
  }).pipe(Effect.scoped)
)

it.live("nothing of it is begun meanwhile, and once too much waits no more is read", () =>
  Effect.gen(function* () {
    const { begun, letGo, socket, sockets, statuses, until } = yield* served
    socket.write(ask("/held", ...Array.from({ length: Bounds.httpPipelinedMax }, () => "/200")))
    yield* until(() => sockets[0]?.isPaused() === true)
    const { bytesRead } = sockets[0]!
    yield* Effect.promise(() => new Promise<unknown>((written) => socket.write(ask("/201"), written)))
    // Whatever else there is to be read is read in a round of the event loop.
    yield* Effect.repeat(Effect.yieldNow, { times: 100 })
    assert.strictEqual(begun.length, 1)
    assert.strictEqual(sockets[0]!.bytesRead, bytesRead)
    yield* Deferred.succeed(letGo, undefined)
    yield* until(() => statuses().length === Bounds.httpPipelinedMax + 2)
    assert.strictEqual(statuses().at(-1), 201)
  }).pipe(Effect.scoped)
)

it.live("nothing is begun for a peer that left", () =>
  Effect.gen(function* () {
    const { begun, connected, letGo, socket, sockets, until } = yield* served
    socket.write(ask("/held", "/201", "/202"))
    yield* until(() => begun.length > 0)
    socket.destroy()
    yield* until(() => sockets[0]!.destroyed)
    yield* Deferred.succeed(letGo, undefined)
    // Another one is served meanwhile, for longer than their turns would have taken.
    const other = yield* connected
    for (let count = 1; count <= 3; count++) {
      other.write(ask("/429"))
      yield* until(() => begun.filter(({ url }) => url === "/429").length === count)
    }
    assert.deepStrictEqual(
      begun.filter(({ url }) => url !== "/429").map(({ url }) => url),
      ["/held"]
    )
  }).pipe(Effect.scoped)
)

for (const [what, pieces] of [
  ["that comes too often", [ask("/429"), ask("/201")]],
  ["that is refused and sent on", [ask("/404", "/201")]]
] as const) {
  it.live(`a connection ${what} waits for its next turn`, () =>
    Effect.gen(function* () {
      const { begun, socket, statuses, until } = yield* served
      for (const [index, piece] of pieces.entries()) {
        socket.write(piece)
        yield* until(() => statuses().length > index)
      }
      yield* until(() => statuses().at(-1) === 201)
      assert.isAtLeast(begun[1]!.atMillis - begun[0]!.atMillis, Bounds.httpFloodMillis - 2)
    }).pipe(Effect.scoped)
  )
}

it.live("whoever waits for its answers waits for nothing else", () =>
  Effect.gen(function* () {
    const { socket, statuses, until } = yield* served
    const startMillis = performance.now()
    for (let count = 1; count <= 40; count++) {
      socket.write(ask("/404"))
      yield* until(() => statuses().length === count)
    }
    assert.isBelow(performance.now() - startMillis, 40 * Bounds.httpFloodMillis)
  }).pipe(Effect.scoped)
)
