/** The limits of work at their edge: what one turn may take, how much is worked on at once, and what may wait for that. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import { Gateway } from "#src/gateway/Protocol.ts"
import { Responder, type Response, type TranscriptPart } from "#src/ports/Responder.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

/** A model that says what `answer` makes of the input and the number of its answers before. */
const model = (answer: (input: string, before: number) => Effect.Effect<Partial<Response>>) =>
  Layer.succeed(Responder, {
    identity: { provider: "test", model: "scripted", deterministic: true },
    respond: (transcript: ReadonlyArray<TranscriptPart>) => {
      const input = transcript.find(({ _tag }) => _tag === "Input") as Extract<TranscriptPart, { _tag: "Input" }>
      const before = transcript.filter(({ _tag }) => _tag === "Said").length
      return Effect.map(answer(input.text, before), (said) => ({
        text: "",
        proposals: [],
        inputTokens: 0,
        outputTokens: 0,
        ...said
      }))
    }
  })

const refused = ({ headers, json, status }: Kit.Answer, limit: string, maximum: number) => {
  assert.strictEqual(status, 429)
  assert.deepInclude(json, { code: "LimitReached", limit, maximum, retryable: true })
  assert.strictEqual(headers["retry-after"], "1")
}

/** A turn in a session of its own. */
const start = Effect.fnUntraced(function* (key: string, input: string, as: Kit.Name = "owner") {
  const { post } = yield* Kit.Caller
  const { sessionId } = (yield* post("/v1/sessions", { as, key: `s-${key}` })).json
  return yield* post(`/v1/sessions/${sessionId}/turns`, { as, key, body: { input } })
})

const ended = (turn: Kit.Answer) =>
  Effect.flatMap(Kit.Caller, ({ get }) =>
    Effect.map(get(`/v1/turns/${turn.json.turnId}?waitMillis=20000`), ({ json }) => [json.status, json.failure])
  )

const propose = Effect.fnUntraced(function* (key: string, tool = "look", as: Kit.Name = "owner") {
  const { post } = yield* Kit.Caller
  const { sessionId } = (yield* post("/v1/sessions", { as, key: "session" })).json
  return yield* post(`/v1/sessions/${sessionId}/actions`, { as, key, body: { tool, arguments: { text: key } } })
})

/** Something that holds whoever comes, until it is opened for that name. */
const gate = () => {
  const doors = new Map<string, Deferred.Deferred<void>>()
  const of = (name: string) => {
    const door = doors.get(name) ?? Deferred.makeUnsafe<void>()
    doors.set(name, door)
    return door
  }
  const held = new Set<string>()
  let most = 0
  const hold = (name: string) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        held.add(name)
        most = Math.max(most, held.size)
      }),
      () => Deferred.await(of(name)),
      () => Effect.sync(() => void held.delete(name))
    )
  const holds = (...names: ReadonlyArray<string>) =>
    Effect.eventually(
      Effect.suspend(() =>
        names.length === held.size && names.every((name) => held.has(name)) ? Effect.void : Effect.fail("not yet")
      )
    )
  return { hold, holds, held, most: () => most, open: (name: string) => Deferred.succeed(of(name), undefined) }
}

const serve = (world: World.World) => Layer.fresh(Kit.serve(world))

