/** Which words of JSON Schema a declared tool may use. */
import { assert, describe, it } from "@effect/vitest"
import * as InputSchema from "#src/gateway/InputSchema.ts"
import type { Json } from "#src/kernel/Canonical.ts"

type Node = { readonly [key: string]: Json }

const around = (inner: Node, more: Node = {}): Node => ({
  type: "object",
  properties: { x: inner },
  additionalProperties: false,
  ...more
})

const refused = (schema: Json) => {
  const fault = InputSchema.fault(schema)
  return fault === null ? null : ([InputSchema.pointer(fault), fault.detail] as const)
}

describe("a keyword", () => {
  it("is taken where it is held against arguments, or promises nothing", () => {
    for (const inner of [
      { type: ["string", "null"], minLength: 1, maxLength: 5, enum: ["a", null], const: "a" },
      { type: "integer", minimum: -1.5, maximum: 5, exclusiveMinimum: -2, exclusiveMaximum: 9, multipleOf: 0.5 },
      { type: "array", prefixItems: [{}, true], items: false, minItems: 0, maxItems: 2, uniqueItems: true },
      { type: "object", propertyNames: { maxLength: 3 }, minProperties: 1, maxProperties: 2, required: [] },
      { allOf: [{ minLength: 1 }], anyOf: [{ type: "string" }], oneOf: [true], not: {} },
      { title: "t", description: "d", default: [], examples: [{}], deprecated: true, readOnly: true, writeOnly: true },
      { $comment: "c", $ref: "#/$defs/format" },
      around({}, { properties: { format: {}, pattern: { type: "null" }, $defs: {} } })
    ]) {
      const more = { $schema: "https://json-schema.org/draft/2020-12/schema", $id: "urn:x", $defs: { format: {} } }
      assert.isNull(refused(around(inner, more)), JSON.stringify(inner))
    }
  })

  it("that is not understood is refused by its name, wherever it stands", () => {
    for (const [inner, pointer] of [
      [{ maxlength: 5 }, "/properties/x/maxlength"],
      [{ anyOf: [{}, { items: { "x-limit": 1 } }] }, "/properties/x/anyOf/1/items/x-limit"],
      [{ allOf: [{ propertyNames: { minLenght: 1 } }] }, "/properties/x/allOf/0/propertyNames/minLenght"],
      [{ prefixItems: [{ additionalProperties: { nullable: true } }] }, "/nullable"],
      [{ dependentRequired: {} }, "/properties/x/dependentRequired"],
      [{ constructor: {} }, "/properties/x/constructor"]
    ] as const) {
      const [at, detail] = refused(around(inner)) ?? []
      assert.isTrue(at?.endsWith(pointer), at)
      assert.include(detail, `"${pointer.split("/").at(-1)}" is not understood`)
    }
    assert.strictEqual(refused(around({}, { $defs: { unused: { foo: 1 } } }))?.[0], "/$defs/unused/foo")
  })

  it("that nothing can hold to is refused with the reason", () => {
    assert.include(refused(around({ type: "string", format: "email" }))?.[1], "not checked")
    assert.include(refused(around({ pattern: "^a$" }))?.[1], "run for ever")
    assert.include(refused(around({ patternProperties: {} }))?.[1], "run for ever")
    assert.include(refused(around({ $defs: {} }))?.[1], "at the root alone")
    assert.include(refused(around({ type: "string", maximum: 5 }))?.[1], "says nothing of the type")
    assert.include(refused(around({ type: "array", maxLength: 5 }))?.[1], "says nothing of the type")
  })

  it("takes what it is for: any other value would be skipped without a word", () => {
    for (const [keyword, value, said] of [
      ["type", "strnig", "a type"],
      ["type", ["object", "object"], "different ones"],
      ["enum", "a", "a list"],
      ["const", { a: 1 }, "text, a number"],
      ["maxLength", "5", "a whole number"],
      ["minLength", -1, "a whole number"],
      ["maximum", "5", "a number"],
      ["multipleOf", 0, "above 0"],
      ["required", "x", "a list of names"],
      ["items", [{}], "a schema"],
      ["properties", [], "an object of schemas"],
      ["properties", { a: "string" }, "an object of schemas"],
      ["additionalProperties", "false", "a schema"],
      ["anyOf", {}, "a list of schemas"],
      ["allOf", [], "one at least"],
      ["uniqueItems", "true", "true or false"],
      ["not", { type: "null" }, "{} alone"],
      ["$ref", 5, "a text"]
    ] as const) {
      const [at, detail] = refused(around({ [keyword]: value })) ?? []
      assert.strictEqual(at, `/properties/x/${keyword}`)
      assert.include(detail, said, keyword)
    }
    assert.include(refused(around({}, { $schema: "http://json-schema.org/draft-07/schema#" }))?.[1], "2020-12")
  })

  it("of a caller's own making is not repeated where it could paint over a terminal", () => {
    assert.include(refused(around({ "\u001b[2J": 1 }))?.[1], "this keyword")
  })
})
