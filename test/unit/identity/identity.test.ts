import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import * as FileIdentity from "#layers/identity/FileIdentity.ts"
import * as StaticIdentity from "#layers/identity/StaticIdentity.ts"
import * as Token from "#layers/identity/Token.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import { PrincipalId } from "#src/kernel/Ids.ts"
import { Identity, type Principal, Unauthenticated } from "#src/ports/Identity.ts"
import * as TemporaryFolder from "../../kit/TemporaryFolder.ts"

const refused = new Unauthenticated({ retryable: false })
const authenticate = (folder: string, token: Redacted.Redacted<string>) =>
  Effect.flatMap(Identity, (identity) => identity.authenticate(token)).pipe(
    Effect.provide(FileIdentity.layer({ folder })),
    Effect.provide(NodePrivateFiles.layer)
  )
const ensure = (folder: string) =>
  FileIdentity.ensureOwnerToken({ folder }).pipe(Effect.provide(NodePrivateFiles.layer))
const read = (folder: string) => FileIdentity.readOwnerToken({ folder }).pipe(Effect.provide(NodePrivateFiles.layer))

/** The token with one character changed. */
const changed = (text: string, index: number): string =>
  text.slice(0, index) + (text[index] === "A" ? "B" : "A") + text.slice(index + 1)

describe("tokens", () => {
  it("are 256 random bits that say what they are", () => {
    const tokens = Array.from({ length: 100 }, () => Redacted.value(Token.mint()))
    for (const token of tokens) assert.match(token, /^kls_[A-Za-z0-9_-]{49}$/)
    assert.isTrue(tokens.every(Token.isWellFormed))
    assert.strictEqual(new Set(tokens).size, 100)
  })

  it("show a slip of the hand by themselves", () => {
    const token = Redacted.value(Token.mint())
    for (let index = 0; index < token.length; index++) assert.isFalse(Token.isWellFormed(changed(token, index)))
    for (const other of ["", "kls_", token.slice(0, -1), `${token}A`, ` ${token}`, `${token}\n`, token.toUpperCase()]) {
      assert.isFalse(Token.isWellFormed(other), other)
    }
  })

  it("stay out of what is shown", () => {
    const token = Token.mint()
    const shown = inspect(token, { showHidden: true, depth: 9 }) + JSON.stringify({ token }) + Formatter.format(token)
    assert.notInclude(shown, Redacted.value(token).slice(4))
  })
})

describe("static identity", () => {
  const principal = (id: string, ...roles: ReadonlyArray<string>): Principal => ({
    actor: { kind: "AGENT", id: PrincipalId.make(id) },
    roles
  })
  const [robot, android, stranger] = [Token.mint(), Token.mint(), Token.mint()]
  const identity = StaticIdentity.make([
    { token: robot, principal: principal("robot", "b", "a") },
    { token: android, principal: principal("android") }
  ])

  it.effect("knows its principals by their tokens, with roles sorted", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* identity.authenticate(robot), principal("robot", "a", "b"))
      assert.deepStrictEqual(yield* identity.authenticate(android), principal("android"))
    })
  )

  it.effect("refuses strangers, near misses and noise alike", () =>
    Effect.gen(function* () {
      const text = Redacted.value(robot)
      for (const token of [
        stranger,
        ...["", "Bearer", changed(text, 10), text.slice(0, -1)].map((each) => Redacted.make(each))
      ]) {
        assert.deepStrictEqual(yield* Effect.flip(identity.authenticate(token)), refused)
      }
    })
  )

  it("does not start with a token that could never be presented, and does not show it", () => {
    const make = () => StaticIdentity.make([{ token: Redacted.make("hunter2"), principal: principal("robot") }])
    assert.throws(make, "the token of robot is not a Keelson token")
  })

  it("gives one id to one kind of actor, and Keelson's own to nobody", () => {
    const entry = (kind: "HUMAN" | "AGENT", id: string) => ({
      token: Token.mint(),
      principal: { actor: { kind, id: PrincipalId.make(id) }, roles: [] }
    })
    assert.throws(() => StaticIdentity.make([entry("HUMAN", "ana"), entry("AGENT", "ana")]), "ana is the id of a HUMAN")
    assert.throws(() => StaticIdentity.make([entry("HUMAN", "system")]), "system is the id of a SYSTEM")
    assert.doesNotThrow(() => StaticIdentity.make([entry("HUMAN", "ana"), entry("HUMAN", "ana")]))
  })

  it("keeps no token", () => {
    const shown = inspect(identity, { showHidden: true, depth: 12 })
    for (const token of [robot, android]) assert.notInclude(shown, Redacted.value(token).slice(4))
  })
})

describe("file identity", () => {
  it.effect("mints the owner's token at the first start, for its owner's eyes alone", () =>
    Effect.gen(function* () {
      const folder = join(yield* TemporaryFolder.make, "data")
      const first = yield* ensure(folder)
      assert.isTrue(first.minted)
      assert.strictEqual(first.path, join(folder, "owner.token"))
      assert.strictEqual(fs.statSync(first.path).mode & 0o777, 0o600)
      assert.strictEqual(fs.readFileSync(first.path, "utf8"), `${Redacted.value(first.token)}\n`)
      const second = yield* ensure(folder)
      assert.isFalse(second.minted)
      assert.strictEqual(Redacted.value(second.token), Redacted.value(first.token))
      assert.strictEqual(Redacted.value((yield* read(folder)).token), Redacted.value(first.token))
    })
  )

  it.effect("knows the owner, a human with the owner's role, and nobody else", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const { token } = yield* ensure(folder)
      assert.deepStrictEqual(yield* authenticate(folder, token), {
        actor: { kind: "HUMAN", id: PrincipalId.make("owner") },
        roles: ["owner"]
      })
      assert.deepStrictEqual(yield* Effect.flip(authenticate(folder, Token.mint())), refused)
    })
  )

  it.effect("gives two first starts at once the same token", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const starts = yield* Effect.all(
        Array.from({ length: 8 }, () => ensure(folder)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(starts.map(({ token }) => Redacted.value(token))).size, 1)
      assert.strictEqual(starts.filter(({ minted }) => minted).length, 1)
      assert.deepStrictEqual(fs.readdirSync(folder), ["owner.token"])
    })
  )

  it.effect("does not start on a token that others can read, and says the command that mends it", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const { token, path } = yield* ensure(folder)
      fs.chmodSync(path, 0o644)
      const error = yield* Effect.flip(authenticate(folder, token))
      assert.deepInclude(error, { _tag: "PrivateFileError", reason: "Insecure" })
      assert.include(error.message, `run: chmod 600 '${path}'`)
    })
  )

  it.effect("names a damaged token file, never mints over it, and never shows what stands in it", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      const { token, path } = yield* ensure(folder)
      const text = Redacted.value(token)
      for (const damage of ["", "hunter2", text.slice(0, -1), changed(text, 20), `${text} ${text}`]) {
        fs.writeFileSync(path, damage)
        const error = yield* Effect.flip(ensure(folder))
        assert.deepInclude(error, { reason: "Damaged", path })
        assert.strictEqual(fs.readFileSync(path, "utf8"), damage)
        assert.notInclude(inspect(error, { showHidden: true }), text.slice(30))
      }
    })
  )

  it.effect("says that there is no token yet to a command that only reads", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryFolder.make
      assert.strictEqual((yield* Effect.flip(read(folder))).reason, "Missing")
      assert.deepStrictEqual(fs.readdirSync(folder), [])
    })
  )
})
