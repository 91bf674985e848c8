/** What no HTTP client sends: by hand, over a raw socket. */
import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect, type Socket } from "node:net"
import { networkInterfaces } from "node:os"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"

interface Reply {
  readonly status: number
  readonly head: string
  readonly json: any
}

/** Writes the parts one after the other and reads until the other side closes. Empty where it said nothing. */
const talk = (port: number, ...parts: ReadonlyArray<string | Uint8Array>): Promise<string> =>
  new Promise((resolve) => {
    const socket = open(port, (text) => resolve(text))
    for (const part of parts) socket.write(part)
  })

const open = (port: number, closed: (text: string) => void): Socket => {
  const chunks: Array<Buffer> = []
  const socket = connect(port, "127.0.0.1")
  socket.on("data", (chunk: Buffer) => chunks.push(chunk))
  socket.on("error", () => undefined)
  socket.on("close", () => closed(Buffer.concat(chunks).toString("utf8")))
  return socket
}

const replies = (text: string): ReadonlyArray<Reply> =>
  text.split(/(?=HTTP\/1\.1 \d{3} )/).flatMap((one) => {
    const [head = "", body = ""] = one.split("\r\n\r\n")
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1])
    return Number.isNaN(status) ? [] : [{ status, head, json: body === "" ? undefined : JSON.parse(body) }]
  })

const problem = (text: string, status: number, code: string) => {
  const [reply] = replies(text)
  assert.strictEqual(reply?.status, status, text.slice(0, 300))
  assert.match(reply!.head, /content-type: application\/problem\+json/i)
  assert.deepInclude(reply!.json, { status, code })
  assert.match(reply!.json.instance, /^urn:uuid:/)
}

const auth = `Authorization: Bearer ${Kit.tokenOf("owner")}\r\n`
const host = "Host: localhost\r\n"
const close = "Connection: close\r\n"
const post = (headers: string, body = "") =>
  `POST /v1/sessions HTTP/1.1\r\n${host}${auth}Content-Type: application/json\r\nIdempotency-Key: raw\r\n${headers}\r\n${body}`

const upgrade = (protocol: string) => `Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`

const limits = { headersMillis: 150, bodyMillis: 150, headerBytesMax: 4_096 }

