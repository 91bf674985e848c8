/** The typed client and the agent's side of a remote tool, over the real door. */
import { assert, layer } from "@effect/vitest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Tool from "effect/ai/Tool"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Client from "#layers/client/Client.ts"
import * as RemoteTool from "#layers/client/RemoteTool.ts"
import type { ActionId } from "#src/kernel/Ids.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Remote from "./remote-kit.ts"

type Send = HttpClient.HttpClient["execute"]

/** The robot's client over a line on which a request meets `line` first. It sends nothing again by itself. */
const robotOver = Effect.fnUntraced(function* (line: (send: Send, ...request: Parameters<Send>) => ReturnType<Send>) {
  const { url } = yield* Kit.Caller
  const http = yield* HttpClient.HttpClient
  const meddled = HttpClient.make((request) => line(http.execute, request))
  const options = { url, token: Redacted.make(Kit.tokenOf("robot")), retriesMax: 0 }
  return yield* Effect.provideService(Client.make(options), HttpClient.HttpClient, meddled)
})

const cut: Send = (request) =>
  Effect.fail(new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request }) }))

/** What the service says with that status. */
const refusal =
  (status: 401 | 403 | 409, code: string): Send =>
  (request) => {
    const type = `urn:keelson:problem:${code.toLowerCase()}`
    const body = { type, title: code, status, detail: code, instance: "urn:uuid:0", code, retryable: false }
    const headers = { "content-type": "application/problem+json" }
    return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(body, { status, headers })))
  }

const asksForWork = (request: HttpClientRequest.HttpClientRequest) => request.url.endsWith("/v1/actions")

/** Serves until its scope ends; answers what it logs, with the level before it. */
const served = Effect.fnUntraced(function* (...serve: Parameters<typeof RemoteTool.serve>) {
  const log: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => void log.push(`${logLevel} ${String(message)}`))
  const serving = yield* RemoteTool.serve(...serve).pipe(Effect.provide(Logger.layer([logger])), Effect.forkScoped)
  return { log, serving }
})

const levels = (log: ReadonlyArray<string>) => log.map((line) => line.split(" ")[0])

/** As `serve` declares it. */
const declare = (
  client: Client.Client,
  { description, idempotent, inputSchema, leaseMillis, name }: RemoteTool.RemoteTool
) =>
  client.tools.declare({
    headers: Client.fresh(),
    payload: { name, description, inputSchema, idempotent, leaseMillis }
  })

