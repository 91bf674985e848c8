import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as TestClock from "effect/testing/TestClock"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as NodeStamps from "#layers/stamps/NodeStamps.ts"
import * as SeededStamps from "#layers/stamps/SeededStamps.ts"
import { CommandKey, EventId, IncarnationId, PrincipalId } from "#src/kernel/Ids.ts"
import { type Actor, Stamp } from "#src/kernel/Stamp.ts"
import { Stamps } from "#src/ports/Stamps.ts"

const owner: Actor = { kind: "HUMAN", id: PrincipalId.make("owner") }
const node = NodeStamps.layer.pipe(Layer.provide(NodeDigest.layer))
const seeded = (seed: string, life?: number) =>
  SeededStamps.layer(life === undefined ? { seed } : { seed, life }).pipe(Layer.provide(NodeDigest.layer))

/** One life of a process: a fresh build of the layer. */
const life = <A, E>(layer: Layer.Layer<Stamps>, body: (stamps: typeof Stamps.Service) => Effect.Effect<A, E>) =>
  Effect.provide(Effect.flatMap(Stamps, body), Layer.fresh(layer))

describe.each([
  ["node", node],
  ["seeded", seeded("s")]
] as const)("%s stamps", (_name, layer) => {
  it.effect("fit their schema and take their time from Effect's clock", () =>
    life(layer, (stamps) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_234)
        const stamp = yield* stamps.stamp({ actor: owner, key: "k" })
        assert.isTrue(Schema.is(Stamp)(stamp))
        assert.strictEqual(stamp.atMillis, 1_234)
        assert.strictEqual(yield* stamps.nowMillis, 1_234)
      })
    )
  )

  it.effect("name a command by its principal and key, for ever", () =>
    life(layer, (stamps) =>
      Effect.gen(function* () {
        const first = yield* stamps.stamp({ actor: owner, key: "k1" })
        yield* TestClock.adjust("1 day")
        const again = yield* stamps.stamp({ actor: owner, key: "k1" })
        const robot = yield* stamps.stamp({ actor: { ...owner, id: PrincipalId.make("robot") }, key: "k1" })
        assert.strictEqual(first.commandId, "cmd_apzzd3639287esw3xx9t7nwvh5")
        assert.strictEqual(again.commandId, first.commandId)
        assert.notStrictEqual(robot.commandId, first.commandId)
      })
    )
  )

  it.effect("take correlation and cause as given, else the command itself and nothing", () =>
    life(layer, (stamps) =>
      Effect.gen(function* () {
        const causationId = EventId.make(NodeDigest.derive("evt", "cause"))
        const plain = yield* stamps.stamp({ actor: owner, key: "k" })
        const given = yield* stamps.stamp({ actor: owner, key: "k", correlationId: "order-7", causationId })
        assert.deepInclude(plain, { correlationId: plain.commandId, causationId: null, traceparent: null })
        assert.deepInclude(given, { correlationId: "order-7", causationId })
      })
    )
  )

  it.effect("refuse a key that no door lets in", () =>
    life(layer, (stamps) =>
      Effect.gen(function* () {
        for (const key of ["", "white space", "ü", "x".repeat(201)]) {
          const exit = yield* Effect.exit(stamps.stamp({ actor: owner, key }))
          assert.strictEqual(exit._tag, "Failure", key)
        }
      })
    )
  )

  it.effect("give a fresh key every time", () =>
    life(layer, (stamps) =>
      Effect.gen(function* () {
        const keys = yield* Effect.replicateEffect(stamps.freshKey, 1_000)
        assert.strictEqual(new Set(keys).size, 1_000)
        assert.isTrue(keys.every(Schema.is(CommandKey)))
      })
    )
  )
})

describe("node stamps", () => {
  it.effect("belong to one life of the process", () =>
    Effect.gen(function* () {
      const incarnation = life(node, (stamps) => Effect.succeed(stamps.incarnation))
      const [first, second] = [yield* incarnation, yield* incarnation]
      assert.isTrue(Schema.is(IncarnationId)(first))
      assert.notStrictEqual(first, second)
    })
  )

  it.effect("carry the trace context of the span they are made in", () =>
    life(node, (stamps) =>
      Effect.gen(function* () {
        const span = yield* Effect.currentSpan
        const { traceparent } = yield* stamps.stamp({ actor: owner, key: "k" })
        assert.strictEqual(traceparent, `00-${span.traceId}-${span.spanId}-01`)
      }).pipe(Effect.withSpan("a command"))
    )
  )

  it.effect("carry a caller's trace context, and none that is not W3C", () =>
    life(node, (stamps) =>
      Effect.gen(function* () {
        const within = (traceId: string) =>
          Effect.map(
            Effect.provideService(
              stamps.stamp({ actor: owner, key: "k" }),
              Tracer.ParentSpan,
              Tracer.externalSpan({ traceId, spanId: "b7ad6b7169203331", sampled: false })
            ),
            (stamp) => stamp.traceparent
          )
        assert.strictEqual(
          yield* within("0af7651916cd43dd8448eb211c80319c"),
          "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
        )
        assert.isNull(yield* within("not hexadecimal"))
      })
    )
  )
})

describe("seeded stamps", () => {
  const everything = (layer: Layer.Layer<Stamps>) =>
    life(layer, (stamps) =>
      Effect.gen(function* () {
        const key = yield* stamps.freshKey
        return { incarnation: stamps.incarnation, key, stamp: yield* stamps.stamp({ actor: owner, key }) }
      })
    )

  it.effect("are the same for the same seed and life, and others otherwise", () =>
    Effect.gen(function* () {
      const first = yield* everything(seeded("s"))
      assert.deepStrictEqual(yield* everything(seeded("s")), first)
      assert.deepStrictEqual(yield* everything(seeded("s", 0)), first)
      for (const other of [yield* everything(seeded("s", 1)), yield* everything(seeded("t"))]) {
        assert.notStrictEqual(other.incarnation, first.incarnation)
        assert.notStrictEqual(other.key, first.key)
      }
    })
  )
})
