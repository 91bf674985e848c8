/** RFC 8785 by the RFC's own samples, and our writer against the library that judges it. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { jsonDepthMax } from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import * as Sealed from "#src/kernel/Sealed.ts"

const encoders = [
  ["our writer", Canonical.encode],
  ["the library", Canonical.encodeByLibrary]
] as const

const double = (high: number, low: number): number => {
  const view = new DataView(new ArrayBuffer(8))
  view.setUint32(0, high)
  view.setUint32(4, low)
  return view.getFloat64(0)
}
const fromHex = (bits: string): number =>
  double(Number.parseInt(bits.slice(0, 8), 16), Number.parseInt(bits.slice(8), 16))

/** RFC 8785, Appendix B: the double's bits and its text. */
const numbers: ReadonlyArray<readonly [bits: string, text: string]> = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"]
]

/** RFC 8785, section 3.2.2, as it is given there: text with escapes that a parser resolves. */
const sampleInput = String.raw`{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}`

/** RFC 8785, section 3.2.4: the UTF-8 bytes of the canonical form. */
const sampleBytes = `
  7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72
  75 65 2c 66 61 6c 73 65 5d 2c 22 6e 75 6d 62 65 72 73 22 3a
  5b 33 33 33 33 33 33 33 33 33 2e 33 33 33 33 33 33 33 2c 31
  65 2b 33 30 2c 34 2e 35 2c 30 2e 30 30 32 2c 31 65 2d 32 37
  5d 2c 22 73 74 72 69 6e 67 22 3a 22 e2 82 ac 24 5c 75 30 30
  30 66 5c 6e 41 27 42 5c 22 5c 5c 5c 5c 5c 22 2f 22 7d`

/** RFC 8785, section 3.2.3: names in the order their UTF-16 units give, which code points and UTF-8 would not. */
const sortedNames = [
  ["\r", "Carriage Return"],
  ["1", "One"],
  ["\u0080", "Control"],
  ["\u00f6", "Latin Small Letter O With Diaeresis"],
  ["\u20ac", "Euro Sign"],
  ["\ud83d\ude00", "Emoji: Grinning Face"],
  ["\ufb33", "Hebrew Letter Dalet With Dagesh"]
] as const

describe.each(encoders)("canonical text by %s", (_name, encode) => {
  it.each(numbers)("writes the double %s as %s", (bits, text) => {
    assert.strictEqual(encode(fromHex(bits)), text)
  })

  it.each(["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])("refuses the double %s", (bits) => {
    assert.throws(() => encode([fromHex(bits)]), Canonical.NotCanonical)
  })

  it("gives the RFC's sample byte for byte", () => {
    const bytes = Buffer.from(sampleBytes.replaceAll(/\s/g, ""), "hex")
    assert.strictEqual(encode(Canonical.decode(sampleInput)), bytes.toString("utf8"))
  })

  it("sorts names by their UTF-16 units", () => {
    const scrambled = [4, 0, 6, 1, 5, 2, 3].map((index) => sortedNames[index]!)
    const expected = sortedNames.map(([name, value]) => `${JSON.stringify(name)}:"${value}"`).join(",")
    assert.strictEqual(encode(Object.fromEntries(scrambled)), `{${expected}}`)
  })

  it("escapes what it must, in the shortest form and lower case, and nothing else", () => {
    const text = '\u0000\u0008\u0009\u000a\u000b\u000c\u000d\u001f "\\/\u007f\u2028\u2029\ud834\udd1e'
    assert.strictEqual(
      encode(text),
      String.raw`"\u0000\b\t\n\u000b\f\r\u001f \"\\/` + '\u007f\u2028\u2029\ud834\udd1e"'
    )
  })

  it.each(["\ud800", "\udc00", "a\udc00\ud800b", "\ud83d\ud83d\ude00"])("refuses half a surrogate pair", (text) => {
    assert.throws(() => encode(text), Canonical.NotCanonical)
    assert.throws(() => encode({ [text]: 1 }), Canonical.NotCanonical)
  })
})

describe("our writer", () => {
  const units = Arbitrary.array(
    Arbitrary.schema(
      Schema.Union([
        Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0x7f })),
        Schema.Int.check(Schema.isBetween({ minimum: 0xd7f0, maximum: 0xe010 })),
        Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
      ])
    )
  ).pipe(Arbitrary.map((codes) => String.fromCharCode(...codes)))
  const bits = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))
  const options = { arbitrary: { runs: 500 } }

  /** The text, or that it was refused. */
  const outcome = (encode: (value: Canonical.Json) => string, value: Canonical.Json): string => {
    try {
      return encode(value)
    } catch (error) {
      assert.instanceOf(error, Canonical.NotCanonical)
      return "refused"
    }
  }
  const agrees = (value: Canonical.Json): void =>
    assert.strictEqual(outcome(Canonical.encode, value), outcome(Canonical.encodeByLibrary, value))

  it.prop("agrees with the library on any JSON", [Schema.Json], ([value]) => agrees(value), options)

  it.prop(
    "agrees with the library on any text, as value and as name",
    [units, units],
    ([left, right]) => {
      agrees(left)
      agrees({ [left]: right, [right]: [left] })
    },
    options
  )

  it.prop("agrees with the library on any double", [bits, bits], ([high, low]) => agrees(double(high, low)), options)

  it("agrees with the library on an object too large to sort by hand", () => {
    const large = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`k${(index * 37) % 60}`, index]))
    assert.strictEqual(Canonical.encode(large), Canonical.encodeByLibrary(large))
  })

  it.prop(
    "is undone by decoding",
    [Schema.Json],
    ([value]) => {
      const text = outcome(Canonical.encode, value)
      if (text !== "refused") assert.strictEqual(Canonical.encode(Canonical.decode(text)), text)
    },
    options
  )

  it("keeps a member called __proto__", () => {
    assert.strictEqual(Canonical.encode(Canonical.decode('{"a":1,"__proto__":{"b":2}}')), '{"__proto__":{"b":2},"a":1}')
  })

  it("has no form for words that were not sealed, nor for any other class", () => {
    const encode = (value: unknown) => Canonical.encode(value as Canonical.Json)
    assert.throws(() => encode({ text: Sealed.plain("secret") }), /no form for a Plain/)
    assert.throws(() => encode({ at: new Date(0) }), Canonical.NotCanonical)
    assert.throws(() => encode([undefined]), Canonical.NotCanonical)
    assert.throws(() => encode(() => 1), Canonical.NotCanonical)
    assert.throws(() => encode(1n), Canonical.NotCanonical)
  })

  it("nests as deep as its bound and no deeper", () => {
    const nested = (depth: number): Canonical.Json => (depth === 0 ? 1 : [nested(depth - 1)])
    assert.strictEqual(Canonical.encode(nested(jsonDepthMax)).length, jsonDepthMax * 2 + 1)
    assert.throws(() => Canonical.encode(nested(jsonDepthMax + 1)), /nested deeper/)
  })
})
