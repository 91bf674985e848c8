/** What policies can see of a tool's arguments, and that they see nothing else than what runs. */
import * as Cedar from "@cedar-policy/cedar-wasm/nodejs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { fromArguments } from "#layers/policy-engine/CedarContext.ts"
import { describe as describeView, fromTools } from "#layers/policy-engine/CedarSchema.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { decide, engine, object, question, tool, tools } from "./fixture.ts"

const viewOf = (inputSchema: Json) => {
  const view = fromTools([tool("t", inputSchema)]).tools.get("t")
  assert(view !== undefined)
  return view
}

/** One property's type, or why it is left out. */
const typeOf = (property: Json, more: { readonly [key: string]: Json } = {}) =>
  describeView(viewOf({ ...(object({ a: property }) as object), ...more }))[0]

const contextFor = (inputSchema: Json, args: Json) => fromArguments(viewOf(inputSchema).arguments, args)

const unionOf = (...anyOf: ReadonlyArray<Json>): Json => ({ anyOf })
const nul = { type: "null" }
const str = { type: "string" }

describe("a tool's JSON Schema", () => {
  const table: ReadonlyArray<readonly [Json, string]> = [
    [str, "String"],
    [{ enum: ["x", "y"] }, "String"],
    [{ const: "x" }, "String"],
    [{ type: "integer", minimum: 0 }, "Long"],
    [{ type: "number", enum: [1, 2] }, "Long"],
    [{ type: "number" }, "Decimal"],
    [{ type: "boolean" }, "Bool"],
    [{ type: "array", items: str }, "Set<String>"],
    [{ type: "array", items: { type: "array", items: { type: "integer" } } }, "Set<Set<Long>>"],
    [{ type: "array", prefixItems: [str], items: str, minItems: 1 }, "Set<String>"],
    [object({}), "Record"],
    [{ type: ["string", "null"] }, "String, may be absent"],
    [unionOf(str, nul), "String, may be absent"],
    [{ oneOf: [nul, { type: "integer" }] }, "Long, may be absent"]
  ]
  it.each(table)("gives %j the type %s", (property, type) => {
    assert.strictEqual(typeOf(property), `context.arguments.a: ${type}`)
  })

  const leftOut: ReadonlyArray<readonly [Json, string]> = [
    [unionOf(str, { type: "integer" }), "it may be of several types"],
    [{ type: ["string", "integer"] }, "it may be of several types"],
    [{ enum: ["x", 1] }, "it may be of several types"],
    [nul, "it is always null"],
    [{}, "its schema names no type"],
    [true, "its schema says nothing about it"],
    [{ type: "text" }, "its type is unknown to JSON Schema"],
    [{ type: "object", additionalProperties: str }, "its schema lists no names"],
    [{ type: "array" }, "its schema says nothing about its elements"],
    [{ type: "array", items: unionOf(str, nul) }, "of its elements: they may be null"],
    [{ type: "array", prefixItems: [str, { type: "integer" }] }, "its elements are of several types"],
    [{ $ref: "#/$defs/nobody" }, "its schema says nothing about it"],
    [{ $ref: "https://example.com/schema" }, "its schema says nothing about it"]
  ]
  it.each(leftOut)("leaves %j out and says why: %s", (property, why) => {
    assert.strictEqual(typeOf(property), `context.arguments.a: left out, ${why}`)
  })

  it("is followed to its definitions, but not in circles", () => {
    const $defs = { name: str, "a/b~": { $ref: "#/$defs/name" }, loop: object({ next: { $ref: "#/$defs/loop" } }) }
    assert.strictEqual(typeOf({ $ref: "#/$defs/a~1b~0" }, { $defs }), "context.arguments.a: String")
    const lines = describeView(viewOf({ ...(object({ a: { $ref: "#/$defs/loop" } }) as object), $defs }))
    assert.include(lines.at(-1), `left out, deeper than ${Bounds.policyArgumentDepthMax} levels`)
  })

  it("that refers to itself a thousand times over is given up, not followed", () => {
    const wide = (name: string) => ({
      type: "array",
      prefixItems: Array.from({ length: 1_000 }, () => ({ $ref: `#/$defs/${name}` }))
    })
    const $defs = { b: wide("c"), c: wide("d"), d: str }
    assert.include(typeOf(wide("b"), { $defs }), "the tool's schema is too large")
  })

  it("can't bring names that mean something to Cedar or JavaScript", () => {
    const named = JSON.parse(
      '{"__entity": {"type": "string"}, "__proto__": {"type": "string"}, "ok": {"type": "string"}}'
    )
    assert.deepStrictEqual([...viewOf(object(named)).arguments.fields.keys()], ["ok"])
    assert.strictEqual(viewOf(object(named)).leftOut.length, 2)
  })

  it.each([[null], [[]], ["x"], [true], [{}], [str], [unionOf(str)]])(
    "that is %j leaves all arguments out",
    (inputSchema) => {
      const view = viewOf(inputSchema)
      assert.strictEqual(view.arguments.fields.size, 0)
      assert.deepStrictEqual(
        view.leftOut.map(({ path }) => path),
        ["arguments"]
      )
      assert.isTrue(Result.isSuccess(fromArguments(view.arguments, { anything: 1 })))
    }
  )

  it.effect("of any odd name is data in Cedar's schema, and in policies", () =>
    Effect.gen(function* () {
      const name = 'we"ird ${x}\n'
      const { decide } = yield* engine(
        {
          "a.cedar": `@id("p") permit (principal, action == Action::"a\\"b", resource) when { context.arguments["we\\"ird \${x}\\n"] == "y" };`
        },
        [tool('a"b', object({ [name]: str }))]
      )
      assert.strictEqual((yield* decide(question('a"b', { [name]: "y" }))).effect, "Run")
      assert.strictEqual((yield* decide(question('a"b', { [name]: "n" }))).effect, "Deny")
    })
  )

  it("is the same Cedar schema whatever the order of the tools", () => {
    assert.deepStrictEqual(fromTools([...tools].reverse()).schema, fromTools(tools).schema)
    assert.strictEqual(Cedar.checkParseSchema(fromTools(tools).schema).type, "success")
  })

  it.effect("with numbers is compared as decimals, exactly", () =>
    Effect.gen(function* () {
      const text = `@id("p") permit (principal, action == Action::"pay", resource)
        when { context.arguments.amount.lessThanOrEqual(decimal("100.00")) };`
      for (const [amount, effect] of [
        [100, "Run"],
        [99.9999, "Run"],
        [100.0001, "Deny"],
        [-0, "Run"],
        [1e2, "Run"],
        [-5.5, "Run"]
      ] as const) {
        const decision = yield* decide({ "a.cedar": text }, question("pay", { amount, times: 1, to: "x" }))
        assert.strictEqual(decision.effect, effect, String(amount))
      }
    })
  )
})

