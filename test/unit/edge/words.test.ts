import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { parse } from "#layers/edge/api/IdempotencyKey.ts"
import * as Cursor from "#layers/edge/Cursor.ts"
import * as Hosts from "#layers/edge/http/Hosts.ts"
import * as Paths from "#layers/edge/http/Paths.ts"

describe("a cursor", () => {
  const key = "ses_0123456789abcdefghjkmnpqrs"

  it("comes back as what it was made from", () => {
    for (const value of [0, 1, 1_774_000_000_000, 8_640_000_000_000_000]) {
      const text = Cursor.encode({ value, key })
      assert.isTrue(Schema.is(Cursor.Text)(text))
      assert.deepStrictEqual(Cursor.decode(Cursor.idsWith("ses"), text), { value, key })
    }
  })

  it("that was not made here, or for another list, is none", () => {
    const text = Cursor.encode({ value: 1, key })
    const raw = (words: string) => Buffer.from(words).toString("base64url")
    const wrong = [
      "",
      "x",
      `${text}=`,
      text.slice(0, -1),
      `${text}A`,
      raw(`-1.${key}`),
      raw(`1.5.${key}`),
      raw(`01.${key}`),
      raw(`1e3.${key}`),
      raw(`99999999999999999.${key}`),
      raw(`1.${key}x`),
      raw("1."),
      raw(JSON.stringify([1, key])),
      Buffer.from(`1.${key}`).toString("base64")
    ]
    for (const one of wrong) assert.isNull(Cursor.decode(Cursor.idsWith("ses"), one), one)
    assert.isNull(Cursor.decode(Cursor.idsWith("act"), text))
  })
})

describe("an Idempotency-Key", () => {
  it("is the same bare and quoted", () => {
    assert.strictEqual(parse("k-1"), "k-1")
    assert.strictEqual(parse('"k-1"'), "k-1")
    assert.strictEqual(parse(String.raw`"a\"b\\c"`), String.raw`a"b\c`)
  })

  it("is nothing else", () => {
    const wrong = [
      "",
      '""',
      '"',
      '"a',
      "a b",
      '"a b"',
      '"a"b"',
      String.raw`"a\b"`,
      String.raw`"a\"`,
      '"a" ',
      "é",
      "a\tb",
      "x".repeat(201),
      `"${"x".repeat(201)}"`
    ]
    for (const text of wrong) assert.isNull(parse(text), text)
  })
})

describe("a host", () => {
  it("is named without port and brackets", () => {
    assert.strictEqual(Hosts.nameOf("LocalHost:80"), "localhost")
    assert.strictEqual(Hosts.nameOf("[::1]:7717"), "::1")
    assert.strictEqual(Hosts.nameOf("10.0.0.1"), "10.0.0.1")
    for (const text of ["", "a b", "a,b", "user@a", "a:b", "a:123456", "[::1", "::1", "a/b", "a\u0000"]) {
      assert.isNull(Hosts.nameOf(text), text)
    }
  })

  it("of a door on loopback is one of loopback's names, or one that was added", () => {
    for (const host of ["127.0.0.1", "localhost", "::1", "127.1.2.3"]) {
      const names = Hosts.answered(host, [])
      assert.isTrue(names?.has("localhost") === true && names.has(host))
      assert.isFalse(names?.has("evil.example"))
    }
    assert.isNull(Hosts.answered("0.0.0.0", []))
    assert.isNull(Hosts.answered("10.0.0.1", []))
    assert.isTrue(Hosts.answered("0.0.0.0", ["Keelson.Example"])?.has("keelson.example"))
    assert.isFalse(Hosts.isLoopback("127.0.0.1.nip.io"))
  })
})

describe("a path", () => {
  it("knows the methods that it takes", () => {
    const methodsOf = Paths.make()
    assert.deepStrictEqual(methodsOf("/v1/sessions?x=1"), ["GET", "HEAD", "POST"])
    assert.deepStrictEqual(methodsOf("/v1/sessions/x/touch"), ["POST"])
    assert.deepStrictEqual(methodsOf("/openapi.json"), ["GET", "HEAD"])
    for (const url of ["/nope", "/V1/sessions", "//v1/sessions", "/%", "*", ""])
      assert.deepStrictEqual(methodsOf(url), [], url)
  })
})