describe("a turn", () => {
  it.live("ends by itself with its last step, and with StepsSpent where it would take one more", () => {
    // So many answers that propose, then one that does not.
    const responder = model((input, before) =>
      Effect.succeed(
        before < Number(input)
          ? { proposals: [{ callId: `c${before}`, tool: "look", arguments: { text: `${input}.${before}` } }] }
          : { text: "done" }
      )
    )
    const world = World.make({ settings: { turnStepsMax: 2 }, responder })
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* ended(yield* start("fits", "1")), ["Completed", null])
      assert.deepStrictEqual(yield* ended(yield* start("over", "2")), ["Failed", "StepsSpent"])
      assert.deepStrictEqual(world.done, ["look 1.0", "look 2.0"], "nothing of the last step ran")
    }).pipe(Effect.provide(serve(world)))
  })

  it.live("ends by itself with its last token, and with TokensSpent where it used one more", () => {
    const responder = model((input, before) => {
      const call = { callId: "c", tool: "look", arguments: { text: input } }
      return Effect.succeed(
        before === 0
          ? { proposals: [call], inputTokens: 3, outputTokens: 4 }
          : { inputTokens: 2, outputTokens: Number(input) }
      )
    })
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* ended(yield* start("fits", "1")), ["Completed", null])
      assert.deepStrictEqual(yield* ended(yield* start("over", "2")), ["Failed", "TokensSpent"])
    }).pipe(Effect.provide(serve(World.make({ settings: { turnTokensMax: 10 }, responder }))))
  })

  it.effect("whose model is stuck ends with Timeout when its time is over, and not before; so does one in line", () => {
    const { hold, holds } = gate()
    const settings = { turnTimeoutMillis: 5_000, turnsInFlightMax: 1 }
    const world = World.make({ settings, responder: model((input) => Effect.as(hold(input), {})) })
    return Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const stuck = yield* start("stuck", "stuck")
      yield* holds("stuck")
      const waits = yield* start("waits", "waits")
      const look = Effect.forEach([stuck, waits], ({ json }) =>
        Effect.map(get(`/v1/turns/${json.turnId}`), ({ json }) => [json.status, json.failure])
      )
      yield* TestClock.adjust(4_999)
      assert.deepStrictEqual(yield* look, [
        ["Running", null],
        ["Running", null]
      ])
      yield* TestClock.adjust(1)
      const over = yield* Effect.repeat(look, { until: (all) => all.every(([status]) => status !== "Running") })
      assert.deepStrictEqual(over, [
        ["Failed", "Timeout"],
        ["Failed", "Timeout"]
      ])
      yield* holds()
    }).pipe(Effect.provide(serve(world)))
  })
})

describe("a limit of turns worked on at once", () => {
  it.live("is kept: the next waits in line, the one after is told to come back, and one that ends makes room", () => {
    const { hold, holds, most, open } = gate()
    const world = World.make({
      settings: { turnsInFlightMax: 2, turnsWaitingMax: 1 },
      responder: model((input) => Effect.as(hold(input), {}))
    })
    return Effect.gen(function* () {
      const first = yield* start("a", "a")
      yield* holds("a")
      yield* start("b", "b")
      yield* holds("a", "b")
      const third = yield* start("c", "c")
      assert.strictEqual(third.status, 202)
      refused(yield* start("d", "d"), "turnsWaiting", 1)
      assert.strictEqual((yield* start("a", "a")).status, 202, "who was let in before is told so again")
      refused(yield* start("d", "d"), "turnsWaiting", 1)
      yield* open("a")
      assert.deepStrictEqual(yield* ended(first), ["Completed", null])
      yield* holds("b", "c")
      const fourth = yield* Effect.repeat(start("d", "d"), { until: ({ status }) => status === 202 })
      assert.strictEqual((yield* start("a", "a")).status, 202, "also where it is over, and nobody else is let in")
      for (const name of ["b", "c", "d"]) yield* open(name)
      for (const turn of [third, fourth]) assert.deepStrictEqual(yield* ended(turn), ["Completed", null])
      assert.strictEqual(most(), 2)
    }).pipe(Effect.provide(serve(world)))
  })

  it.live("is not passed by many who come at once", () => {
    const { hold } = gate()
    const settings = { turnsInFlightMax: 2, turnsWaitingMax: 1 }
    const world = World.make({ settings, responder: model((input) => Effect.as(hold(input), {})) })
    return Effect.gen(function* () {
      const all = yield* Effect.forEach(Array.from({ length: 20 }).keys(), (index) => start(`${index}`, `${index}`), {
        concurrency: "unbounded"
      })
      assert.strictEqual(all.filter(({ status }) => status === 202).length, 3)
      assert.strictEqual(all.filter(({ status }) => status === 429).length, 17)
    }).pipe(Effect.provide(serve(world)))
  })

  it.live("has room again where a turn is cancelled before anybody looked at it", () => {
    const world = World.make({ settings: { turnsInFlightMax: 1, turnsWaitingMax: 0 } })
    return Effect.gen(function* () {
      const gateway = yield* Gateway
      const sessionId = yield* World.session()
      for (let round = 0; round < 50; round++) {
        const turn = yield* Effect.eventually(gateway.startTurn(World.owner, `t${round}`, sessionId, "say hello"))
        yield* Effect.ignore(gateway.cancelTurn(World.owner, `c${round}`, turn.body.turnId, null))
      }
    }).pipe(Effect.provide(Layer.fresh(world.layer)))
  })

  it.live("does not count who waits for a person", () => {
    const world = World.make({ settings: { turnsInFlightMax: 1, turnsWaitingMax: 0 } })
    return Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      for (const name of ["a", "b"]) {
        assert.strictEqual((yield* start(name, 'call note {"text":"x"}')).status, 202)
        yield* Effect.repeat(get("/v1/confirmations"), {
          until: ({ json }) => json.items.length === (name === "a" ? 1 : 2)
        })
      }
      assert.deepStrictEqual(yield* ended(yield* start("c", "say hello")), ["Completed", null])
    }).pipe(Effect.provide(serve(world)))
  })
})

