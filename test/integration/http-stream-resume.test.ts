/** A follower that is killed again and again, over a restart of the service: what it saw is what was stored. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { request } from "node:http"
import { EventStore } from "#src/ports/EventStore.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

interface Seen {
  readonly position: number
  readonly event: any
}

/** A reader as an `EventSource` is one: whole blocks count, and the last id is kept. */
interface Reader {
  status: number
  headers: NodeJS.Dict<string | Array<string>>
  text: string
  readonly seen: Array<Seen>
  lastId: string | undefined
  ended: boolean
  readonly close: () => void
  readonly pause: () => void
  readonly resume: () => void
}

const follow = (
  port: number,
  path: string,
  call: { readonly as?: Kit.Name; readonly token?: string; readonly lastId?: string | undefined } = {}
): Promise<Reader> =>
  new Promise((resolve, reject) => {
    const outgoing = request({
      host: "127.0.0.1",
      port,
      path: `/v1/events/stream${path}`,
      agent: false,
      headers: {
        accept: "text/event-stream",
        authorization: `Bearer ${call.token ?? Kit.tokenOf(call.as ?? "owner")}`,
        ...(call.lastId === undefined ? {} : { "last-event-id": call.lastId })
      }
    })
    outgoing.on("error", reject)
    outgoing.on("response", (incoming) => {
      const reader: Reader = {
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        text: "",
        seen: [],
        lastId: call.lastId,
        ended: false,
        close: () => void outgoing.destroy(),
        pause: () => void incoming.pause(),
        resume: () => void incoming.resume()
      }
      let rest = ""
      incoming.setEncoding("utf8")
      incoming.on("data", (chunk: string) => {
        reader.text += chunk
        const blocks = (rest + chunk).split("\n\n")
        rest = blocks.pop()!
        for (const block of blocks) take(reader, block)
      })
      incoming.on("error", () => (reader.ended = true))
      incoming.on("close", () => (reader.ended = true))
      resolve(reader)
    })
    outgoing.end()
  })

/** An event has no name in the stream; heartbeats and ends have. */
const take = (reader: Reader, block: string) => {
  const named = /^event: (?!message)/m.test(block)
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) reader.lastId = line.slice(4)
    if (line.startsWith("data: ") && !named) {
      reader.seen.push({ position: Number(reader.lastId), event: JSON.parse(line.slice(6)) })
    }
  }
}

/** Waits for a condition, and gives up where it does not come about. */
const until = (holds: () => boolean, what: string) =>
  Effect.eventually(Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet")))).pipe(
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.die(new Error(`never: ${what}`)) })
  )

it.live(
  "each event is seen once and in order by a reader that is killed at random, over a restart of the service too",
  () =>
    Effect.gen(function* () {
      const kept = yield* Layer.build(World.make().layer)
      const limits = { requestsPerSecondMax: 1_000_000 }
      const life = () => Layer.fresh(Kit.doorOver(World.make().over(kept), { limits }))
      const seen: Array<Seen> = []
      const random = SeededScheduler.chance(7)
      let lastId: string | undefined = "0"
      let kills = 0

      /** Reads some events, then is gone in the middle of whatever comes. */
      const readSome = Effect.fnUntraced(function* (query: string, goal: number) {
        const { port } = yield* Kit.Caller
        const reader = yield* Effect.promise(() => follow(port, query, { lastId }))
        assert.strictEqual(reader.status, 200, reader.text)
        const enough = Math.min(1 + Math.floor(random() * 60), goal - seen.length)
        yield* until(() => reader.ended || reader.seen.length >= enough, "some events")
        reader.close()
        kills += 1
        seen.push(...reader.seen)
        lastId = reader.lastId
      })

      let sessionId = ""
      for (const part of [0, 1]) {
        yield* Effect.gen(function* () {
          const { port, post } = yield* Kit.Caller
          if (part === 0) sessionId = (yield* post("/v1/sessions", { key: "s" })).json.sessionId
          const path = `/v1/sessions/${sessionId}/touch`
          const touch = (index: number) =>
            Effect.promise(() => Kit.send(port, "POST", path, { key: `${part}-${index}` }))
          const writing = yield* Effect.forkChild(
            Effect.forEach(
              Array.from({ length: 1_000 }, (_, index) => index),
              touch,
              { concurrency: 8 }
            )
          )
          const goal = part === 0 ? 600 : 2_001
          while (seen.length < goal) yield* readSome(`?stream=session:${sessionId}`, goal)
          yield* Fiber.join(writing)
        }).pipe(Effect.provide(life()))
      }
      const { readStream } = yield* Effect.provide(EventStore, Layer.succeedContext(kept))
      const { events } = yield* readStream(`session:${sessionId}` as Parameters<typeof readStream>[0])
      assert.lengthOf(events, 2_001)
      assert.deepStrictEqual(
        seen.map(({ position }) => position),
        events.map(({ position }) => position)
      )
      assert.isAtLeast(kills, 20)
    }).pipe(Effect.scoped),
  120_000
)