layer(Kit.serve(World.make(), { limits }), { excludeTestServices: true })("a raw socket", (it) => {
  const alive = Effect.gen(function* () {
    const { get } = yield* Kit.Caller
    assert.strictEqual((yield* get("/v1/whoami")).status, 200)
  })
  const ask = (...parts: ReadonlyArray<string | Uint8Array>) =>
    Effect.flatMap(Kit.Caller, ({ port }) => Effect.promise(() => talk(port, ...parts)))

  it.effect("that speaks no HTTP gets a problem", () =>
    Effect.gen(function* () {
      const nonsense = [
        "hello\r\n\r\n",
        "GET /health\r\n\r\n",
        "GET /health HTTP/9.9\r\n\r\n",
        `BREW /health HTTP/1.1\r\n${host}\r\n`,
        `GET /health HTTP/1.1\r\n${host}bad header\r\n\r\n`,
        `GET /health HTTP/1.1\r\n${host}X: a\u0000b\r\n\r\n`,
        `GET /he alth HTTP/1.1\r\n${host}\r\n`,
        "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
      ]
      for (const text of nonsense) problem(yield* ask(Buffer.from(text, "latin1")), 400, "MalformedRequest")
      yield* alive
    })
  )

  it.effect("can't smuggle a second request behind an ambiguous length", () =>
    Effect.gen(function* () {
      const ambiguous = [
        post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
        post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}x"),
        post("Content-Length: +2\r\n", "{}"),
        post("Content-Length: 2, 2\r\n", "{}"),
        post("Content-Length: -1\r\n", "{}"),
        post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "2\r\n{}0\r\n\r\n")
      ]
      for (const text of ambiguous) {
        const answer = yield* ask(text)
        problem(answer, 400, "MalformedRequest")
        assert.lengthOf(replies(answer), 1)
      }
      yield* alive
    })
  )

  it.effect("names one host, and one that is ours", () =>
    Effect.gen(function* () {
      const get = (headers: string, target = "/health") => `GET ${target} HTTP/1.1\r\n${headers}${close}\r\n`
      for (const name of ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:7717", "[::1]", "[::1]:80"]) {
        assert.strictEqual(replies(yield* ask(get(`Host: ${name}\r\n`)))[0]?.status, 200, name)
      }
      for (const name of [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "0.0.0.0",
        "[::2]"
      ]) {
        problem(yield* ask(get(`Host: ${name}\r\n`)), 421, "HostRefused")
      }
      problem(yield* ask(get("Host: localhost\r\n", "http://evil.example/health")), 421, "HostRefused")
      for (const headers of [
        "",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: user@localhost\r\n"
      ]) {
        problem(yield* ask(get(headers)), 400, "MalformedRequest")
      }
      problem(yield* ask("GET /health HTTP/1.0\r\n\r\n"), 400, "MalformedRequest")
      const banana = `GET /health HTTP/1.1\r\n${host}Expect: banana\r\n\r\n`
      problem(yield* ask(banana), 400, "MalformedRequest")
      const both = replies(yield* ask(`GET /v1/whoami HTTP/1.1\r\n${host}${auth}\r\n${banana}`))
      assert.deepStrictEqual(
        both.map(({ status }) => status),
        [200, 400]
      )
    })
  )

  it.effect("with headers beyond the bound gets 431", () =>
    Effect.gen(function* () {
      problem(yield* ask(`GET /health HTTP/1.1\r\n${host}X: ${"x".repeat(8_000)}\r\n\r\n`), 431, "HeadersTooLarge")
      problem(yield* ask(`GET /${"x".repeat(8_000)} HTTP/1.1\r\n${host}\r\n`), 431, "HeadersTooLarge")
      yield* alive
    })
  )

  it.effect("with slow headers or a slow body gets 408, and is let go", () =>
    Effect.gen(function* () {
      problem(yield* ask("GET /health HTTP/1.1\r\nHost: local"), 408, "RequestTimeout")
      problem(yield* ask(post("Content-Length: 100\r\n", '{"title":')), 408, "RequestTimeout")
      problem(yield* ask(post("Transfer-Encoding: chunked\r\n", "9\r\n")), 408, "RequestTimeout")
      yield* alive
    })
  )

  it.effect("without a token is refused before its body comes", () =>
    Effect.gen(function* () {
      const text = yield* ask(
        `POST /v1/sessions HTTP/1.1\r\n${host}${close}Idempotency-Key: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n`
      )
      problem(text, 401, "Unauthenticated")
    })
  )

  it.effect("that declares too large a body is refused before it comes", () =>
    Effect.gen(function* () {
      problem(yield* ask(post("Content-Length: 999999999\r\n")), 413, "BodyTooLarge")
      const expecting = yield* ask(post(`Expect: 100-continue\r\nContent-Length: 999999999\r\n`))
      problem(expecting, 413, "BodyTooLarge")
    })
  )

  it.effect("is told to go on where it waits for that", () =>
    Effect.gen(function* () {
      const { port } = yield* Kit.Caller
      const text = yield* Effect.promise(
        () =>
          new Promise<string>((resolve) => {
            const socket = open(port, resolve)
            socket.once("data", () => socket.write("{}"))
            socket.write(post(`${close}Expect: 100-continue\r\nContent-Length: 2\r\n`))
          })
      )
      assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 Created/)
    })
  )

  it.effect("gets its answers in order when it sends many at once, also around a refused one", () =>
    Effect.gen(function* () {
      const get = (path: string, rest = "") => `GET ${path} HTTP/1.1\r\n${host}${auth}${rest}\r\n`
      const text = yield* ask(get("/v1/whoami") + get("/nope") + get("/v1/tools") + get("/health", close))
      assert.deepStrictEqual(
        replies(text).map(({ status }) => status),
        [200, 404, 200, 200]
      )
    })
  )

  it.effect("may ask for an upgrade, and gets its answer, the last one of the connection", () =>
    Effect.gen(function* () {
      const get = `GET /v1/whoami HTTP/1.1\r\n${host}${auth}`
      for (const protocol of ["websocket", "h2c"]) {
        const text = yield* ask(`${get}${upgrade(protocol)}\r\n${get}\r\n`)
        assert.deepStrictEqual(
          replies(text).map(({ status }) => status),
          [200]
        )
        assert.match(text, /\r\nconnection: close\r\n/i)
      }
      // Chunks are a body too, and go on behind a piece.
      for (const [key, ...parts] of [
        ["whole", "Content-Length: 13\r\n\r\n", '{"title":"a"}'],
        ["chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\n{}   \r\n", "1\r\n \r\n0\r\n\r\n"]
      ] as const) {
        const head = post(upgrade("websocket")).replace("Key: raw", `Key: ${key}`).slice(0, -2)
        const text = yield* ask(head, ...parts)
        assert.strictEqual(replies(text)[0]?.status, 201, text)
      }
      yield* alive
    })
  )

  it.effect("that asks for an upgrade is held to the limits of a body all the same", () =>
    Effect.gen(function* () {
      const large = `${upgrade("h2c")}Content-Length: 999999999\r\n`
      problem(yield* ask(post(large)), 413, "BodyTooLarge")
      problem(yield* ask(post(`${upgrade("websocket")}Content-Length: 50\r\n`, "{")), 408, "RequestTimeout")
    })
  )

  it.effect("may ask for a tunnel, and is told that there is none", () =>
    Effect.gen(function* () {
      const text = yield* ask(`CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n`)
      problem(text, 405, "MethodNotAllowed")
      assert.match(text, /\r\nallow: \r\n/i)
      yield* alive
    })
  )

  it.effect("that breaks off leaves nothing behind", () =>
    Effect.gen(function* () {
      const { port } = yield* Kit.Caller
      for (const text of ["", "GET ", `GET /health HTTP/1.1\r\n${host}`, post("Content-Length: 50\r\n", '{"ti')]) {
        yield* Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              const socket = open(port, () => resolve())
              socket.on("connect", () => {
                socket.write(text)
                socket.resetAndDestroy()
              })
            })
        )
      }
      yield* alive
    })
  )
})

