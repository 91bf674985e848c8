import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import { ActionId, CommandId, Hash, SessionId } from "#src/kernel/Ids.ts"

describe("sha256", () => {
  it("gives the digests of FIPS 180-4's examples", () => {
    assert.strictEqual(NodeDigest.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert.strictEqual(NodeDigest.sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert.isTrue(Schema.is(Hash)(NodeDigest.sha256("abc")))
  })

  it("hashes UTF-8", () => {
    assert.strictEqual(NodeDigest.sha256("ü\u{1f600}"), createHash("sha256").update("ü\u{1f600}").digest("hex"))
  })
})

describe("derived ids", () => {
  it("are the first 130 bits of SHA-256 over the framed parts, in Crockford's base 32", () => {
    const bits = [...createHash("sha256").update("5:owner3:key").digest()]
      .map((byte) => byte.toString(2).padStart(8, "0"))
      .join("")
    const expected = Array.from({ length: 26 }, (_, index) =>
      "0123456789abcdefghjkmnpqrstvwxyz".charAt(Number.parseInt(bits.slice(index * 5, index * 5 + 5), 2))
    ).join("")
    assert.strictEqual(NodeDigest.derive("cmd", "owner", "key"), `cmd_${expected}`)
  })

  it("stay what they are for ever", () => {
    assert.strictEqual(NodeDigest.derive("ses", "a", "b"), "ses_zb6xwynz3tp5pc0jeenjwa1ff6")
    assert.strictEqual(NodeDigest.derive("cmd", "owner", "k1"), "cmd_apzzd3639287esw3xx9t7nwvh5")
  })

  it("share their characters across prefixes", () => {
    assert.strictEqual(NodeDigest.derive("act", "x").slice(4), NodeDigest.derive("cfm", "x").slice(4))
    assert.isTrue(Schema.is(ActionId)(NodeDigest.derive("act", "x")))
  })

  it.prop("fit their schema, whatever they derive from", [Schema.String, Schema.String], ([left, right]) => {
    assert.isTrue(Schema.is(CommandId)(NodeDigest.derive("cmd", left, right)))
    assert.isTrue(Schema.is(SessionId)(NodeDigest.derive("ses")))
  })

  it("tell parts from their concatenation", () => {
    const derived = [
      ["ab", "c"],
      ["a", "bc"],
      ["abc"],
      ["abc", ""],
      ["", "abc"],
      ["1:a"],
      ["a", ""],
      ["ü"],
      ["Ã¼"]
    ].map((parts) => NodeDigest.derive("evt", ...parts))
    assert.strictEqual(new Set(derived).size, derived.length)
  })
})
