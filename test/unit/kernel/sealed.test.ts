import { assert, describe, it } from "@effect/vitest"
import * as Formatter from "effect/Formatter"
import * as Schema from "effect/Schema"
import { inspect } from "node:util"
import * as AesSubjectKey from "#layers/key-ring/AesSubjectKey.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import { openWith, sealer } from "#src/ports/Vault.ts"

const randomness = AesSubjectKey.seededRandomness("sealed.test")
const keyOf = (name: string) => AesSubjectKey.make(SubjectId.make(name), randomness.key(), randomness)
const key = keyOf("session:one")
const other = keyOf("session:two")
const at = "session:one#1#/text"
const box = sealer(key)(at, "hello")

describe("words not yet sealed", () => {
  const plain = Sealed.plain({ text: "CANARY" })

  it.each([
    ["JSON.stringify", () => JSON.stringify({ plain })],
    ["String", () => String(plain)],
    ["inspect", () => inspect({ plain }, { depth: 9, showHidden: true })],
    ["Effect's formatter", () => Formatter.format({ plain })],
    ["Effect's JSON formatter", () => Formatter.formatJson({ plain })],
    ["Object.entries", () => Object.entries(plain).flat().join()],
    ["a clone", () => inspect(structuredClone(plain))]
  ])("stay out of %s", (_name, show) => {
    assert.notInclude(show(), "CANARY")
  })

  it("are still told apart by a test's deep comparison", () => {
    assert.deepStrictEqual(Sealed.plain({ text: "a" }), Sealed.plain({ text: "a" }))
    assert.notDeepEqual(Sealed.plain({ text: "a" }), Sealed.plain({ text: "b" }))
  })

  it("have no form in a codec", () => {
    const codec = Schema.toCodecJson(Schema.Struct({ text: Sealed.Handle }))
    assert.throws(() => Canonical.encode(Schema.encodeSync(codec)({ text: plain }) as Canonical.Json))
  })
})

describe("a box", () => {
  it("fits its schema", () => {
    assert.isTrue(Schema.is(Sealed.Box)(box))
    assert.isTrue(Schema.is(Sealed.Handle)(box))
    assert.isTrue(Sealed.isBox(box))
  })

  it.each([
    ["no place", { sealed: { subject: "session:one", box: box.sealed.box } }],
    ["no subject", { sealed: { at, box: box.sealed.box } }],
    ["a place without version", { sealed: { ...box.sealed, at: "session:one##/text" } }],
    ["text too short to hold nonce and tag", { sealed: { ...box.sealed, box: "AAAA" } }]
  ])("does not fit it with %s", (_name, value) => {
    assert.isFalse(Schema.is(Sealed.Box)(value))
  })

  it("shows nothing of its words", () => {
    assert.notInclude(JSON.stringify(box), "hello")
    assert.notInclude(JSON.stringify(box), Buffer.from("hello").toString("base64url"))
  })

  const open = (value: unknown) => openWith(value, new Map([[key.subject, key]]))

  it("opens wherever a rule moved it to", () => {
    assert.deepStrictEqual(open({ deep: [{ text: box }] }), open({ deep: [{ text: Sealed.plain("hello") }] }))
  })

  it("does not open as if it had been sealed elsewhere", () => {
    const moved = { sealed: { ...box.sealed, at: "session:one#2#/text" } }
    assert.deepInclude(open({ text: moved }), { _tag: "Failure" })
  })

  it("does not open under another subject's key", () => {
    const foreign = { sealed: { ...box.sealed, subject: other.subject } }
    assert.deepInclude(openWith(foreign, new Map([[other.subject, other]])), { _tag: "Failure" })
  })

  it.prop(
    "does not open once any character of it changed",
    [Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })), Schema.String],
    ([pick, text]) => {
      const { sealed } = sealer(key)(at, Canonical.encode(text.replaceAll(/\p{Surrogate}/gu, "?")))
      const index = pick % sealed.box.length
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      const now = alphabet[(alphabet.indexOf(sealed.box[index]!) + 1 + (pick % 63)) % 64]!
      const changed = sealed.box.slice(0, index) + now + sealed.box.slice(index + 1)
      assert.isNull(key.open(at, changed))
      assert.isNotNull(key.open(at, sealed.box))
    },
    { arbitrary: { runs: 300 } }
  )

  it("has one spelling: neither loose bits of its last character nor stray characters are forgiven", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    // 29, 30 and 31 bytes: the last character carries 2, 4 and 6 bits.
    for (const text of ["1", "12", "123"]) {
      const sealed = key.seal(at, text)
      const spellings = Array.from(alphabet, (last) => sealed.slice(0, -1) + last)
      assert.deepStrictEqual(
        spellings.filter((spelling) => key.open(at, spelling) !== null),
        [sealed]
      )
      for (const stray of [`${sealed}=`, `${sealed}\n`, ` ${sealed}`, `${sealed}*`]) assert.isNull(key.open(at, stray))
    }
  })

  it("shows the mark, and only the mark, once its key is gone", () => {
    const gone = new Map([[key.subject, null]])
    assert.deepInclude(openWith({ text: box, id: 1 }, gone), {
      success: { text: { redacted: true }, id: 1 }
    })
  })

  it("shows the mark where its key was destroyed in somebody's hand", () => {
    const doomed = keyOf("session:doomed")
    const doomedBox = sealer(doomed)(at, "hello")
    doomed.destroy()
    assert.deepInclude(openWith(doomedBox, new Map([[doomed.subject, doomed]])), { success: { redacted: true } })
  })
})

describe("erase", () => {
  const value = { id: 1, text: box, list: [Sealed.plain("x"), sealer(other)(at, "y")], none: null }

  it("replaces every handle at any depth and nothing else", () => {
    const mark = { redacted: true }
    assert.deepStrictEqual(Sealed.erase<unknown>(value), {
      id: 1,
      text: mark,
      list: [mark, mark],
      none: null
    })
  })

  it("spares other subjects' boxes when it is told one", () => {
    const erased = Sealed.erase(value, other.subject)
    assert.deepStrictEqual(erased.text, box)
    assert.isTrue(Sealed.isRedacted(erased.list[1]))
  })

  it("changes nothing the second time", () => {
    assert.deepStrictEqual(Sealed.erase(Sealed.erase(value)), Sealed.erase(value))
  })
})

describe("the walker", () => {
  const pointers = (value: unknown): ReadonlyArray<string> => {
    const seen: Array<string> = []
    Sealed.mapHandles(value, (_handle, pointer) => {
      seen.push(pointer)
      return null
    })
    return seen
  }

  it("gives RFC 6901 pointers, so that no two fields share one", () => {
    const plain = Sealed.plain(1)
    assert.deepStrictEqual(pointers({ a: { b: plain }, "a/b": plain, "a~1b": [plain], "": plain }), [
      "/a/b",
      "/a~1b",
      "/a~01b/0",
      "/"
    ])
  })

  it("keeps a member called __proto__ as a member", () => {
    const value = Canonical.decode('{"__proto__":{"admin":true},"a":1}')
    const mapped = Sealed.mapHandles(value, () => null)
    assert.strictEqual(Canonical.encode(mapped), '{"__proto__":{"admin":true},"a":1}')
    assert.strictEqual(Object.getPrototypeOf(mapped), Object.prototype)
  })

  it("does not walk into words, even where they look like a box", () => {
    assert.deepStrictEqual(pointers({ text: Sealed.plain({ inner: box }) }), ["/text"])
  })

  it("names every subject once", () => {
    assert.deepStrictEqual([...Sealed.subjects([box, { again: box, plain: Sealed.plain(1) }])], [key.subject])
  })
})
