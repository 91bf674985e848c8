import { assert, describe, it } from "@effect/vitest"
import { ActionId, ClaimId, Hash, IncarnationId, PermitId, PrincipalId, SessionId, SubjectId } from "#src/kernel/Ids.ts"
import * as Permit from "#src/kernel/Permit.ts"

const body = "0123456789abcdefghjkmnpqrs"
const fields: Permit.PermitFields = {
  permitId: PermitId.make(`pmt_${body}`),
  claimId: ClaimId.make(`clm_${body}`),
  actionId: ActionId.make(`act_${body}`),
  sessionId: SessionId.make(`ses_${body}`),
  subject: SubjectId.make(`session:ses_${body}`),
  actor: { kind: "AGENT", id: PrincipalId.make("robot") },
  approvedBy: [],
  tool: "file.read",
  toolHash: Hash.make("a".repeat(64)),
  argumentsText: "{}",
  digest: Hash.make("b".repeat(64)),
  expiresAtMillis: 2,
  incarnation: IncarnationId.make(`inc_${body}`),
  leaseUntilMillis: 1
}

describe("permit", () => {
  it("is made by redeem alone", () => {
    const permit = Permit.redeem(fields)
    assert.isTrue(Permit.isGenuine(permit))
    assert.deepStrictEqual(permit.fields, fields)
    // @ts-expect-error The constructor is private: nobody outside the module builds a Permit.
    void (() => new Permit.Permit(fields))
    // @ts-expect-error The class has a private field: an object that looks like a Permit is none.
    const lookalike: Permit.Permit = { fields }
    assert.isFalse(Permit.isGenuine(lookalike))
  })

  it("is built by nobody, even past the compiler, without being told apart", () => {
    const Forged = Permit.Permit as unknown as new (fields: Permit.PermitFields) => Permit.Permit
    class Subclass extends Forged {}
    assert.throws(() => new Forged(fields))
    assert.throws(() => new Subclass(fields))
    assert.throws(() => Reflect.construct(Permit.Permit as unknown as new () => object, [fields]))
    assert.deepStrictEqual(Object.getOwnPropertySymbols(Permit.Permit), [])
  })

  it.each([
    ["a structured clone", (permit: Permit.Permit) => structuredClone(permit)],
    ["an object with its prototype", (permit: Permit.Permit) => Object.create(Object.getPrototypeOf(permit) as object)],
    ["an object that inherits from it", (permit: Permit.Permit) => Object.create(permit)],
    ["a copy of its members", (permit: Permit.Permit) => Object.assign({}, permit, { fields: permit.fields })],
    ["its way through JSON", (permit: Permit.Permit) => JSON.parse(JSON.stringify(permit))],
    ["a proxy of it", (permit: Permit.Permit) => new Proxy(permit, {})]
  ])("is not %s", (_name, copy) => {
    const permit = Permit.redeem(fields)
    assert.isFalse(Permit.isGenuine(copy(permit)))
    assert.isTrue(Permit.isGenuine(permit))
  })

  it("is spent once", () => {
    const permit = Permit.redeem(fields)
    const other = Permit.redeem(fields)
    assert.isTrue(Permit.spend(permit))
    assert.isFalse(Permit.spend(permit))
    assert.isTrue(Permit.spend(other))
  })

  it("can't be changed, nor through what it was made from", () => {
    const source = { ...fields, actor: { ...fields.actor } }
    const permit = Permit.redeem(source)
    source.tool = "shell.run"
    source.actor.kind = "HUMAN"
    assert.deepStrictEqual(permit.fields, fields)
    assert.throws(() => Object.assign(permit.fields.actor, { kind: "HUMAN" }))
    assert.throws(() => Object.assign(permit.fields.approvedBy, [fields.actor]))
    assert.throws(() => Object.assign(permit.fields, { tool: "shell.run" }))
    assert.throws(() => Object.assign(permit, { fields: { ...fields, tool: "shell.run" } }))
    assert.strictEqual(permit.fields.tool, "file.read")
  })

  it("digests actor, tool, definition and arguments, each in its own line", () => {
    const { actor, tool, toolHash, argumentsText } = fields
    const base = Permit.digestInput(actor, tool, toolHash, argumentsText)
    const others = [
      Permit.digestInput({ ...actor, kind: "HUMAN" }, tool, toolHash, argumentsText),
      Permit.digestInput({ ...actor, id: PrincipalId.make("robot2") }, tool, toolHash, argumentsText),
      Permit.digestInput(actor, "file.write", toolHash, argumentsText),
      Permit.digestInput(actor, tool, Hash.make("c".repeat(64)), argumentsText),
      Permit.digestInput(actor, tool, toolHash, '{"path":"x"}')
    ]
    assert.strictEqual(new Set([base, ...others]).size, 6)
  })
})