describe("a limit of tools that run at once", () => {
  it.live("is kept: the next waits unclaimed, the one after is told to come back, and one that ends makes room", () => {
    const { hold, holds, most, open } = gate()
    const world = World.make({ settings: { toolsInFlightMax: 2, toolsWaitingMax: 1 } }, hold)
    return Effect.gen(function* () {
      const { get, post } = yield* Kit.Caller
      const first = yield* propose("a")
      yield* propose("b")
      yield* holds("a", "b")
      const third = yield* propose("c")
      assert.deepInclude(third.json, { status: "Approved" })
      refused(yield* propose("d"), "toolsWaiting", 1)
      refused(yield* propose("e", "note"), "toolsWaiting", 1)
      refused(yield* start("t", "say hello"), "toolsWaiting", 1)
      assert.strictEqual((yield* propose("a")).status, 201, "who was let in before is told so again")
      refused(yield* propose("d"), "toolsWaiting", 1)
      assert.deepInclude((yield* get(`/v1/actions/${third.json.actionId}`)).json, { status: "Approved" })
      yield* open("a")
      assert.deepInclude((yield* get(`/v1/actions/${first.json.actionId}?waitMillis=20000`)).json, {
        status: "Executed"
      })
      yield* holds("b", "c")
      // What waits for a person waits in no line.
      const asked = yield* Effect.repeat(propose("e", "note"), { until: ({ status }) => status === 201 })
      assert.strictEqual((yield* propose("d")).status, 201)
      refused(yield* propose("f"), "toolsWaiting", 1)
      assert.strictEqual((yield* propose("a")).status, 201, "also where it is over, and nobody else is let in")
      yield* post(`/v1/confirmations/${asked.json.confirmationId}/deny`, { key: "no" })
      for (const name of ["b", "c", "d"]) yield* open(name)
      yield* get(`/v1/actions/${third.json.actionId}?waitMillis=20000`)
      assert.strictEqual(most(), 2)
    }).pipe(Effect.provide(serve(world)))
  })

  it.live("does not count what agents run elsewhere", () => {
    const all = { "all.cedar": '@id("all") permit (principal, action, resource);' }
    const world = World.make({ settings: { toolsInFlightMax: 1, toolsWaitingMax: 0 }, policies: all })
    return Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const tool = { name: "deploy", description: "Deploys.", inputSchema: Kit.remoteSchema }
      assert.strictEqual((yield* post("/v1/tools", { as: "robot", key: "tool", body: tool })).status, 201)
      for (const name of ["a", "b", "c"]) {
        const asked = yield* Effect.repeat(propose(name, "deploy"), { until: ({ status }) => status === 201 })
        assert.deepInclude(asked.json, { status: "Approved" })
      }
    }).pipe(Effect.provide(serve(world)))
  })

  it.live("counts what this process runs: what another one claimed keeps no room here", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(VolatileEventStore.layer)
      const settings = { toolsInFlightMax: 1, toolsWaitingMax: 0 }
      const lives = yield* Effect.forEach([gate(), gate()], (gate) =>
        Effect.map(Layer.build(Layer.fresh(World.make({ settings }, gate.hold).over(store))), (life) => ({
          gate,
          life
        }))
      )
      const sessionId = yield* Effect.provideContext(World.session(), lives[0]!.life)
      const ask = ({ life }: (typeof lives)[number], text: string) =>
        Context.get(life, Gateway).propose(World.owner, text, { sessionId, tool: "look", arguments: { text } })
      yield* ask(lives[0]!, "a")
      yield* Effect.eventually(
        Effect.suspend(() => (lives.some(({ gate }) => gate.held.has("a")) ? Effect.void : Effect.fail("not yet")))
      )
      const other = lives.find(({ gate }) => !gate.held.has("a"))!
      yield* Effect.eventually(ask(other, "b"))
      yield* other.gate.holds("b")
      for (const { gate } of lives) yield* Effect.forEach(["a", "b"], gate.open)
    }).pipe(Effect.scoped)
  )

  it.live("is what a deployment says, also where that is more than the default", () => {
    const { hold, holds, open } = gate()
    const world = World.make({ settings: { toolsInFlightMax: 17 } }, hold)
    const names = Array.from({ length: 17 }, (_, index) => `${index}`)
    return Effect.gen(function* () {
      yield* Effect.forEach(names, (name) => propose(name), { concurrency: "unbounded" })
      yield* holds(...names)
      yield* Effect.forEach(names, open)
    }).pipe(Effect.provide(serve(world)))
  })
})