describe("arguments", () => {
  it("that may be null are absent where they are", () => {
    const schema = object({ a: unionOf(str, nul), b: { type: ["integer", "null"] } }, ["a"])
    assert.deepStrictEqual(contextFor(schema, { a: null }), Result.succeed({ arguments: {} }))
    assert.deepStrictEqual(contextFor(schema, { a: "x", b: 1 }), Result.succeed({ arguments: { a: "x", b: 1 } }))
  })

  it("that are optional are no less checked, and null is not the same as absent", () => {
    assert.isTrue(Result.isFailure(contextFor(object({ a: str }, []), { a: null })))
    assert.isTrue(Result.isFailure(contextFor(object({ a: str }, []), { a: 1 })))
  })

  it("that policies can't see pass unseen; those that no schema names do not", () => {
    const closed = object({ a: str, u: unionOf(str, { type: "integer" }) })
    assert.deepStrictEqual(contextFor(closed, { a: "x", u: { deep: 1 } }), Result.succeed({ arguments: { a: "x" } }))
    assert.isTrue(Result.isFailure(contextFor(closed, { a: "x", u: 1, z: 1 })))
    const open = { ...(closed as object), additionalProperties: str }
    assert.deepStrictEqual(contextFor(open, { a: "x", z: "y" }), Result.succeed({ arguments: { a: "x" } }))
  })

  const Parameters = Schema.Struct({
    text: Schema.String,
    whole: Schema.Int,
    real: Schema.Finite,
    flag: Schema.Boolean,
    tags: Schema.Array(Schema.String),
    one: Schema.Literals(["a", "b"]),
    maybe: Schema.optionalKey(Schema.String),
    none: Schema.NullOr(Schema.Int),
    either: Schema.Union([Schema.String, Schema.Int]),
    nested: Schema.Struct({
      lists: Schema.Array(Schema.Array(Schema.Int)),
      "odd name": Schema.optionalKey(Schema.Boolean)
    }),
    rows: Schema.NonEmptyArray(
      Schema.Struct({ key: Schema.String, unseen: Schema.Unknown }).annotate({ identifier: "Row" })
    )
  })
  const generated = (() => {
    const document = Schema.toJsonSchemaDocument(Parameters, { onExcessProperty: "error" })
    return JSON.parse(JSON.stringify({ ...document.schema, $defs: document.definitions })) as Json
  })()
  const vocabulary = fromTools([tool("t", generated)])
  Cedar.preparseSchema("cedar-schema.test", vocabulary.schema)
  Cedar.preparsePolicySet("cedar-schema.test", { staticPolicies: "permit (principal, action, resource);" })

  /** Cedar's own check of a request against the schema: the judge of our conversion. */
  const judged = (context: Cedar.Context) =>
    Cedar.statefulIsAuthorized({
      principal: { type: "Agent", id: "a" },
      action: { type: "Action", id: "t" },
      resource: { type: "Session", id: "s" },
      context,
      preparsedSchemaName: "cedar-schema.test",
      validateRequest: true,
      preparsedPolicySetId: "cedar-schema.test",
      entities: []
    }).type

  it("of an Effect schema are seen as its JSON Schema says", () => {
    const seen = vocabulary.tools.get("t")
    assert(seen !== undefined)
    assert.deepStrictEqual(describeView(seen), [
      "context.arguments.text: String",
      "context.arguments.whole: Long",
      "context.arguments.real: Decimal",
      "context.arguments.flag: Bool",
      "context.arguments.tags: Set<String>",
      "context.arguments.one: String",
      "context.arguments.maybe: String, may be absent",
      "context.arguments.none: Long, may be absent",
      "context.arguments.nested: Record",
      "context.arguments.nested.lists: Set<Set<Long>>",
      'context.arguments.nested["odd name"]: Bool, may be absent',
      "context.arguments.rows: Set<Record>",
      "context.arguments.either: left out, it may be of several types",
      "context.arguments.rows[].unseen: left out, its schema names no type"
    ])
  })

  it.prop(
    "that are converted at all are valid in Cedar's own judgement",
    [Parameters, Schema.Json],
    ([value, stranger]) => {
      const view = vocabulary.tools.get("t")
      assert(view !== undefined)
      const args = JSON.parse(
        JSON.stringify({ ...value, rows: value.rows.map((row) => ({ ...row, unseen: 1 })) })
      ) as Json
      const context = fromArguments(view.arguments, args)
      // Numbers of five digits after the point are refused; the rest must pass both.
      if (Result.isSuccess(context)) assert.strictEqual(judged(context.success), "success")
      else assert.match(context.failure, /four digits|too large|surrogate/)
      const odd = fromArguments(view.arguments, stranger)
      if (Result.isSuccess(odd)) assert.strictEqual(judged(odd.success), "success")
    }
  )

  it("that our conversion did not make fail Cedar's judgement, so it judges", () => {
    assert.strictEqual(judged({ arguments: { text: "x" } }), "failure")
  })
})
