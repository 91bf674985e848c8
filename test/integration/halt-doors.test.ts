/** Everything is stopped, and goes on: seen at every door there is, by whoever is let in there. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Live from "#layers/client/Live.ts"
import * as World from "#test/kit/world.ts"
import { keelson } from "./cli-kit.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"
import * as Streams from "./stream-kit.ts"

const reason = "the deploy bot writes to the wrong host"

/** Whether a door shows what is so; the rows of the table. */
interface Door {
  readonly door: string
  /** Completes once the door says that everything is stopped, or that it is not. */
  readonly says: (halted: boolean) => Effect.Effect<unknown, unknown, Kit.Caller | Scope.Scope>
}

/** All of it is shown: the reason too. */
const whole = (halted: boolean) => (state: Sockets.Halt) =>
  state.halted === halted &&
  state.reason === (halted ? reason : null) &&
  state.by?.id === (halted ? "owner" : undefined) &&
  (state.since !== null) === halted

const holds = (holds: boolean) => (holds ? Effect.void : Effect.fail("not yet"))

const isHalt = (halted: boolean) => (message: Streams.Message) =>
  message.event === "halt" && whole(halted)(message.data as Sockets.Halt)

/** What the last word of a stream about it is. */
const lastHalt = (stream: Streams.Followed) => stream.messages.findLast(({ event }) => event === "halt")!

/** A run that goes on elsewhere, whose heartbeats are answered. */
const running = Effect.gen(function* () {
  const { post } = yield* Kit.Caller
  const { sessionId } = (yield* post("/v1/sessions", { key: "s", body: { agentId: "assistant" } })).json
  const far = { name: "far", description: "", inputSchema: Kit.remoteSchema }
  yield* post("/v1/tools", { as: "robot", key: "far", body: far })
  const wish = { tool: "far", arguments: { text: "x" } }
  const asked = (yield* post(`/v1/sessions/${sessionId}/actions`, { as: "agent", key: "a", body: wish })).json
  yield* post(`/v1/confirmations/${asked.confirmationId}/approve`, { key: "y" })
  const { claimId } = (yield* post(`/v1/actions/${asked.actionId}/claim`, { as: "robot", key: "c" })).json
  return { sessionId: String(sessionId), actionId: String(asked.actionId), claimId: String(claimId) }
})

/** Doors that are asked: they say what is so now. */
const asked = Effect.gen(function* () {
  const { get, post } = yield* Kit.Caller
  const { actionId, claimId } = yield* running
  const socket = yield* Sockets.client({ as: "bob" })
  let beats = 0
  const doors: ReadonlyArray<Door> = [
    {
      door: "GET /v1/halt",
      says: (halted) => Effect.flatMap(get("/v1/halt", { as: "bob" }), ({ json }) => holds(whole(halted)(json)))
    },
    {
      door: "GET /ready",
      says: (halted) => Effect.flatMap(get("/ready", { as: "nobody" }), ({ json }) => holds(json.halted === halted))
    },
    {
      door: "GET /metrics",
      says: (halted) =>
        Effect.flatMap(get("/metrics"), ({ text }) => holds(text.split("\n").includes(`halted ${Number(halted)}`)))
    },
    {
      door: "GET /v1/metrics",
      says: (halted) =>
        Effect.flatMap(get("/v1/metrics"), ({ json }) =>
          holds(json.items.find(({ name }: any) => name === "halted").series[0].value === Number(halted))
        )
    },
    {
      door: "POST /v1/actions/{id}/heartbeat",
      says: (halted) =>
        Effect.flatMap(
          post(`/v1/actions/${actionId}/heartbeat`, { as: "robot", key: `beat-${(beats += 1)}`, body: { claimId } }),
          ({ json }) => holds(json.cancel === halted)
        )
    },
    {
      door: "WebSocket: halt.get",
      says: (halted) =>
        Effect.flatMap(socket.ask({ type: "halt.get", id: "h" }), ({ body }) => holds(whole(halted)(body)))
    }
  ]
  return doors
})

