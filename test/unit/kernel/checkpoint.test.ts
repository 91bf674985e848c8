/** Checkpoints, keys and proofs as text: the specifications' own examples, and whatever is not quite one of them. */
import { assert, describe, it } from "@effect/vitest"
import { sha256, sha256OfHex } from "#layers/digest/NodeDigest.ts"
import * as Ed25519 from "#layers/signer/Ed25519.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import type { Hash } from "#src/kernel/Ids.ts"

/** The key and the note of the reference implementation of signed notes (golang.org/x/mod/sumdb/note). */
const referenceKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
const referenceText =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
const referenceSignature =
  "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="

const seed = Buffer.alloc(32, 7)
const name = "keelson.journal/test"
const key = Checkpoint.publicKey(sha256OfHex, name, Ed25519.publicBytes(seed))
const root = sha256("a root")
const text = Checkpoint.textOf({ origin: name, size: 42, root })
const note = Checkpoint.noteOf(text, [{ name, id: key.id, bytes: Ed25519.sign(seed, text) }])

/** The next letter of base64, which differs in the last bit alone. */
const spare = (letter: string) => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  return letters[letters.indexOf(letter) ^ 1]!
}

const isSigned = (parsed: Checkpoint.Checkpoint | null, keys = [key]) =>
  parsed !== null && Checkpoint.isSigned(parsed, keys, Ed25519.verify)

describe("a checkpoint", () => {
  it("knows the reference implementation's key, and its signature", () => {
    const reference = Checkpoint.parseKey(sha256OfHex, referenceKey)
    assert.isNotNull(reference)
    assert.strictEqual(Checkpoint.keyText(reference), referenceKey)
    const signature = Buffer.from(referenceSignature, "base64")
    assert.strictEqual(signature.subarray(0, 4).toString("hex"), reference.id)
    assert.isTrue(Ed25519.verify(reference, referenceText, signature.subarray(4).toString("hex")))
    assert.isFalse(Ed25519.verify(reference, `${referenceText}\n`, signature.subarray(4).toString("hex")))
  })

  it("is three lines, an empty one and a signature, and comes back as it went", () => {
    const lines = note.split("\n")
    assert.deepStrictEqual(lines.slice(0, 4), [name, "42", Buffer.from(root, "hex").toString("base64"), ""])
    assert.match(lines[4]!, /^— keelson\.journal\/test \S{92}$/)
    assert.deepInclude(Checkpoint.parse(note), { origin: name, size: 42, root, text, note })
    assert.isTrue(isSigned(Checkpoint.parse(note)))
  })

  it("is not signed where any character of it was changed, nor by any other key", () => {
    for (let at = 0; at < note.length; at++) {
      const changed = `${note.slice(0, at)}${note[at] === "B" ? "C" : "B"}${note.slice(at + 1)}`
      assert.isFalse(isSigned(Checkpoint.parse(changed)), `character ${at}`)
    }
    const other = Checkpoint.publicKey(sha256OfHex, name, Ed25519.publicBytes(Buffer.alloc(32, 8)))
    assert.isFalse(isSigned(Checkpoint.parse(note), [other]))
    assert.isFalse(isSigned(Checkpoint.parse(note), [{ ...other, id: key.id }]))
    assert.isFalse(isSigned(Checkpoint.parse(note), []))
  })

  it("may carry signatures of keys that nobody here knows", () => {
    const stranger = { name: "witness.example/w", id: "00000000", bytes: "11".repeat(64) }
    const [own] = Checkpoint.parse(note)!.signatures
    assert.isTrue(isSigned(Checkpoint.parse(Checkpoint.noteOf(text, [stranger, own!]))))
    const longer = `${note}— witness.example/w ${Buffer.alloc(76).toString("base64")}\n`
    assert.isTrue(isSigned(Checkpoint.parse(longer)))
    assert.isFalse(isSigned(Checkpoint.parse(Checkpoint.noteOf(text, [own!, { ...own!, bytes: "11".repeat(64) }]))))
  })

  it("speaks for its own origin alone", () => {
    const foreign = Checkpoint.textOf({ origin: "elsewhere", size: 42, root })
    const signed = Checkpoint.noteOf(foreign, [{ name, id: key.id, bytes: Ed25519.sign(seed, foreign) }])
    assert.isFalse(isSigned(Checkpoint.parse(signed)))
  })

  const broken: ReadonlyArray<readonly [what: string, text: string]> = [
    ["nothing", ""],
    ["no signature", text],
    ["no last line end", note.slice(0, -1)],
    ["a size with a zero before it", note.replace("\n42\n", "\n042\n")],
    ["a size that is none", note.replace("\n42\n", "\n-42\n")],
    ["a size that no number holds", note.replace("\n42\n", "\n9007199254740993\n")],
    ["a root that is cut", note.replace(/\n(\S{43}=)\n/, (_, hash: string) => `\n${hash.slice(4)}\n`)],
    ["a root in base64url", note.replace(/\n(\S{43}=)\n/, "\n-_".padEnd(45, "A") + "=\n")],
    // The last letter before the padding has bits to spare: the same bytes in other letters.
    ["a root in other letters", note.replace(/(\S)=\n\n/, (_, last: string) => `${spare(last)}=\n\n`)],
    ["a signature in other letters", note.replace(/(\S)=\n$/, (_, last: string) => `${spare(last)}=\n`)],
    ["an empty origin", note.replace(name, "")],
    ["a tab", note.replace("\n42\n", "\n42\t\n")],
    ["lines that end as on Windows", note.replaceAll("\n", "\r\n")],
    ["a hyphen before the signature", note.replace("—", "-")],
    ["something behind the signature", `${note}and more\n`]
  ]
  it.each(broken)("is nothing with %s", (_what, changed) => {
    assert.notStrictEqual(changed, note)
    assert.isNull(Checkpoint.parse(changed))
  })
})