it.live(
  "a handshake that was refused keeps no connection, though its peer does not hang up; one that opened does",
  () =>
    Effect.gen(function* () {
      const { port } = yield* Kit.Caller
      const before = yield* Sockets.client({ as: "owner" })
      const handshake = `GET /v1/socket HTTP/1.1\r\n${host}${upgrade("websocket")}\r\n`
      const stubborn = yield* Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<Socket>((resolve) => {
              const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
              socket.once("data", () => resolve(socket)).on("error", () => undefined)
              socket.write(handshake)
            })
        ),
        (socket) => Effect.sync(() => socket.destroy())
      )
      const next = Effect.promise(() => talk(port, `GET /openapi.json HTTP/1.1\r\n${host}${close}\r\n`))
      yield* Effect.eventually(
        Effect.flatMap(next, (text) => (text.includes(" 200 ") ? Effect.void : Effect.fail("not yet")))
      ).pipe(Effect.timeout("10 seconds"))
      assert.isFalse(stubborn.destroyed)
      assert.strictEqual((yield* before.ask({ type: "halt.get", id: "h" })).type, "answer")
    }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make(), { limits: { connectionsMax: 2 } })))
)

it.live("headers have a clock of their own: who may take long over a body may not take long over them", () =>
  Effect.gen(function* () {
    const { port } = yield* Kit.Caller
    const text = yield* Effect.promise(() => talk(port, "GET /health HTTP/1.1\r\nHost: local"))
    problem(text, 408, "RequestTimeout")
  }).pipe(
    Effect.timeout("15 seconds"),
    Effect.provide(Kit.serve(World.make(), { limits: { headersMillis: 150, bodyMillis: 120_000 } }))
  )
)

it.live("a door that listens beyond loopback answers to any name, unless names are given", () =>
  Effect.gen(function* () {
    const get = (name: string) =>
      Effect.flatMap(Kit.Caller, ({ port }) =>
        Effect.promise(() => talk(port, `GET /health HTTP/1.1\r\nHost: ${name}\r\n${close}\r\n`))
      )
    const any = Kit.serve(World.make(), { host: "0.0.0.0" })
    assert.strictEqual(replies(yield* get("keelson.example").pipe(Effect.provide(any)))[0]?.status, 200)
    const named = Kit.serve(World.make(), { hosts: ["keelson.example"] })
    yield* Effect.gen(function* () {
      assert.strictEqual(replies(yield* get("Keelson.Example:80"))[0]?.status, 200)
      assert.strictEqual(replies(yield* get("localhost"))[0]?.status, 200)
      assert.strictEqual(replies(yield* get("evil.example"))[0]?.status, 421)
    }).pipe(Effect.provide(named))
  })
)

it.live("a door that listens on loopback can't be reached from elsewhere", () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((some) => some ?? [])
    .find((one) => !one.internal && one.family === "IPv4")
  return Effect.gen(function* () {
    const { port } = yield* Kit.Caller
    if (outside === undefined) return
    const error = yield* Effect.promise(
      () =>
        new Promise<NodeJS.ErrnoException | null>((resolve) => {
          const socket = connect(port, outside.address)
          socket.on("error", resolve)
          socket.on("connect", () => resolve(null))
        })
    )
    assert.strictEqual(error?.code, "ECONNREFUSED")
  }).pipe(Effect.provide(Kit.serve(World.make())))
})
