/** What a deployment sets is what the door holds: the real service, started with flags. Needs no backend but PGlite. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { request } from "node:http"
import { connect, type Socket } from "node:net"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as Sockets from "./socket-kit.ts"

const using = (flags: Service.Options["flags"], work: (service: Service.Service, folder: string) => Promise<void>) =>
  Effect.scoped(
    Effect.flatMap(TemporaryFolder.make, (folder) =>
      Effect.promise(() =>
        Service.using({ folder, ...(flags === undefined ? {} : { flags }) }, (it) => work(it, folder))
      )
    )
  )

/** Follows until the service is gone; its status. */
const follow = ({ url }: Service.Service, token: string) =>
  new Promise<number>((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    const outgoing = request(new URL("/v1/events/stream", url), { agent: false, headers }, (incoming) => {
      incoming.on("error", () => undefined).resume()
      resolve(incoming.statusCode ?? 0)
    })
    outgoing.once("error", reject)
    outgoing.end()
  })

/** How a handshake was refused. */
const refusedOf = async (opening: Promise<Sockets.Client>): Promise<Sockets.Refused> => {
  const outcome = await opening.catch((error: unknown) => error)
  if (outcome instanceof Sockets.Refused) return outcome
  throw new Error("the handshake was not refused", { cause: outcome })
}

const whileFull = (error: unknown): null => {
  if (error instanceof Sockets.Refused && error.status === 503) return null
  throw error
}

const told = ({ body, headers, status }: Service.Answer) => ({
  status,
  code: body.code,
  limit: body.limit,
  maximum: body.maximum,
  retryAfter: headers["retry-after"]
})

it.live(
  "the door of a service keeps the limits that its deployment sets",
  () =>
    using(
      {
        "body-bytes-max": 900_000,
        "connections-max": 520,
        "requests-max": 1,
        "waits-max": 4,
        "waits-per-principal-max": 1,
        "event-streams-max": 2,
        "event-streams-per-principal-max": 1
      },
      async (service) => {
        const { body: made } = await service.post("/v1/principals", "p", {
          principalId: "second",
          kind: "HUMAN",
          roles: ["owner"]
        })
        const { body: third } = await service.post("/v1/principals", "q", {
          principalId: "third",
          kind: "HUMAN",
          roles: ["owner"]
        })
        assert.strictEqual(await follow(service, service.token), 200)
        assert.deepStrictEqual(told(await service.get("/v1/events/stream")), {
          status: 429,
          code: "LimitReached",
          limit: "eventStreamsPerPrincipal",
          maximum: 1,
          retryAfter: "1"
        })
        assert.strictEqual(await follow(service, made.token), 200)
        const full = { status: 503, code: "Overloaded", limit: undefined, maximum: undefined, retryAfter: "1" }
        assert.deepStrictEqual(told(await service.get("/v1/events/stream", third.token)), full)

        const title = "a".repeat(900_000)
        assert.deepInclude(told(await service.post("/v1/sessions", "large", { title })), {
          status: 413,
          maximum: 900_000
        })

        // One that waits for a person is in hand.
        const { body: session } = await service.post("/v1/sessions", "s", {})
        const { body: action } = await service.post(`/v1/sessions/${session.sessionId}/actions`, "a", {
          tool: "file.write",
          arguments: { path: "a.txt", content: "a", mode: "create" }
        })
        const waiting = service.get(`/v1/actions/${action.actionId}?waitMillis=30000`).catch(() => "cut")
        let busy = await service.get("/v1/whoami")
        while (busy.status === 200) busy = await service.get("/v1/whoami")
        assert.deepStrictEqual(told(busy), full)

        // More than are left beside the two that follow, the one that waits, and those that asked.
        const { hostname, port } = new URL(service.url)
        const sockets: Array<Socket> = []
        const closed = new Promise<void>((resolve) => {
          for (let count = 0; count < 520; count++) {
            const socket = connect(Number(port), hostname)
            sockets.push(socket.on("error", () => undefined).once("close", () => resolve()))
          }
        })
        await closed
        for (const socket of sockets) socket.destroy()
        await service.kill()
        assert.strictEqual(await waiting, "cut")
      }
    ),
  60_000
)

it.live(
  "the door of a service keeps the limits of WebSockets that its deployment sets",
  () =>
    using({ "sockets-max": 2, "sockets-per-principal-max": 1, "socket-frame-bytes-max": 900_000 }, async (service) => {
      const [second, third] = await Promise.all(
        ["second", "third"].map(async (principalId) => {
          const person = { principalId, kind: "HUMAN", roles: ["owner"] }
          const { body } = await service.post("/v1/principals", principalId, person)
          return String(body.token)
        })
      )
      const open = (token: string) => Sockets.connect(service.url, { token })
      const first = await open(service.token)
      const crowded = await refusedOf(open(service.token))
      assert.strictEqual(crowded.headers["retry-after"], "1")
      assert.deepInclude(crowded.body, { status: 429, code: "LimitReached", limit: "socketsPerPrincipal", maximum: 1 })
      const other = await open(second!)
      const full = await refusedOf(open(third!))
      assert.strictEqual(full.headers["retry-after"], "1")
      assert.deepInclude(full.body, { status: 503, code: "Overloaded" })

      // A frame that just fits is answered; one byte more ends its connection, which makes room.
      const ping = JSON.stringify({ type: "ping", id: "1" })
      const answered = Effect.runPromise(first.until(({ to }) => to === "ping"))
      first.send(ping.padEnd(900_000, " "))
      await answered
      first.send(ping.padEnd(900_001, " "))
      assert.strictEqual((await Effect.runPromise(first.ended)).code, 1009)
      let again = await open(third!).catch(whileFull)
      while (again === null) again = await open(third!).catch(whileFull)
      for (const client of [other, again]) client.close()
    }),
  60_000
)

it.live("a service whose limits contradict each other does not start, and says why", () =>
  Effect.gen(function* () {
    const folder = yield* TemporaryFolder.make
    const error = yield* Effect.flip(
      Effect.tryPromise({
        try: () => Service.start({ folder, flags: { "event-streams-max": 600 } }),
        catch: (cause) => cause as Error
      })
    )
    assert.match(error.message, /^the service ended \(2\)/)
    assert.include(
      error.message,
      "--event-streams-max (600) + --sockets-max (512) + --waits-max (192) < --connections-max (1024)"
    )
  }).pipe(Effect.scoped)
)
