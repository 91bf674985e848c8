import { assert, describe, it } from "@effect/vitest"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import {
  layer,
  layerCatalog,
  make,
  register,
  type RegisteredTool,
  type RegisterOptions,
  ToolInvalid
} from "#layers/tool-executor/ToolRegistry.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { Millis } from "#src/kernel/Ids.ts"
import { ToolCatalog } from "#src/ports/ToolExecutor.ts"

const catalog = (...tools: ReadonlyArray<RegisteredTool>) =>
  layerCatalog.pipe(Layer.provide(layer(tools)), Layer.provide(NodeDigest.layer))

const check = (name: string, args: unknown) =>
  Effect.flatMap(ToolCatalog, (tools) => tools.check(name, args as Canonical.Json))

const refusal = (name: string, args: unknown) => Effect.map(Effect.flip(check(name, args)), (error) => error.detail)

const Transfer = Tool.make("bank.transfer", {
  description: "Moves money",
  parameters: Schema.Struct({
    to: Schema.String.check(Schema.isMaxLength(10)),
    cents: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 })),
    on: Schema.optionalKey(Schema.Date),
    note: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("none"))),
    lines: Schema.Array(Schema.Struct({ text: Schema.String })).pipe(Schema.withDecodingDefaultKey(Effect.succeed([])))
  })
}).annotate(Tool.Idempotent, true)

const transfer = (options?: RegisterOptions) => register(Transfer, () => Effect.void, options)

const descriptor = (tool: RegisteredTool) =>
  Effect.map(Effect.provide(make([tool]), NodeDigest.layer), (registry) => registry.descriptors[0])

