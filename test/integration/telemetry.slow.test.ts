/**
 * The real service (PGlite, files, HTTP), seen from outside: traces from HTTP through the journal into the file and to a
 * collector, and nobody's words in any of it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Canary from "#test/kit/canary.ts"
import * as Collector from "#test/kit/collector.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import { scoped, spansIn, speak, traces, written } from "./telemetry-kit.ts"

const word = "Archaeopteryx-5823-forêt"

const attribute = (span: any, key: string): unknown => {
  const found = span.attributes.find((one: any) => one.key === key)?.value
  return found?.stringValue ?? found?.intValue
}

/** Names from a span up to the first one whose parent is not ours. */
const above = (span: any, all: ReadonlyArray<any>): ReadonlyArray<string> => {
  const parent = all.find(({ spanId, traceId }) => spanId === span.parentSpanId && traceId === span.traceId)
  return parent === undefined ? [span.name] : [span.name, ...above(parent, all)]
}

describe("the trace file", () => {
  it.live(
    "holds one tree per command, whose trace the journal carries on into the work it led to",
    () =>
      scoped(async (folder) => {
        const events = await Service.using({ folder }, async (service) => {
          await speak(service, "hello")
          const { body } = await service.get("/v1/events?limit=200")
          // A stop waits for the disk only briefly; what is asked here is what the file holds, not how fast the disk is.
          await written(folder, { "Gateway.runTurn": 1, "Gateway.runAction": 2 })
          await service.stop()
          return body.items as ReadonlyArray<any>
        })
        const spans = spansIn(folder)
        const eventOf = (type: string) => events.find((event) => event.type === type)
        const [, traceId, spanId] = eventOf("turn.started").traceparent.split("-")
        const tree = spans.filter((span) => span.traceId === traceId)
        const stamped = tree.find((span) => span.spanId === spanId)
        assert.strictEqual(stamped.name, "Gateway.startTurn")
        assert.deepStrictEqual(above(stamped, tree), ["Gateway.startTurn", "POST"])
        const door = tree.find(({ name }) => name === "POST")
        assert.strictEqual(attribute(door, "http.route"), "/v1/sessions/:sessionId/turns")
        assert.strictEqual(Number(attribute(door, "http.response.status_code")), 202)
        // The way of a command: send, decide, append, write; and what the journal then set going, to the tool's end.
        for (const name of [
          "Actors.send",
          "Actor.decide",
          "EventStore.append",
          "EventStore.write",
          "Gateway.runTurn",
          "Gateway.runAction",
          "ToolExecutor.execute",
          "PolicyEngine.decide",
          "Responder.respond"
        ]) {
          const found = tree.find((span) => span.name === name)
          assert.isDefined(found, `${name} in ${[...new Set(tree.map((span) => span.name))].join(", ")}`)
          assert.deepStrictEqual(above(found, tree).slice(-2), ["Gateway.startTurn", "POST"], name)
        }
        // Every event of the turn stands in that trace, the tool's outcome included.
        for (const type of ["turn.started", "turn.completed", "action.claimed", "action.executed"]) {
          assert.strictEqual(eventOf(type).traceparent.split("-")[1], traceId, type)
        }
        assert.isBelow(spans.filter(({ name }) => name === "POST").length, spans.length)
      }),
    180_000
  )

  it.live(
    "goes on in a turn's trace after a restart",
    () =>
      scoped(async (folder) => {
        const options = { folder, policies: `@id("all") @gate("human") permit (principal, action, resource);` }
        const waiting = async (service: Service.Service): Promise<any> => {
          for (;;) {
            const { body } = await service.get("/v1/confirmations")
            if (body.items.length > 0) return body.items[0]
          }
        }
        const turnId = await Service.using(options, async (service) => {
          mkdirSync(service.workspace, { recursive: true })
          writeFileSync(join(service.workspace, "input.txt"), "x")
          const session = await service.post("/v1/sessions", "s", {})
          const turn = await service.post(`/v1/sessions/${session.body.sessionId}/turns`, "t", {
            input: "read input.txt"
          })
          await waiting(service)
          return String(turn.body.turnId)
        })
        const events = await Service.using(options, async (service) => {
          const { confirmationId } = await waiting(service)
          await service.post(`/v1/confirmations/${confirmationId}/approve`, "a", {})
          await service.get(`/v1/turns/${turnId}?waitMillis=20000`)
          const { body } = await service.get(`/v1/events?limit=200&stream=turn:${turnId}`)
          await service.stop()
          return body.items as ReadonlyArray<any>
        })
        const traceIds = events.map(({ traceparent }) => traceparent.split("-")[1])
        assert.strictEqual(events.at(-1).type, "turn.completed")
        assert.lengthOf(new Set(traceIds), 1)
        const runs = spansIn(folder).filter(
          ({ name, traceId }) => name === "Gateway.runTurn" && traceId === traceIds[0]
        )
        assert.isAtLeast(runs.length, 1)
      }),
    180_000
  )

  it.live(
    "is private, can be switched off, and its loss is nobody's",
    () =>
      scoped(async (folder) => {
        await Service.using({ folder, flags: { "trace-file-bytes": 0 } }, async (service) => {
          await service.get("/v1/whoami")
          await service.stop()
        })
        assert.isFalse(existsSync(traces(folder)))
        writeFileSync(traces(folder), "a file where the folder would be")
        await Service.using({ folder }, async (service) => {
          await speak(service, "hello")
          for (;;) {
            const { body } = await service.get("/v1/metrics")
            if (body.items.find(({ name }: any) => name === "trace_file_failing").series[0].value === 1) break
          }
          assert.strictEqual((await service.get("/ready")).status, 200)
          const { code } = await service.stop()
          assert.strictEqual(code, 0)
          assert.match(service.log(), /the trace file can't be written/)
        })
        rmSync(traces(folder))
        await Service.using({ folder }, async (service) => {
          await service.get("/v1/whoami")
          await service.stop()
        })
        assert.deepStrictEqual(
          [traces(folder), join(traces(folder), "trace.jsonl")].map((path) => statSync(path).mode & 0o777),
          [0o700, 0o600]
        )
      }),
    180_000
  )
})

describe("what is seen from outside", () => {
  it.live(
    "holds nobody's words: not the trace file, the collector, the numbers or the log",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const folder = yield* TemporaryFolder.make
          const collector = yield* Collector.make()
          yield* Effect.promise(async () => {
            const environment = {
              OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
              OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
              OTEL_BSP_SCHEDULE_DELAY: "100"
            }
            const seen = await Service.using({ folder, environment }, async (service) => {
              const { sessionId } = await speak(service, word)
              const refused = await service.post(`/v1/sessions/${sessionId}/actions`, "r", {
                tool: "file.write",
                arguments: { path: `../${word}`, content: word, mode: "replace" }
              })
              assert.notStrictEqual(refused.status, 500)
              // A tool that fails speaks of what it was given.
              const failing = await service.post(`/v1/sessions/${sessionId}/actions`, "f", {
                tool: "file.read",
                arguments: { path: `no-${word}.txt` }
              })
              const failed = await service.get(`/v1/actions/${failing.body.actionId}?waitMillis=20000`)
              assert.strictEqual(failed.body.status, "Failed")
              assert.include(JSON.stringify(failed.body), word)
              await service.post(`/v1/sessions/${sessionId}/actions`, word, { tool: word, arguments: { [word]: word } })
              await service.get(`/v1/sessions/${encodeURIComponent(word)}?q=${encodeURIComponent(word)}`)
              await service.get(`/v1/sessions?${encodeURIComponent(word)}=1`)
              await service.get("/v1/whoami", word.replaceAll("ê", "e"))
              const held = await service.post(`/v1/sessions/${sessionId}/actions`, "h", {
                tool: "shell.run",
                arguments: { command: "false", arguments: [word] }
              })
              if (held.body.confirmationId !== undefined) {
                await service.post(`/v1/confirmations/${held.body.confirmationId}/deny`, "d", { reason: word })
              }
              const numbers = [
                (await service.get("/metrics")).body,
                JSON.stringify((await service.get("/v1/metrics")).body)
              ]
              const { token } = service
              await service.stop()
              return { numbers, token, log: service.log() }
            })
            assert.isAbove(spansIn(folder).length, 50)
            assert.isAbove(collector.spans().length, 50)
            const told = [
              ...seen.numbers,
              seen.log,
              ...readdirSync(traces(folder)).map((name) => readFileSync(join(traces(folder), name), "utf8")),
              ...collector.received.map(({ headers, text }) => JSON.stringify(headers) + text)
            ]
            for (const text of told) {
              assert.deepStrictEqual(Canary.inBytes(word, text), [])
              assert.notInclude(text, "Archaeopteryx")
              assert.notInclude(text, seen.token)
            }
            assert.lengthOf(Canary.inBytes(word, `${told[0]} ${word}`), 1, "the search can find it")
          })
        })
      ),
    180_000
  )
})