layer(Layer.merge(Kit.serve(World.make()), NodeHttpClient.layerUndici), { excludeTestServices: true })(
  "a tool served by the client",
  (it) => {
    it.effect(
      "runs what was approved, longer than a lease where its heart beats, though a beat is lost",
      () =>
        Effect.gen(function* () {
          let beats = 0
          const robot = yield* robotOver((send, request) =>
            request.url.endsWith("/heartbeat") && ++beats === 1 ? cut(request) : send(request)
          )
          const goOn = yield* Deferred.make<void>()
          const tool = RemoteTool.make(
            Remote.Far("far.slow"),
            ({ text }) => Effect.as(Deferred.await(goOn), { kept: text }),
            {
              leaseMillis: 5_000
            }
          )
          const serving = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 50 }))
          const { actionId, owner } = yield* Remote.approved("far.slow")
          const look = owner.actions.get({ params: { actionId }, query: {} })
          const lease = Effect.flatMap(look, ({ deadlineAt, status }) =>
            status === "Claimed" ? Effect.succeed(Date.parse(deadlineAt!)) : Effect.fail(status)
          )
          const first = yield* Effect.eventually(lease)
          yield* Effect.repeat(lease, { until: (untilMillis) => untilMillis > first + 5_000 })
          yield* Deferred.succeed(goOn, undefined)
          assert.deepInclude(yield* Remote.ended(owner, actionId), { status: "Executed", output: { kept: "x" } })
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    it.effect(
      "tells what failed, and what was no result, by codes",
      () =>
        Effect.gen(function* () {
          const robot = yield* Remote.clientOf("robot")
          const tools = [
            RemoteTool.make(Remote.Far("far.no"), () => Effect.fail(RemoteTool.failed("HostUnreachable", "no answer"))),
            RemoteTool.make(Remote.Far("far.bug"), () => Effect.die(new Error("the words of a bug"))),
            RemoteTool.make(Remote.Far("far.odd"), () => Effect.succeed({ kept: 1 } as never))
          ]
          const serving = yield* Effect.forkChild(RemoteTool.serve(robot, tools, { pauseMillis: 50 }))
          for (const [name, code] of [
            ["far.no", "HostUnreachable"],
            ["far.bug", "Defect"],
            ["far.odd", "OutputInvalid"]
          ] as const) {
            const { actionId, owner } = yield* Remote.approved(name)
            const found = yield* Remote.ended(owner, actionId)
            assert.deepInclude(found, { status: "Failed", code })
            assert.notInclude(JSON.stringify(found), "the words of a bug")
          }
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    it.effect(
      "is stopped with everything, and says so",
      () =>
        Effect.gen(function* () {
          const robot = yield* Remote.clientOf("robot")
          const began = yield* Deferred.make<void>()
          let interrupted = false
          const tool = RemoteTool.make(
            Remote.Far("far.held"),
            () =>
              Deferred.succeed(began, undefined).pipe(
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() => Effect.sync(() => void (interrupted = true)))
              ),
            { leaseMillis: 5_000 }
          )
          const serving = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 50 }))
          const { actionId, owner } = yield* Remote.approved("far.held")
          yield* Deferred.await(began)
          yield* owner.halt.halt({ headers: Client.fresh(), payload: { reason: "a drill", cancelRunning: true } })
          assert.deepInclude(yield* Remote.ended(owner, actionId), { status: "Failed", code: "Cancelled" })
          assert.isTrue(interrupted)
          yield* owner.halt.resume({ headers: Client.fresh(), payload: {} })
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    it.effect(
      "is interrupted with its runs, and never runs again what an earlier life of it had claimed",
      () =>
        Effect.gen(function* () {
          const robot = yield* Remote.clientOf("robot")
          let [runs, interrupted] = [0, 0]
          const began = yield* Deferred.make<void>()
          const tool = RemoteTool.make(
            Remote.Far("far.dies"),
            () =>
              Effect.sync(() => void (runs += 1)).pipe(
                Effect.andThen(Deferred.succeed(began, undefined)),
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() => Effect.sync(() => void (interrupted += 1)))
              ),
            { leaseMillis: 5_000 }
          )
          const first = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 50 }))
          const { actionId, owner } = yield* Remote.approved("far.dies")
          yield* Deferred.await(began)
          yield* Fiber.interrupt(first)
          assert.strictEqual(interrupted, 1)
          const second = yield* Effect.forkChild(RemoteTool.serve(robot, [tool], { pauseMillis: 50 }))
          assert.strictEqual((yield* Remote.ended(owner, actionId)).status, "Unknown")
          assert.strictEqual(runs, 1)
          yield* Fiber.interrupt(second)
        }),
      30_000
    )

    it.effect(
      "runs what is approved while another runs",
      () =>
        Effect.gen(function* () {
          const robot = yield* Remote.clientOf("robot")
          const goOn = yield* Deferred.make<void>()
          const tools = [
            RemoteTool.make(Remote.Far("far.long"), ({ text }) => Effect.as(Deferred.await(goOn), { kept: text })),
            RemoteTool.make(Remote.Far("far.short"), ({ text }) => Effect.succeed({ kept: text }))
          ]
          const serving = yield* Effect.forkChild(RemoteTool.serve(robot, tools, { pauseMillis: 50 }))
          const long = yield* Remote.approved("far.long")
          const look = long.owner.actions.get({ params: { actionId: long.actionId }, query: {} })
          const status = Effect.map(look, (found) => found.status)
          yield* Effect.repeat(status, { until: (found) => found === "Claimed" })
          const short = yield* Remote.approved("far.short")
          assert.strictEqual((yield* Remote.ended(short.owner, short.actionId, 5_000)).status, "Executed")
          assert.strictEqual(yield* status, "Claimed")
          yield* Deferred.succeed(goOn, undefined)
          assert.strictEqual((yield* Remote.ended(long.owner, long.actionId)).status, "Executed")
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    it.effect(
      "runs as many at once as it was told, the first approved first",
      () =>
        Effect.gen(function* () {
          const robot = yield* Remote.clientOf("robot")
          const begun: Array<ActionId> = []
          const goOn = yield* Deferred.make<void>()
          const tool = RemoteTool.make(Remote.Far("far.turns"), ({ text }, { actionId }) =>
            Effect.sync(() => void begun.push(actionId)).pipe(
              Effect.andThen(Deferred.await(goOn)),
              Effect.as({ kept: text })
            )
          )
          yield* declare(robot, tool)
          const waiting = [
            yield* Remote.approved("far.turns"),
            yield* Remote.approved("far.turns"),
            yield* Remote.approved("far.turns")
          ]
          // Each look is one more chance to begin too many.
          let looks = 0
          const counting = yield* robotOver((send, request) => {
            if (asksForWork(request)) looks += 1
            return send(request)
          })
          const serving = yield* Effect.forkChild(
            RemoteTool.serve(counting, [tool], { concurrency: 2, pauseMillis: 10 })
          )
          yield* Effect.eventually(Effect.suspend(() => (begun.length === 2 ? Effect.void : Effect.fail("not yet"))))
          const before = looks
          yield* Effect.eventually(Effect.suspend(() => (looks > before + 5 ? Effect.void : Effect.fail("not yet"))))
          assert.deepStrictEqual(
            [...begun].sort(),
            waiting
              .slice(0, 2)
              .map(({ actionId }) => actionId)
              .sort()
          )
          yield* Deferred.succeed(goOn, undefined)
          for (const { actionId, owner } of waiting) {
            assert.strictEqual((yield* Remote.ended(owner, actionId)).status, "Executed")
          }
          assert.strictEqual(begun.length, 3)
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    it.effect(
      "finds its work behind pages of work that another process does",
      () =>
        Effect.gen(function* () {
          const paged = yield* robotOver((send, request) =>
            send(asksForWork(request) ? HttpClientRequest.setUrlParam(request, "limit", "20") : request)
          )
          const keep = (name: string) => RemoteTool.make(Remote.Far(name), ({ text }) => Effect.succeed({ kept: text }))
          const [mine, others] = [keep("far.mine"), keep("far.others")]
          yield* declare(paged, mine)
          yield* declare(paged, others)
          const { actionId, owner } = yield* Remote.approved("far.mine")
          for (let one = 0; one < 51; one++) yield* Remote.approved("far.others")
          const serving = yield* Effect.forkChild(RemoteTool.serve(paged, [mine], { pauseMillis: 50 }))
          assert.strictEqual((yield* Remote.ended(owner, actionId, 5_000)).status, "Executed")
          yield* Fiber.interrupt(serving)
        }),
      30_000
    )

    for (const [how, name, deaf] of [
      ["can't be listened to", "far.deaf.1", cut],
      ["announces nothing to it", "far.deaf.2", refusal(403, "Forbidden")]
    ] as const satisfies ReadonlyArray<readonly [string, string, Send]>) {
      it.effect(`finds its work by looking where the service ${how}`, () =>
        Effect.gen(function* () {
          const robot = yield* robotOver((send, request) =>
            request.url.endsWith("/v1/events/stream") ? deaf(request) : send(request)
          )
          const tool = RemoteTool.make(Remote.Far(name), ({ text }) => Effect.succeed({ kept: text }))
          yield* served(robot, [tool], { pauseMillis: 50 })
          const { actionId, owner } = yield* Remote.approved(name)
          assert.strictEqual((yield* Remote.ended(owner, actionId, 5_000)).status, "Executed")
        })
      )
    }

    for (const [deed, name, path] of [
      ["declares its tools", "far.patient.1", "/v1/tools"],
      ["looks for work", "far.patient.2", "/v1/actions"],
      ["claims", "far.patient.3", "/claim"],
      ["reports", "far.patient.4", "/outcome"]
    ] as const) {
      it.effect(
        `outlives an outage while it ${deed}, says once that it began and once that it is over`,
        () =>
          Effect.gen(function* () {
            let asked = 0
            const robot = yield* robotOver((send, request) =>
              request.url.endsWith(path) && ++asked < 5 ? cut(request) : send(request)
            )
            const tool = RemoteTool.make(Remote.Far(name), ({ text }) => Effect.succeed({ kept: text }))
            const { log, serving } = yield* served(robot, [tool], { pauseMillis: 10 })
            const work = Effect.gen(function* () {
              const { actionId, owner } = yield* Remote.approved(name)
              assert.strictEqual((yield* Remote.ended(owner, actionId, 5_000)).status, "Executed")
            })
            yield* Effect.raceFirst(work, Fiber.join(serving))
            yield* Effect.eventually(Effect.suspend(() => (log.length < 2 ? Effect.fail("not yet") : Effect.void)))
            assert.deepStrictEqual(levels(log), ["Warn", "Info"])
          }),
        30_000
      )
    }

    for (const [status, code] of [
      [401, "Unauthenticated"],
      [403, "Forbidden"]
    ] as const) {
      it.effect(
        `ends where the service refuses it: ${status}`,
        () =>
          Effect.gen(function* () {
            const robot = yield* robotOver((send, request) =>
              asksForWork(request) ? refusal(status, code)(request) : send(request)
            )
            const tool = RemoteTool.make(Remote.Far("far.refused"), ({ text }) => Effect.succeed({ kept: text }))
            const ended = yield* Effect.flip(RemoteTool.serve(robot, [tool]))
            assert.deepInclude(ended, { _tag: "RemoteServeRefused", status, code })
            assert.match(ended.message, new RegExp(`the service refuses this agent.*: ${code}, `))
          }),
        30_000
      )
    }

    it.effect(
      "ends where a tool is not taken as it is declared",
      () =>
        Effect.gen(function* () {
          const robot = yield* Remote.clientOf("robot")
          const keep = (idempotent: boolean) =>
            RemoteTool.make(Remote.Far("far.other").annotate(Tool.Idempotent, idempotent), ({ text }) =>
              Effect.succeed({ kept: text })
            )
          yield* declare(robot, keep(true))
          const ended = yield* Effect.flip(RemoteTool.serve(robot, [keep(false)]))
          assert.deepInclude(ended, { _tag: "RemoteServeRefused", tool: "far.other", status: 409 })
          assert.include(ended.message, "the service refuses the tool far.other: ")
        }),
      30_000
    )

    for (const [name, how, lost] of [
      ["never answers", "far.silent", () => Effect.never],
      ["can't be reached", "far.cut", cut],
      ["says that it is over", "far.over", refusal(409, "Conflict")]
    ] as const satisfies ReadonlyArray<readonly [string, string, Send]>) {
      it.effect(
        `stops within the lease and claims no outcome where the service ${name}`,
        () =>
          Effect.gen(function* () {
            const robot = yield* robotOver((send, request) =>
              request.url.endsWith("/heartbeat") ? lost(request) : send(request)
            )
            let stoppedAtMillis = Number.POSITIVE_INFINITY
            const tool = RemoteTool.make(
              Remote.Far(how),
              () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (stoppedAtMillis = Date.now()))),
              { leaseMillis: 5_000 }
            )
            const { log } = yield* served(robot, [tool], { pauseMillis: 50 })
            const { actionId, owner } = yield* Remote.approved(how)
            const lease = yield* Effect.eventually(
              Effect.flatMap(owner.actions.get({ params: { actionId }, query: {} }), ({ deadlineAt, status }) =>
                status === "Claimed" ? Effect.succeed(Date.parse(deadlineAt!)) : Effect.fail(status)
              )
            )
            const found = yield* Remote.ended(owner, actionId)
            assert.deepInclude(found, { status: "Unknown", code: null, output: null })
            assert.isBelow(stoppedAtMillis, lease)
            assert.deepStrictEqual(levels(log), ["Warn"])
          }),
        30_000
      )
    }
  }
)
