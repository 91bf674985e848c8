/** The service in numbers: two forms of the same, for the operator alone. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { prometheusType } from "#layers/edge/api/MetricsApi.ts"
import { ActionId } from "#src/kernel/Ids.ts"
import type { Permit } from "#src/kernel/Permit.ts"
import { ToolExecutor } from "#src/ports/ToolExecutor.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

/** Numbers that asking for numbers changes. */
const restless = /^(http_|trace_)/

/** `name{a="b"} 1` lines as a map from the part before the number. */
const linesOf = (text: string): Map<string, number> =>
  new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))])
  )

const labelled = (name: string, labels: { readonly [name: string]: string }): string => {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
  return parts.length === 0 ? name : `${name}{${parts.join(",")}}`
}

/** The JSON form written as the text form would be. */
const flattened = (items: ReadonlyArray<any>): Map<string, number> => {
  const lines = new Map<string, number>()
  for (const { name, series, type } of items) {
    for (const one of series) {
      if (type !== "histogram") {
        lines.set(labelled(name, one.labels), one.value)
        continue
      }
      for (const { atMost, count } of one.buckets) {
        lines.set(labelled(`${name}_bucket`, { ...one.labels, le: String(atMost) }), count)
      }
      lines.set(labelled(`${name}_bucket`, { ...one.labels, le: "+Inf" }), one.count)
      lines.set(labelled(`${name}_sum`, one.labels), one.sum)
      lines.set(labelled(`${name}_count`, one.labels), one.count)
    }
  }
  return lines
}

const quiet = (lines: Map<string, number>) => Object.fromEntries([...lines].filter(([name]) => !restless.test(name)))

const registry = Layer.sync(Metric.MetricRegistry, () => new Map())

layer(Kit.serve(World.make()).pipe(Layer.provideMerge(registry)), { excludeTestServices: true })(
  "the numbers",
  (it) => {
    const numbers = Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const answer = yield* get("/v1/metrics")
      assert.strictEqual(answer.status, 200, answer.text)
      return flattened(answer.json.items)
    })

    it.effect("count what happened: appends, what waits, refusals by kind, bypasses", () =>
      Effect.gen(function* () {
        const { get, post } = yield* Kit.Caller
        const { sessionId } = (yield* post("/v1/sessions", { key: "s", body: {} })).json
        const propose = (key: string, tool: string, text = "x") =>
          post(`/v1/sessions/${sessionId}/actions`, { key, body: { tool, arguments: { text } } })
        const before = yield* numbers
        const ran = (yield* propose("p1", "look")).json
        yield* get(`/v1/actions/${ran.actionId}?waitMillis=20000`)
        yield* propose("p2", "note")
        yield* propose("p3", "nothing")
        yield* post("/v1/sessions", { key: "s", body: { title: "another" } })
        const executor = yield* ToolExecutor
        const forged = { fields: { actionId: ActionId.make(ran.actionId) } } as unknown as Permit
        yield* Effect.flip(executor.execute(forged))
        // What the store is asked for may be half a second old.
        const after = yield* Effect.eventually(
          Effect.filterOrFail(numbers, (lines) => lines.get("bypasses_recorded") === 1)
        )
        const more = (line: string) => (after.get(line) ?? 0) - (before.get(line) ?? 0)
        assert.isAtLeast(more("event_store_append_duration_seconds_count"), 5)
        assert.isAtLeast(more('event_store_appends_total{outcome="Committed"}'), 5)
        assert.isAbove(after.get("event_store_append_duration_seconds_sum") ?? 0, 0)
        assert.strictEqual(after.get("confirmations_pending"), 1)
        assert.strictEqual(more('gateway_refusals_total{kind="UnknownTool"}'), 1)
        assert.strictEqual(more('actor_errors_total{reason="KeyReused"}'), 1)
        assert.strictEqual(more('http_problems_total{code="UnknownTool"}'), 1)
        assert.strictEqual(more('permits_refused_total{reason="Forged"}'), 1)
        assert.strictEqual(more('tool_runs_total{outcome="Executed"}'), 1)
        assert.strictEqual(more('tool_runs_total{outcome="PermitRefused"}'), 1)
        assert.strictEqual(
          more('http_request_duration_seconds_count{route="/v1/sessions/:sessionId/actions",status="2xx"}'),
          2
        )
        const all = yield* get("/v1/events?limit=200")
        assert.strictEqual(after.get("journal_head_position"), all.json.items.length)
      })
    )

    it.effect("are there before anything is wrong, as zero", () =>
      Effect.gen(function* () {
        const there = yield* Effect.eventually(
          Effect.filterOrFail(numbers, (lines) => lines.get("dispatcher_lag_events") === 0)
        )
        for (const name of [
          "halted",
          "streams_isolated",
          "actor_mailbox_depth",
          "actor_mailbox_depth_max",
          'process_down{of="dispatcher"}',
          'restart_budget_used{of="dispatcher"}',
          'restart_budget_used{of="timekeeper"}'
        ]) {
          assert.strictEqual(there.get(name), 0, name)
        }
        assert.strictEqual(there.get("restart_budget"), 5)
      })
    )

    it.effect("say that a person stopped everything, for as long as that stands", () =>
      Effect.gen(function* () {
        const { post } = yield* Kit.Caller
        const halted = Effect.map(numbers, (lines) => lines.get("halted"))
        assert.strictEqual(yield* halted, 0)
        assert.strictEqual((yield* post("/v1/halt", { key: "h", body: { reason: "look" } })).status, 200)
        assert.strictEqual(yield* halted, 1)
        assert.strictEqual((yield* post("/v1/resume", { key: "r", body: {} })).status, 200)
        yield* Effect.eventually(Effect.filterOrFail(halted, (value) => value === 0))
      })
    )

    it.effect("are the same in both forms", () =>
      Effect.gen(function* () {
        const { get } = yield* Kit.Caller
        const json = quiet(yield* numbers)
        const answer = yield* get("/metrics")
        assert.strictEqual(answer.headers["content-type"], prometheusType)
        assert.deepStrictEqual(quiet(linesOf(answer.text)), json)
        assert.isAbove(Object.keys(json).length, 30)
        assert.include(answer.text, "# TYPE event_store_append_duration_seconds histogram")
        assert.include(answer.text, "# HELP halted 1 while a person has stopped all actions.")
      })
    )

    it.effect("are nobody's without the operator's token", () =>
      Effect.gen(function* () {
        const { get } = yield* Kit.Caller
        for (const path of ["/metrics", "/v1/metrics"]) {
          for (const as of ["nobody", "stranger", "bob", "ana", "agent", "robot"] as const) {
            const { json, status, text } = yield* get(path, { as })
            assert.strictEqual(status, as === "nobody" || as === "stranger" ? 401 : 403, `${path} as ${as}`)
            assert.notInclude(text, "event_store")
            assert.isDefined(json.code)
          }
          assert.strictEqual((yield* get(path)).status, 200)
        }
      })
    )
  }
)
