import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as AesSubjectKey from "#layers/key-ring/AesSubjectKey.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import * as Envelope from "#src/kernel/Envelope.ts"
import { CommandId, CommandKey, EventId, PrincipalId, StreamId, SubjectId } from "#src/kernel/Ids.ts"
import * as Sealed from "#src/kernel/Sealed.ts"
import type { Stamp } from "#src/kernel/Stamp.ts"
import { openPayloadWith, sealer } from "#src/ports/Vault.ts"

const randomness = AesSubjectKey.seededRandomness("envelope.test")
const stream = StreamId.make("session:ses_1")
const key = AesSubjectKey.make(SubjectId.make("session:ses_1"), randomness.key(), randomness)
const keys = new Map([[key.subject, key]])
const eventId = (name: string) => EventId.make(NodeDigest.derive("evt", name))
const stamp: Stamp = {
  atMillis: 0,
  actor: { kind: "HUMAN", id: PrincipalId.make("owner") },
  key: CommandKey.make("k"),
  commandId: CommandId.make(NodeDigest.derive("cmd", "k")),
  correlationId: "c",
  causationId: null,
  traceparent: null
}
const assemble = (draft: Envelope.Draft, change: Partial<Envelope.Assembly> = {}) =>
  Envelope.assemble({
    draft,
    schemaVersion: 1,
    stamp,
    occurredAt: "1970-01-01T00:00:00.000Z",
    stream,
    version: 1,
    prevHash: Envelope.genesis,
    eventId: eventId("1"),
    seal: sealer(key),
    sha256: NodeDigest.sha256,
    ...change
  })
const draft: Envelope.Draft = { type: "turn.started", payload: { input: { text: Sealed.plain("hello") }, n: 1 } }

/** The text, or that it was refused. */
const outcome = (encode: () => string): string => {
  try {
    return encode()
  } catch (error) {
    assert.instanceOf(error, Canonical.NotCanonical)
    return "refused"
  }
}

describe("assemble", () => {
  it("gives an envelope that fits its schema, its canonical text and the hash of that text", () => {
    const event = assemble(draft)
    assert.isTrue(Schema.is(Envelope.Envelope)(event.envelope))
    assert.strictEqual(event.text, Canonical.encodeByLibrary(event.envelope as unknown as Canonical.Json))
    assert.strictEqual(event.hash, createHash("sha256").update(event.text, "utf8").digest("hex"))
    assert.deepStrictEqual(Canonical.decode(event.text), event.envelope as unknown as Canonical.Json)
  })

  it.prop(
    "writes by hand what the encoder writes, for any envelope",
    [Envelope.Envelope],
    ([envelope]) => {
      const judge = outcome(() => Canonical.encodeByLibrary({ ...envelope }))
      assert.strictEqual(
        outcome(() => Envelope.textOf(envelope)),
        judge
      )
    },
    { arbitrary: { runs: 500 } }
  )

  it("refuses a payload so deep that its own text could not be encoded again", () => {
    const nested = (levels: number): Canonical.Json => (levels === 0 ? 1 : [nested(levels - 1)])
    const deep = (levels: number) => assemble({ type: "thing.happened", payload: { deep: nested(levels) } })
    const { text } = deep(Bounds.jsonDepthMax - 2)
    assert.strictEqual(Canonical.encode(Canonical.decode(text)), text)
    assert.throws(() => deep(Bounds.jsonDepthMax - 1), Canonical.NotCanonical)
  })

  it("chains each event to the one before it", () => {
    const first = assemble(draft)
    const second = assemble(draft, { version: 2, prevHash: first.hash, eventId: eventId("2") })
    assert.strictEqual(first.envelope.prevHash, "0".repeat(64))
    assert.strictEqual(second.envelope.prevHash, first.hash)
    assert.notStrictEqual(second.hash, first.hash)
  })

  it("seals each plain field at its own place and lets no word through", () => {
    const { envelope, text } = assemble(draft)
    const { input } = envelope.payload as { input: { text: Sealed.Box } }
    assert.strictEqual(input.text.sealed.at, "session:ses_1#1#/input/text")
    assert.notInclude(text, "hello")
    assert.deepInclude(openPayloadWith(envelope, keys), { success: { input: { text: "hello" }, n: 1 } })
  })

  it("takes what state kept of an earlier event as it is", () => {
    const first = assemble(draft)
    const kept = (first.envelope.payload as { input: { text: Sealed.Box } }).input.text
    const second = assemble({ type: "turn.completed", payload: { echo: kept } }, { version: 2, prevHash: first.hash })
    assert.deepStrictEqual(second.envelope.payload, { echo: kept } as unknown as Envelope.Envelope["payload"])
    assert.deepInclude(openPayloadWith(second.envelope, keys), { success: { echo: "hello" } })
  })

  it("is pure: the same input gives the same bytes, when sealing does", () => {
    const replayed = () => {
      const again = AesSubjectKey.seededRandomness("replay")
      return assemble(draft, { seal: sealer(AesSubjectKey.make(key.subject, again.key(), again)) })
    }
    assert.deepStrictEqual(replayed(), replayed())
  })

  it.prop("gives another hash for any other payload", [Schema.Json, Schema.Json], ([left, right]) => {
    const hashOf = (value: Canonical.Json) => assemble({ type: "turn.started", payload: { value } }).hash
    const safe = (value: Canonical.Json): string | null => {
      try {
        return Canonical.encode(value)
      } catch {
        return null
      }
    }
    if (safe(left) === null || safe(right) === null) return
    assert.strictEqual(hashOf(left) === hashOf(right), safe(left) === safe(right))
  })
})

describe("a box in an event", () => {
  const event = assemble({ type: "turn.started", payload: { a: Sealed.plain("A"), b: Sealed.plain("B") } })
  const payload = event.envelope.payload as unknown as { a: Sealed.Box; b: Sealed.Box }
  const open = (envelope: Pick<Envelope.Envelope, "stream" | "version">, value: unknown) =>
    openPayloadWith({ ...envelope, payload: value as Envelope.Envelope["payload"] }, keys)._tag

  it("does not open in another field of its event", () => {
    assert.strictEqual(open(event.envelope, payload), "Success")
    assert.strictEqual(open(event.envelope, { a: payload.b, b: payload.a }), "Failure")
  })

  it("does not open in an event before it", () => {
    const later = sealer(key)(Envelope.aad(stream, 5, "/a"), "A")
    assert.strictEqual(open({ stream, version: 4 }, { a: later }), "Failure")
    assert.strictEqual(open({ stream, version: 5 }, { a: later }), "Success")
    assert.strictEqual(open({ stream, version: 6 }, { elsewhere: later }), "Success")
  })

  it("opens in another stream of the same subject, where a rule moved it", () => {
    assert.strictEqual(open({ stream: StreamId.make("action:act_1"), version: 1 }, { a: payload.a }), "Success")
  })

  it("does not open where only its place was rewritten", () => {
    const rewritten = { sealed: { ...payload.a.sealed, at: Envelope.aad(stream, 1, "/b") } }
    assert.strictEqual(open(event.envelope, { b: rewritten }), "Failure")
  })

  it("never shares a place with a receipt's answer", () => {
    const asReceipt = Envelope.receiptAad(stream, PrincipalId.make("1"), CommandKey.make("/a"))
    assert.notStrictEqual(asReceipt, Envelope.aad(stream, 1, "/a"))
    assert.isNull(key.open(Envelope.aad(stream, 1, "/a"), key.seal(asReceipt, '"A"')))
  })
})
