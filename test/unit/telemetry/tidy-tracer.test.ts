/** What of a span leaves it, whoever made it. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Tracer from "effect/Tracer"
import * as TidyTracer from "#layers/telemetry/TidyTracer.ts"
import { Refused } from "#src/gateway/Protocol.ts"
import * as Trace from "#src/kernel/Trace.ts"
import { ActorError } from "#src/ports/Actors.ts"
import * as Spans from "#test/kit/spans.ts"

const secret = "canary-71c4"

/** Runs with a tidy tracer; answers what was kept, and the spans inside as an exporter would see them. */
const traced = Effect.fnUntraced(function* (work: Effect.Effect<unknown, unknown>) {
  const kept: Array<TidyTracer.Ended> = []
  const { spans: inside, tracer } = Spans.recording()
  yield* Effect.exit(
    Effect.provideService(
      work,
      Tracer.Tracer,
      TidyTracer.make(tracer, (span) => kept.push(span))
    )
  )
  return { kept, inside }
})

/** Everything that hangs on a span, to be looked through. */
const whole = (value: unknown): string => {
  const seen = new Set<unknown>()
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === "bigint") return String(one)
    if (typeof one !== "object" || one === null) return one
    if (seen.has(one)) return undefined
    seen.add(one)
    if (one instanceof Map) return [...one]
    return one instanceof Error ? { ...one, name: one.name, message: one.message, stack: one.stack } : one
  })
}

describe("a span", () => {
  it("has on its list each attribute of ours that the program sets anywhere", () => {
    const texts = ["src", "layers"].flatMap((room) =>
      readdirSync(room, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && !name.endsWith("TidyTracer.ts"))
        .map((name) => readFileSync(join(room, name), "utf8"))
    )
    const named = texts.flatMap((text) => text.match(/(?<=")keelson\.[\w.]+(?=")/g) ?? [])
    // What a WebSocket's subprotocols are called.
    const set = new Set(named.filter((name) => name !== "keelson.v1" && name !== "keelson.token."))
    assert.includeMembers([...set], ["keelson.request_id", "keelson.connection"])
    const ours = [...TidyTracer.allowed].filter((key) => key.startsWith("keelson."))
    assert.deepStrictEqual([...set].sort(), ours.sort())
  })

  it.effect("carries only attributes of the list, set at its start or later, and no long text", () =>
    Effect.gen(function* () {
      const { inside, kept } = yield* traced(
        Effect.annotateCurrentSpan({
          input: secret,
          "keelson.command": "StartTurn",
          "http.route": "x".repeat(999)
        }).pipe(
          Effect.withSpan("Room.operation", {
            attributes: { "url.full": secret, "http.response.status_code": 200, "keelson.stream": { secret } }
          })
        )
      )
      assert.deepStrictEqual(
        [...kept[0]!.attributes],
        [
          ["http.response.status_code", 200],
          ["keelson.command", "StartTurn"],
          ["http.route", "x".repeat(200)]
        ]
      )
      assert.notInclude(whole({ inside, kept }), secret)
    })
  )

  it.effect("says of a failure its kind alone", () =>
    Effect.gen(function* () {
      const failing = (error: unknown) => Effect.withSpan(Effect.fail(error), "fails")
      const { inside, kept } = yield* traced(
        Effect.gen(function* () {
          const rejection = { _tag: "PolicyDenied", policies: [], reason: secret } as const
          const actor = new ActorError({ reason: "Overloaded", actor: secret, detail: secret, retryable: true })
          yield* Effect.exit(failing(new Refused({ rejection, repeated: false, retryable: false })))
          yield* Effect.exit(failing(actor))
          yield* Effect.exit(failing({ _tag: "ToolFailed", reason: secret }))
          yield* Effect.exit(failing({ _tag: `a ${secret}` }))
          yield* Effect.exit(failing(secret))
          yield* Effect.exit(Effect.withSpan(Effect.die(new TypeError(secret)), "dies"))
          yield* Effect.exit(Effect.withSpan(Effect.interrupt, "ends"))
          yield* Effect.withSpan(Effect.succeed(secret), "answers")
        })
      )
      assert.deepStrictEqual(
        kept.map(({ failure }) => failure),
        [
          "Refused.PolicyDenied",
          "ActorError.Overloaded",
          "ToolFailed",
          "object",
          "string",
          "Defect.TypeError",
          "Interrupted",
          null
        ]
      )
      assert.notInclude(whole({ inside, kept }), secret)
    })
  )

  it.effect("hears nothing of what is logged in it", () =>
    Effect.gen(function* () {
      const { inside, kept } = yield* traced(
        Effect.logInfo(secret).pipe(
          Effect.annotateLogs({ secret }),
          Effect.withSpan("logs"),
          Effect.provide(Logger.layer([Logger.tracerLogger]))
        )
      )
      assert.lengthOf(kept, 1)
      assert.notInclude(whole({ inside, kept }), secret)
    })
  )

  it.effect("of a caller who does not want to be traced is not kept, nor are its children", () =>
    Effect.gen(function* () {
      const within = (flags: string) =>
        Trace.within(`00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-${flags}`)(
          Effect.withSpan(Effect.withSpan(Effect.void, "child"), "parent")
        )
      assert.lengthOf((yield* traced(within("00"))).kept, 0)
      const { kept } = yield* traced(within("01"))
      assert.deepStrictEqual(
        kept.map(({ name, parentSpanId, traceId }) => [name, traceId, parentSpanId]),
        [
          ["child", "4bf92f3577b34da6a3ce929d0e0e4736", kept[1]!.spanId],
          ["parent", "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"]
        ]
      )
    })
  )
})
