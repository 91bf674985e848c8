/** Which JSON Schemas a tool may be declared with. */
import { assert, describe, it } from "@effect/vitest"
import * as InputSchema from "#src/gateway/InputSchema.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"

type Node = { readonly [key: string]: Json }

const closed = (properties: Node, $defs?: Node): Node => ({
  type: "object",
  properties,
  additionalProperties: false,
  ...($defs === undefined ? {} : { $defs })
})

/** Where the first fault stands, and what it says. */
const refused = (schema: Json) => {
  const fault = InputSchema.fault(schema)
  return fault === null ? null : ([InputSchema.pointer(fault), fault.detail] as const)
}

/** So many definitions, each of which names the next one twice. */
const doubling = (levels: number, twice: (next: Json) => Json): Node => {
  const next = (level: number): Json => ({ $ref: `#/$defs/d${level + 1}` })
  const defs = Array.from({ length: levels }, (_, level) => [`d${level}`, twice(next(level))] as const)
  return closed({ x: { $ref: "#/$defs/d0" } }, { ...Object.fromEntries(defs), [`d${levels}`]: { type: "string" } })
}

const alternatives = (next: Json): Json => ({ anyOf: [next, next] })

describe("a schema", () => {
  it("is counted with every reference written out, whichever way it grows", () => {
    for (const twice of [alternatives, (next: Json) => closed({ a: next, b: next })]) {
      assert.isNull(refused(doubling(4, twice)))
      const [pointer, detail] = refused(doubling(12, twice)) ?? []
      assert.match(pointer ?? "", /^\/\$defs\/d\d+\/(anyOf|properties)\//)
      assert.include(detail, `more than ${Bounds.toolSchemaPartsMax} parts`)
    }
  })

  it("is counted in no time, however large it would become", () => {
    assert.isNotNull(refused(doubling(400, alternatives)))
    const chain = Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`d${at}`, { $ref: `#/$defs/d${at + 1}` }]))
    const [, detail] = refused(closed({ x: { $ref: "#/$defs/d0" } }, { ...chain, d900: true })) ?? []
    assert.include(detail, `deeper than ${Bounds.toolSchemaDepthMax} levels`)
  })

  it("is no deeper than its bound, from wherever a definition is referred to", () => {
    const nested = (levels: number, inner: Json): Json =>
      levels === 0 ? inner : { type: "array", items: nested(levels - 1, inner) }
    const half = Bounds.toolSchemaDepthMax / 2
    const defs = { half: nested(half, {}) }
    assert.isNull(refused(closed({ x: { $ref: "#/$defs/half" } }, defs)))
    const [pointer, detail] =
      refused(closed({ x: { $ref: "#/$defs/half" }, y: nested(half, { $ref: "#/$defs/half" }) }, defs)) ?? []
    assert.match(pointer ?? "", /^\/properties\/y\/items\/.*\$ref$/)
    assert.include(detail, `deeper than ${Bounds.toolSchemaDepthMax} levels`)
  })

  it("that leads back to itself is refused where it does, by any way round", () => {
    const list = closed({ next: { $ref: "#/$defs/list" } })
    const two = { a: { anyOf: [{ $ref: "#/$defs/b" }, {}] }, b: { type: "array", items: { $ref: "#/$defs/a" } } }
    for (const [schema, pointer] of [
      [closed({ x: { $ref: "#/$defs/list" } }, { list }), "/$defs/list/properties/next/$ref"],
      [closed({ x: { $ref: "#/$defs/a" } }, two), "/$defs/b/items/$ref"],
      [closed({}, { unused: { $ref: "#/$defs/unused" } }), "/$defs/unused/$ref"],
      [closed({ x: { $ref: "#" } }), "/properties/x/$ref"]
    ] as const) {
      const [at, detail] = refused(schema) ?? []
      assert.strictEqual(at, pointer)
      assert.include(detail, "recursive")
    }
  })

  it("refers to its own definitions alone", () => {
    for (const $ref of ["https://elsewhere.example/s", "#/properties/x", "#/$defs/none", "#/$defs/a/items"]) {
      const [pointer, detail] = refused(closed({ "a/b": { $ref } }, { a: { type: "array", items: {} } })) ?? []
      assert.strictEqual(pointer, "/properties/a~1b/$ref", $ref)
      assert.include(detail, "leads nowhere")
    }
    assert.isNull(refused(closed({ x: { $ref: "#/$defs/a%20b" } }, { "a b": {} })))
  })

  it("says that it is an object without further members, in no more characters than are kept", () => {
    const long = { description: "x".repeat(Bounds.toolSchemaTextMax) }
    for (const [schema, said] of [
      [[], "not an object"],
      [{ ...closed({}), type: "string" }, '"type": "object"'],
      [{ type: "object" }, '"additionalProperties": false'],
      [{ ...closed({}), ...long }, `more than ${Bounds.toolSchemaTextMax} characters`]
    ] as const) {
      const [pointer, detail] = refused(schema) ?? []
      assert.strictEqual(pointer, "")
      assert.include(detail, said)
    }
  })
})

describe("arguments", () => {
  const variants = closed({
    x: { type: "array", items: { anyOf: Array.from({ length: 200 }, (_, at) => closed({ [`k${at}`]: {} })) } }
  })

  it("are held against a schema where that comes to an end soon", () => {
    assert.isTrue(InputSchema.isWithinSteps(variants, { x: Array.from({ length: 100 }, () => ({ k1: "y" })) }))
    assert.isTrue(InputSchema.isWithinSteps(closed({ x: true }), { x: Array.from({ length: 50_000 }, () => 1) }))
  })

  it("are too many for a schema that says too much of each", () => {
    const many = Array.from({ length: 10_000 }, () => ({ k1: "y" }))
    assert.isFalse(InputSchema.isWithinSteps(variants, { x: many }))
    const names = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`k${at}`, {}]))
    const wide = closed({ x: { type: "array", items: { ...closed(names), required: Object.keys(names) } } })
    assert.isFalse(InputSchema.isWithinSteps(wide, { x: many }))
    const deep = closed({ x: { anyOf: Array.from({ length: 200 }, () => ({ type: "array" })) } })
    assert.isFalse(InputSchema.isWithinSteps(deep, { x: many }))
    const keys = closed({ x: { type: "object", propertyNames: { anyOf: Array.from({ length: 900 }, () => ({})) } } })
    assert.isFalse(InputSchema.isWithinSteps(keys, { x: names }))
  })

  it("are given up where a schema of an earlier time has no end", () => {
    const endless = closed({ x: { $ref: "#/$defs/a" } }, { a: { anyOf: [{ $ref: "#/$defs/a" }, { type: "string" }] } })
    assert.isFalse(InputSchema.isWithinSteps(endless, { x: "y" }))
  })
})