/** Doors that tell without being asked: to whoever was there before, and to whoever comes. */
const telling = Effect.gen(function* () {
  const { post, url } = yield* Kit.Caller
  const sessionId = (yield* post("/v1/sessions", { key: "told", body: { agentId: "assistant" } })).json.sessionId
  const socket = yield* Sockets.client({ as: "agent" })
  const stream = yield* Streams.following(`?sessionId=${sessionId}&type=session.touched`, { as: "agent" })
  const live = yield* Live.make({ url, token: Redacted.make(Kit.tokenOf("robot")) }).pipe(
    Effect.provide(Live.layerWebSocket)
  )
  const watch = keelson(["confirmations", "watch", "--url", url], { KEELSON_TOKEN: Kit.tokenOf("ana") })
  yield* Effect.addFinalizer(() => Effect.sync(() => watch.signal("SIGKILL")))
  const doors: ReadonlyArray<Door> = [
    { door: "WebSocket: told at once", says: (halted) => socket.untilHalt(whole(halted)) },
    {
      door: "WebSocket: told at its opening",
      says: (halted) =>
        Effect.gen(function* () {
          const late = yield* Sockets.client({ as: "bob" })
          yield* late.untilHalt(() => true)
          yield* holds(whole(halted)(late.halts[0]!) && late.halts.length === 1)
        })
    },
    {
      door: "GET /v1/events/stream: told at once",
      says: (halted) =>
        Effect.andThen(Streams.wait(stream, isHalt(halted)), () => holds(isHalt(halted)(lastHalt(stream))))
    },
    {
      door: "GET /v1/events/stream: told at its opening",
      says: (halted) =>
        Effect.gen(function* () {
          const late = yield* Streams.following("")
          yield* Streams.wait(late, ({ event }) => event === "halt")
          yield* holds(isHalt(halted)(lastHalt(late)))
        })
    },
    {
      door: "keelson/client/Live: halts",
      says: (halted) => live.halts.pipe(Stream.filter(whole(halted)), Stream.take(1), Stream.runDrain)
    }
  ]
  /** It prints a line where something changed; at its beginning nothing is stopped. */
  const line = Effect.promise(watch.line)
  const cli: Door = {
    door: "keelson confirmations watch",
    says: (halted) =>
      Effect.flatMap(line, (text) => holds(halted ? text.startsWith(stoppedLine) : text === "It goes on."))
  }
  return { doors, cli }
})

const stoppedLine = `Everything is stopped by owner: ${reason}. `

