/** JSON text means the same whatever was read before it. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as JsonText from "#src/kernel/JsonText.ts"

const names = (text: string) => Object.keys(JsonText.parse(text) as object)

describe("JSON text", () => {
  it("keeps the name of a member, whatever an object of the same shape was called before", () => {
    for (const [before, text, name] of [
      [String.raw`{"a":1,"\\":2}`, String.raw`{"a":1,"\n":2}`, "\n"],
      [String.raw`{"b":1,"x\\":2}`, String.raw`{"b":1,"x\u0000":2}`, "x\u0000"],
      [String.raw`{"c":1,"\\u":2}`, String.raw`{"c":1,"\u0041b":2}`, "Ab"]
    ] as const) {
      JSON.parse(before)
      JsonText.parse(before)
      assert.strictEqual(names(text)[1], name)
    }
  })

  it("is read as JSON.parse reads it where a name has an escape", () => {
    const text = String.raw`{ "\"" : [ 1.5e3 , -0, true , null, "\\ \u00e9 :", {} , [] ], "__proto__":{"\t":1}, "d":1, "d":2 }`
    const value = JsonText.parse(text) as { readonly [name: string]: unknown }
    assert.deepStrictEqual(value['"'], [1500, -0, true, null, "\\ é :", {}, []])
    assert.deepStrictEqual(Object.keys(value), ['"', "__proto__", "d"])
    assert.strictEqual(value["d"], 2)
    assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
  })

  it("is refused where it is no JSON, or nests too deep to be read so", () => {
    for (const text of ["", "{", String.raw`{"\n":}`, String.raw`{"\n":1,}`, "{'a':1}", String.raw`{"\x":1}`]) {
      assert.throws(() => JsonText.parse(text), SyntaxError)
    }
    const deep = (depth: number) => `${"[".repeat(depth)}${String.raw`{"\n":1}`}${"]".repeat(depth)}`
    assert.isArray(JsonText.parse(deep(JsonText.depthMax - 2)))
    assert.throws(() => JsonText.parse(deep(JsonText.depthMax + 1)), SyntaxError)
  })

  it.prop(
    "is undone by parsing, with names of escapes",
    [Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.Json }))],
    ([members]) => {
      const text = JSON.stringify(Object.fromEntries(members.map(({ name, value }) => [`${name}\n`, value])))
      assert.strictEqual(JSON.stringify(JsonText.parse(text)), text)
    }
  )
})
