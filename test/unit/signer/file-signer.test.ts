import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as Ed25519 from "#layers/signer/Ed25519.ts"
import * as FileSigner from "#layers/signer/FileSigner.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import * as Programs from "#test/kit/programs.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const hasOpenssl = Programs.has("openssl")

const world = Layer.merge(NodePrivateFiles.layer, NodeDigest.layer)
const start = (folder: string, createIfEmpty = true) =>
  FileSigner.make({ folder, createIfEmpty }).pipe(Effect.provide(world))
const newFolder = Effect.map(TemporaryFolder.make, (folder) => join(folder, "signer"))

describe("Ed25519", () => {
  it("gives the vectors of RFC 8032", () => {
    const vectors = [
      [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
      ],
      [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "r",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
      ]
    ] as const
    for (const [seed, key, text, signature] of vectors) {
      const bytes = Buffer.from(seed, "hex")
      assert.strictEqual(Ed25519.publicBytes(bytes), key)
      assert.strictEqual(Ed25519.sign(bytes, text), signature)
      const by = { name: "x", id: "00000000", bytes: key }
      assert.isTrue(Ed25519.verify(by, text, signature))
      assert.isFalse(Ed25519.verify(by, `${text} `, signature))
      assert.isFalse(Ed25519.verify(by, text, signature.slice(2)))
      assert.isFalse(Ed25519.verify({ ...by, bytes: "ff".repeat(32) }, text, signature))
      assert.isFalse(Ed25519.verify({ ...by, bytes: "ab" }, text, signature))
    }
  })
})

describe("file signer", () => {
  it.effect("signs as itself at the next start too, from files for their owner alone", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const signer = yield* start(folder)
      const [key] = yield* signer.publicKeys
      const first = yield* signer.sign("words\n")
      assert.deepStrictEqual(yield* (yield* start(folder, false)).sign("words\n"), first)
      assert.isTrue(signer.verify(key!, "words\n", first.bytes))
      assert.deepInclude(key, { version: 1, name: first.name, id: first.id })
      assert.deepStrictEqual(fs.readdirSync(folder), ["signing-1.key", "signing-1.pub"])
      assert.strictEqual(fs.statSync(folder).mode & 0o777, 0o700)
      assert.strictEqual(fs.statSync(join(folder, "signing-1.key")).mode & 0o777, 0o600)
      assert.strictEqual(fs.readFileSync(join(folder, "signing-1.pub"), "utf8"), `${Checkpoint.keyText(key!)}\n`)
    })
  )

  it.effect("signs with the newest key after a rotation, under the same name, and still publishes the older one", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const signer = yield* start(folder)
      const before = yield* signer.sign("words\n")
      const elsewhere = yield* start(folder)
      assert.strictEqual(yield* elsewhere.rotate, 2)
      // The rotation of another process counts from the next signature on.
      const after = yield* signer.sign("words\n")
      assert.strictEqual(after.name, before.name)
      assert.notStrictEqual(after.id, before.id)
      // A secret that signs no more may go; what it signed is still judged.
      fs.rmSync(join(folder, "signing-1.key"))
      const keys = yield* signer.publicKeys
      assert.deepStrictEqual(
        keys.map(({ version, id }) => [version, id]),
        [
          [1, before.id],
          [2, after.id]
        ]
      )
      assert.isTrue(signer.verify(keys[0]!, "words\n", before.bytes))
      assert.isFalse(signer.verify(keys[1]!, "words\n", before.bytes))
      assert.deepStrictEqual(yield* Effect.provide(FileSigner.published(folder), world), keys)
    })
  )

  it.effect("publishes a key whose maker was killed between its two files", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const [key] = yield* (yield* start(folder)).publicKeys
      fs.rmSync(join(folder, "signing-1.pub"))
      assert.deepStrictEqual(yield* (yield* start(folder, false)).publicKeys, [key!])
    })
  )

  it.effect("never signs with an older key in the place of a lost one, nor with a new one that nobody knows", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      assert.strictEqual((yield* Effect.flip(start(folder, false))).reason, "KeyMissing")
      const signer = yield* start(folder)
      yield* signer.rotate
      fs.rmSync(join(folder, "signing-2.key"))
      for (const error of [
        yield* Effect.flip(signer.sign("words\n")),
        yield* Effect.flip(signer.rotate),
        yield* Effect.flip(start(folder, true))
      ]) {
        assert.strictEqual(error.reason, "KeyMissing")
        assert.include(error.message, "restore")
      }
    })
  )

  it.effect("does not sign from a file that is open to others, damaged or another version's", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const signer = yield* start(folder)
      const path = join(folder, "signing-1.key")
      const text = fs.readFileSync(path, "utf8")
      const reason = Effect.map(Effect.flip(signer.sign("words\n")), (error) => error.reason)
      fs.chmodSync(path, 0o640)
      assert.strictEqual(yield* reason, "Insecure")
      fs.chmodSync(path, 0o600)
      for (const changed of [
        text.slice(0, -9),
        text.replace('"version":1', '"version":2'),
        text.replace("journal/", "journal-"),
        ""
      ]) {
        fs.writeFileSync(path, changed)
        assert.strictEqual(yield* reason, "KeyDamaged")
      }
      fs.writeFileSync(path, text)
      fs.chmodSync(folder, 0o750)
      assert.strictEqual(yield* reason, "Insecure")
      fs.chmodSync(folder, 0o700)
      yield* signer.sign("words\n")
    })
  )

  it.effect("shows its secret to nobody", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const signer = yield* start(folder)
      const path = join(folder, "signing-1.key")
      const { key } = JSON.parse(fs.readFileSync(path, "utf8")) as { readonly key: string }
      fs.writeFileSync(path, fs.readFileSync(path, "utf8").replace("checksum", "checksome"))
      const failure = yield* Effect.exit(signer.sign("words\n"))
      const shown = [inspect(signer, { depth: 9, showHidden: true }), inspect(failure, { depth: 9 })]
      if (failure._tag === "Failure") shown.push(Cause.pretty(failure.cause))
      for (const text of shown) {
        assert.notInclude(text, key)
        assert.notInclude(text, Buffer.from(key, "base64url").toString("hex"))
      }
    })
  )

  it.effect.skipIf(!hasOpenssl)("makes signatures that OpenSSL finds true", () =>
    Effect.gen(function* () {
      const folder = yield* newFolder
      const signer = yield* start(folder)
      const [key] = yield* signer.publicKeys
      const { bytes } = yield* signer.sign("words\n")
      const der = Buffer.from(`302a300506032b6570032100${key!.bytes}`, "hex").toString("base64")
      const put = (name: string, data: string | Buffer) => {
        fs.writeFileSync(join(folder, name), data)
        return join(folder, name)
      }
      const pem = put("key.pem", `-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`)
      const signature = put("signature", Buffer.from(bytes, "hex"))
      const judge = (text: string) =>
        execFileSync(
          "openssl",
          ["pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", put("text", text), "-sigfile", signature],
          { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }
        )
      assert.include(judge("words\n"), "Verified Successfully")
      assert.throws(() => judge("swords\n"))
    })
  )
})
