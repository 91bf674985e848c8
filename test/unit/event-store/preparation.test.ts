/** What an append becomes before a store sees it. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import { prepare, receiptText } from "#layers/event-store/Preparation.ts"
import { add, drop, put, type Receipt } from "#src/kernel/Append.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { CommandId, CommandKey, Millis, PrincipalId, StreamId, SubjectId } from "#src/kernel/Ids.ts"
import { on, start } from "#test/kit/appends.ts"

describe("a receipt's text", () => {
  const any = Schema.Struct({
    principal: PrincipalId,
    key: CommandKey,
    commandId: CommandId,
    stream: StreamId,
    version: Schema.Int,
    subject: SubjectId,
    digest: Schema.String.check(Schema.isPattern(/^[ -~ö\n]{0,20}$/)),
    answer: Schema.String.check(Schema.isPattern(/^[ -~\t"\\]{0,20}$/)),
    recordedAtMillis: Millis
  })
  it.prop("is the canonical one, written by hand", [any], ([receipt]) =>
    assert.strictEqual(receiptText(receipt), Canonical.encode({ ...receipt }))
  )

  it("changes with every field", () => {
    const receipt = on(start("receipt:one")).append.receipt!
    const texts = Object.keys(receipt).map((field) =>
      receiptText({ ...receipt, [field]: "other" } as unknown as Receipt)
    )
    assert.strictEqual(new Set([receiptText(receipt), ...texts]).size, Object.keys(receipt).length + 1)
  })
})

describe("a prepared append", () => {
  it("holds the last write of each row and the net change of each counter", () => {
    const { append } = on(start("fold:one"), {
      rows: [
        put("a", "x", { n: 1 }),
        add("c", 2),
        drop("a", "x"),
        put("a", "y", {}),
        put("a", "x", { n: 3 }),
        add("c", -3)
      ]
    })
    const prepared = prepare(append, sha256)
    assert.deepStrictEqual(prepared.rows, [
      { name: "a\nx", kind: "a", key: "x", body: '{"n":3}' },
      { name: "a\ny", kind: "a", key: "y", body: "{}" }
    ])
    assert.deepStrictEqual([...prepared.counters], [["c", -1]])
  })

  it("weighs what will be sent", () => {
    const small = prepare(on(start("size:one")).append, sha256)
    const large = prepare(on(start("size:one"), { events: [{ text: "x".repeat(10_000) }] }).append, sha256)
    assert.isAtLeast(large.size - small.size, 10_000)
  })
})