describe("the catalog", () => {
  it.effect("describes a tool by Effect's own JSON Schema, closed to unknown properties", () =>
    Effect.gen(function* () {
      const { tools, find } = yield* ToolCatalog
      assert.strictEqual((yield* tools).length, 1)
      const found = yield* find("bank.transfer")
      assert.deepInclude(found, { name: "bank.transfer", description: "Moves money", idempotent: true })
      assert.deepInclude(found?.inputSchema as object, {
        type: "object",
        required: ["to", "cents"],
        additionalProperties: false
      })
      assert.match(found?.hash ?? "", /^[0-9a-f]{64}$/)
      assert.isNull(yield* find("bank"))
    }).pipe(Effect.provide(catalog(transfer())))
  )

  it.effect("gives a tool another hash when its name, description, schema or version changes, and only then", () =>
    Effect.gen(function* () {
      const hashOf = (tool: RegisteredTool) => Effect.map(descriptor(tool), (found) => found?.hash)
      const make = (name: string, description: string, parameters: Schema.Codec<unknown, unknown>) =>
        register(Tool.make(name, { description, parameters }), () => Effect.void)
      const parameters = Schema.Struct({ a: Schema.String })
      const first = yield* hashOf(make("x", "d", parameters))
      assert.strictEqual(first, yield* hashOf(make("x", "d", Schema.Struct({ a: Schema.String }))))
      const others = yield* Effect.all([
        hashOf(make("y", "d", parameters)),
        hashOf(make("x", "e", parameters)),
        hashOf(make("x", "d", Schema.Struct({ b: Schema.String }))),
        hashOf(make("x", "d", Schema.Struct({ a: Schema.optionalKey(Schema.String) }))),
        hashOf(register(Tool.make("x", { description: "d", parameters }), () => Effect.void, { version: "2" }))
      ])
      assert.strictEqual(new Set([first, ...others]).size, 6)
    })
  )

  it.effect("gives arguments back in their canonical form, defaults written out", () =>
    Effect.gen(function* () {
      const args = { cents: 5, to: "bob", on: "2020-01-01T00:00:00Z" }
      assert.strictEqual(
        Canonical.encode(yield* check("bank.transfer", args)),
        '{"cents":5,"lines":[],"note":"none","on":"2020-01-01T00:00:00.000Z","to":"bob"}'
      )
    }).pipe(Effect.provide(catalog(transfer())))
  )

  it.effect("says where arguments are wrong", () =>
    Effect.gen(function* () {
      const good = { to: "bob", cents: 5 }
      assert.match(yield* refusal("bank.transfer", { ...good, cents: 0 }), /^cents: /)
      assert.match(yield* refusal("bank.transfer", { ...good, tip: 1 }), /^tip: Expected no excess property/)
      assert.match(
        yield* refusal("bank.transfer", { ...good, lines: [{ text: "a" }, { text: 1 }] }),
        /^lines\[1\]\.text: /
      )
      assert.match(yield* refusal("bank.transfer", { ...good, lines: [{ text: "a", b: 1 }] }), /^lines\[0\]\.b: /)
      assert.match(yield* refusal("bank.transfer", [1]), /^arguments: /)
      assert.match(yield* refusal("bank.transfer", null), /^arguments: /)
      assert.match(yield* refusal("bank.transfer", { a: 1, b: 1, c: 1, d: 1, e: 1 }), /; and \d more$/)
      assert.match(yield* refusal("bank.transfr", good), /^there is no such tool; there are: bank\.transfer$/)
    }).pipe(Effect.provide(catalog(transfer())))
  )

  it.effect("says so without repeating what could paint over a terminal", () =>
    Effect.gen(function* () {
      const detail = yield* refusal("bank.transfer", { "\u001b[31mred\u202e": 1, to: "bob", cents: 5 })
      assert.match(detail, /^\?\[31mred\?: /)
    }).pipe(Effect.provide(catalog(transfer())))
  )

  it.effect("refuses a key that would reach an object's prototype", () =>
    Effect.gen(function* () {
      const args = JSON.parse('{"to":"bob","cents":5,"__proto__":{"cents":9}}')
      assert.match(yield* refusal("bank.transfer", args), /^__proto__: Expected no excess property/)
    }).pipe(Effect.provide(catalog(transfer())))
  )

  it.effect("refuses arguments that are too deep or too long for anyone to walk", () => {
    const Any = Tool.make("any", { parameters: Schema.Struct({ value: Schema.Json }) })
    const nested = (levels: number) => JSON.parse("[".repeat(levels) + "]".repeat(levels)) as Canonical.Json
    return Effect.gen(function* () {
      yield* check("any", { value: nested(Bounds.argumentsDepthMax - 1) })
      assert.match(yield* refusal("any", { value: nested(Bounds.argumentsDepthMax) }), /nested deeper/)
      assert.match(yield* refusal("any", { value: nested(100_000) }), /nested deeper/)
      yield* check("any", { value: "x".repeat(Bounds.argumentsTextMax - '{"value":""}'.length) })
      assert.match(yield* refusal("any", { value: "x".repeat(Bounds.argumentsTextMax) }), /characters of arguments/)
      assert.match(yield* refusal("any", { value: "half \ud800" }), /no form/)
    }).pipe(Effect.provide(catalog(register(Any, () => Effect.void))))
  })

  it.effect.prop(
    "gives back unchanged what it gave before",
    [Schema.Struct({ value: Schema.Json, n: Schema.Finite, atMillis: Millis })],
    ([{ value, n, atMillis }]) => {
      const parameters = Schema.Struct({ value: Schema.Json, n: Schema.Finite, at: Schema.Date })
      const tools = catalog(register(Tool.make("any", { parameters }), () => Effect.void))
      return Effect.gen(function* () {
        const once = yield* check("any", { value, n, at: new Date(atMillis).toISOString() })
        const twice = yield* check("any", once)
        assert.strictEqual(Canonical.encode(twice), Canonical.encode(once))
      }).pipe(
        // Refused, for half a surrogate pair: nothing was given.
        Effect.catchTag("ArgumentsInvalid", ({ detail }) => Effect.sync(() => assert.match(detail, /no form/))),
        Effect.provide(tools)
      )
    }
  )
})

describe("a registration", () => {
  const refused: ReadonlyArray<readonly [title: string, tools: ReadonlyArray<RegisteredTool>, says: RegExp]> = [
    ["of one name twice", [transfer(), transfer()], /registered twice/],
    ["of a name with a line end", [register(Tool.make("a\nb"), () => Effect.void)], /^a name is/],
    ["of an empty name", [register(Tool.make(""), () => Effect.void)], /^a name is/],
    ["with no time", [transfer({ timeoutMillis: 0 })], /timeoutMillis/],
    ["with too much time", [transfer({ timeoutMillis: Bounds.toolMillisMax + 1 })], /timeoutMillis/],
    [
      "that asks for approval beside the policies",
      [register(Tool.make("a", { needsApproval: true }), () => Effect.void)],
      /policies/
    ],
    [
      "of parameters that are no object",
      [register(Tool.make("a", { parameters: Schema.String }), () => Effect.void)],
      /not an object/
    ],
    [
      "of a tool whose arguments no schema checks",
      [register(Tool.dynamic("a", { parameters: { type: "object" } }) as never, () => Effect.void)],
      /Tool\.make/
    ]
  ]
  for (const [title, tools, says] of refused) {
    it.effect(`${title} is refused with what to mend`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.provide(make(tools), NodeDigest.layer))
        assert.isTrue(error instanceof ToolInvalid)
        assert.match(error.detail, says)
      })
    )
  }

  it("binds the handler to the tool's types", () => {
    const Length = Tool.make("length", { parameters: Schema.Struct({ of: Schema.String }), success: Schema.Int })
    register(Length, ({ of }) => Effect.succeed(of.length))
    // @ts-expect-error the result is a number
    register(Length, ({ of }) => Effect.succeed(of))
    // @ts-expect-error there is no such argument
    register(Length, ({ off }) => Effect.succeed(off))
    // @ts-expect-error a tool fails as ToolFailed
    register(Length, () => Effect.fail("no"))
  })
})