describe("published keys", () => {
  it("are one a line, with room for words", () => {
    const lines = `# ours\n\n${Checkpoint.keyText(key)}\r\n${referenceKey}\n`
    assert.deepStrictEqual(
      Checkpoint.parseKeys(sha256OfHex, lines)?.map(({ name: of }) => of),
      [name, "PeterNeumann"]
    )
  })

  it.each([
    ["an id that is another key's", referenceKey.replace("c74f20a3", "c74f20a4")],
    ["another name with the same id", referenceKey.replace("Peter", "Petra")],
    ["a key of another kind", referenceKey.replace("ARpc", "Ahpc")],
    ["a key that is cut", referenceKey.slice(0, -4)],
    ["nothing", ""]
  ])("are refused with %s", (_what, line) => {
    assert.isNull(Checkpoint.parseKeys(sha256OfHex, line))
    assert.isNull(Checkpoint.parseKeys(sha256OfHex, `${Checkpoint.keyText(key)}\n${line === "" ? "x" : line}`))
  })
})

describe("a proof", () => {
  const path: ReadonlyArray<Hash> = [sha256("one"), sha256("two")]
  const checkpoint = Checkpoint.parse(note)!

  it("of one event comes back as it went, words of any script included", () => {
    const proof = { event: '{"word":"ö 安全 🔒"}', position: 7, path, checkpoint }
    const written = Checkpoint.inclusionText(proof)
    assert.deepStrictEqual(written.split("\n").slice(0, 1), ["c2sp.org/tlog-proof@v1"])
    assert.include(written, "\nindex 6\n")
    assert.deepStrictEqual(Checkpoint.parseInclusion(written), proof)
    assert.deepStrictEqual(Checkpoint.parseInclusion(Checkpoint.inclusionText({ ...proof, path: [] })), {
      ...proof,
      path: []
    })
    assert.isNull(Checkpoint.parseConsistency(written))
  })

  it("of two checkpoints comes back as it went", () => {
    const proof = { fromSize: 12, path, checkpoint }
    const written = Checkpoint.consistencyText(proof)
    assert.isTrue(written.startsWith("old 12\n"))
    assert.deepStrictEqual(Checkpoint.parseConsistency(written), proof)
    assert.isNull(Checkpoint.parseInclusion(written))
    for (const changed of [
      written.replace("old 12", "old 012"),
      written.replace("old 12", "new 12"),
      written.replace("\n\n", "\n"),
      written.replace("\n", "\nAAAA\n"),
      written.slice(0, -1)
    ]) {
      assert.isNull(Checkpoint.parseConsistency(changed))
    }
  })
})