describe("a halt is visible at every door", () => {
  it.live(
    "and so is that it is over",
    () =>
      Effect.gen(function* () {
        const { post } = yield* Kit.Caller
        const { cli, doors: told } = yield* telling
        const everywhere = [...(yield* asked), ...told]
        const seen = new Map<string, Array<string>>()
        const look = Effect.fnUntraced(function* (halted: boolean, doors: ReadonlyArray<Door>) {
          for (const { door, says } of doors) {
            const silent = () =>
              Effect.die(new Error(`${door} did not say that ${halted ? "all is stopped" : "it goes on"}`))
            yield* Effect.scoped(
              Effect.timeoutOrElse(Effect.eventually(says(halted)), { duration: "10 seconds", orElse: silent })
            )
            seen.set(door, [...(seen.get(door) ?? []), halted ? "stopped" : "goes on"])
          }
        })
        yield* look(false, everywhere)
        yield* post("/v1/halt", { key: "h", body: { reason, cancelRunning: true } })
        yield* look(true, [...everywhere, cli])
        yield* post("/v1/resume", { key: "r" })
        yield* look(false, [...everywhere, cli])
        const lines = [...seen].map(([door, states]) => `${door.padEnd(44)}${states.join(", ")}`)
        console.log(["door: what it said at first, during a halt, and after it", ...lines].join("\n"))
        assert.lengthOf(lines, 12)
      }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make()))),
    60_000
  )

  it.live("of every process: who is connected to another one is told at once too", () =>
    Effect.gen(function* () {
      const kept = yield* Layer.build(World.make().layer)
      const door = Layer.fresh(Kit.doorOver(World.make().over(kept)))
      const [here, there] = [yield* Layer.build(door), yield* Layer.build(Layer.fresh(door))]
      const socket = yield* Effect.provideContext(Sockets.client(), there)
      const stream = yield* Effect.provideContext(Streams.following(""), there)
      yield* socket.untilHalt(whole(false))
      const { post, url } = yield* Effect.provideContext(Kit.Caller, here)
      assert.notStrictEqual(url, (yield* Effect.provideContext(Kit.Caller, there)).url)
      yield* post("/v1/halt", { key: "h", body: { reason } })
      yield* socket.untilHalt(whole(true))
      yield* Streams.wait(stream, isHalt(true))
      yield* post("/v1/resume", { key: "r" })
      yield* socket.untilHalt(whole(false))
      yield* Effect.promise(() => stream.until(() => isHalt(false)(lastHalt(stream))))
    }).pipe(Effect.scoped)
  )

  it.live("but not to a key that was revoked before it, however late the look at the key is", () => {
    const { delay, release, who } = Kit.lateLook("watcher")
    return Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const body = { principalId: "watcher", kind: "HUMAN", roles: ["owner"] }
      const { keyId, token } = (yield* post("/v1/principals", { key: "watcher", body })).json
      const [socket, stream] = [yield* Sockets.client({ token }), yield* Streams.following("", { token })]
      yield* socket.untilHalt(whole(false))
      yield* Streams.wait(stream, isHalt(false))
      const [other, beside] = [yield* Sockets.client(), yield* Streams.following("")]
      delay()
      yield* post(`/v1/principals/watcher/keys/${keyId}/revoke`, { key: "revoke" })
      yield* post("/v1/halt", { key: "h", body: { reason } })
      yield* other.untilHalt(whole(true))
      yield* Streams.wait(beside, isHalt(true))
      yield* release
      assert.strictEqual((yield* socket.ended).code, 4401)
      yield* Effect.promise(() => stream.ended)
      assert.deepInclude(stream.messages.at(-1)!.data, { code: "Unauthenticated" })
      for (const told of [socket.halts, stream.messages]) assert.notInclude(JSON.stringify(told), reason)
    }).pipe(Effect.scoped, Effect.provide(Kit.doorOver(World.make().layer, {}, who)))
  })

  it.live("and after a break the typed client tells what changed meanwhile, and nothing twice", () =>
    Effect.gen(function* () {
      const kept = yield* Layer.build(World.make().layer)
      const begin = Effect.fnUntraced(function* (port?: number) {
        const scope = yield* Scope.make()
        const door = Layer.fresh(Kit.doorOver(World.make().over(kept), port === undefined ? {} : { port }))
        const context = yield* Layer.buildWithScope(door, scope)
        return { caller: yield* Effect.provideContext(Kit.Caller, context), close: Scope.close(scope, Exit.void) }
      })
      const first = yield* begin()
      const { port, url } = first.caller
      const live = yield* Live.make({ url, token: Redacted.make(Kit.tokenOf("ana")) }).pipe(
        Effect.provide(Live.layerWebSocket)
      )
      const seen: Array<boolean> = []
      yield* Effect.forkScoped(Stream.runForEach(live.halts, ({ halted }) => Effect.sync(() => seen.push(halted))))
      const until = (...states: ReadonlyArray<boolean>) =>
        Effect.eventually(Effect.suspend(() => holds(JSON.stringify(seen) === JSON.stringify(states))))
      yield* until(false)
      yield* first.caller.post("/v1/halt", { key: "h", body: { reason } })
      yield* until(false, true)
      // A break in which nothing changes is no news.
      yield* first.close
      const second = yield* begin(port)
      assert.isTrue((yield* live.ask("halt.get", {})).body.halted)
      yield* second.caller.post("/v1/resume", { key: "r" })
      yield* until(false, true, false)
      yield* second.close
      // Whoever comes meanwhile is told what was heard last.
      assert.isFalse((yield* Stream.runHead(live.halts)).pipe((head) => head._tag === "Some" && head.value.halted))
    }).pipe(Effect.scoped)
  )
})