describe("a share of the lines", () => {
  it.live(
    "is one principal's own: what it has at work and in line is counted, others are let in, and one that ends makes room",
    () => {
      const [tools, turns] = [gate(), gate()]
      const responder = model((input) => Effect.as(turns.hold(input), { text: "done" }))
      const settings = { toolsInFlightMax: 1, toolsPerPrincipalMax: 2, turnsInFlightMax: 1, turnsPerPrincipalMax: 2 }
      const world = World.make({ settings, responder }, tools.hold)
      return Effect.gen(function* () {
        const { get } = yield* Kit.Caller
        const first = yield* propose("a")
        yield* propose("b")
        yield* tools.holds("a")
        refused(yield* propose("c"), "toolsPerPrincipal", 2)
        assert.strictEqual((yield* propose("b")).status, 201, "who was let in before is told so again")
        assert.strictEqual((yield* propose("x", "look", "ana")).status, 201)
        yield* tools.open("a")
        yield* get(`/v1/actions/${first.json.actionId}?waitMillis=20000`)
        assert.strictEqual((yield* Effect.repeat(propose("c"), { until: ({ status }) => status === 201 })).status, 201)
        refused(yield* propose("d"), "toolsPerPrincipal", 2)

        const turn = yield* start("1", "1")
        yield* start("2", "2")
        yield* turns.holds("1")
        refused(yield* start("3", "3"), "turnsPerPrincipal", 2)
        assert.strictEqual((yield* start("4", "4", "ana")).status, 202)
        yield* turns.open("1")
        assert.deepStrictEqual(yield* ended(turn), ["Completed", null])
        yield* Effect.repeat(start("3", "3"), { until: ({ status }) => status === 202 })
        for (const name of ["b", "x", "c"]) yield* tools.open(name)
        for (const name of ["2", "3", "4"]) yield* turns.open(name)
      }).pipe(Effect.provide(serve(world)))
    }
  )

  it.live("is not taken by what an agent runs elsewhere, and given back by what waits for a person", () => {
    const policies = {
      "all.cedar": `
@id("most") permit (principal, action, resource) when { action != Action::"note" };
@id("note") @gate("human") permit (principal, action == Action::"note", resource);`
    }
    const { hold, holds, open } = gate()
    const world = World.make({ settings: { toolsInFlightMax: 1, toolsPerPrincipalMax: 1 }, policies }, hold)
    return Effect.gen(function* () {
      const { post } = yield* Kit.Caller
      const tool = { name: "deploy", description: "Deploys.", inputSchema: Kit.remoteSchema }
      assert.strictEqual((yield* post("/v1/tools", { as: "robot", key: "tool", body: tool })).status, 201)
      for (const name of ["a", "b"]) assert.strictEqual((yield* propose(name, "deploy")).status, 201)
      for (const name of ["c", "d"]) assert.deepInclude((yield* propose(name, "note")).json, { status: "Pending" })
      assert.strictEqual((yield* propose("e")).status, 201)
      yield* holds("e")
      refused(yield* propose("f"), "toolsPerPrincipal", 1)
      assert.strictEqual((yield* propose("g", "deploy")).status, 201, "however full the line is")
      yield* open("e")
    }).pipe(Effect.provide(serve(world)))
  })
})
