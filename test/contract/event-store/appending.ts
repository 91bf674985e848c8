/** Promises about what an append writes. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { sha256 } from "#layers/digest/NodeDigest.ts"
import { add, drop, put } from "#src/kernel/Append.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { chain, on, start, subject, wrappedKey } from "#test/kit/appends.ts"
import { append, defect, head, isNull, promise, said, same } from "./promise.ts"

const positions = promise(
  "answers every append of a hand-over in order, with gapless positions in the order of the events",
  Effect.gen(function* () {
    const base = yield* head
    const one = chain(start("order:one"), [{ events: 2 }, { events: 1 }])
    const two = on(start("order:two"), { events: 3 })
    same(said(yield* append(one.appends[0]!, two.append, one.appends[1]!), base), [[1, 2], [3, 4, 5], [6]])
    same(yield* head, base + 6)
  })
)

const texts = promise(
  "keeps the very text it was given, whatever is in it",
  Effect.gen(function* () {
    const words = ['\u0000\u0001\n\r\t"\\', "ö \u{1f600} \u2028", "{}", "'; DROP TABLE event; --", "x".repeat(20_000)]
    const made = on(start("text:one"), { events: words.map((word) => ({ word })) })
    const [outcome] = yield* append(made.append)
    const { events } = yield* (yield* EventStore).readStream(made.next.stream)
    same(
      events.map(({ text }) => text),
      made.append.events.map(({ text }) => text)
    )
    same(outcome, { _tag: "Committed", events })
    same(
      events.map(({ envelope }) => envelope.payload["word"]),
      words
    )
  })
)

const neighbours = promise(
  "lets one append fail alone: its neighbours commit, and nothing of it is left",
  Effect.gen(function* () {
    const store = yield* EventStore
    const rows = yield* Rows
    yield* append(on(start("alone:taken")).append)
    const good = on(start("alone:good"), { rows: [add("alone.things", 1)] })
    const bad = on(start("alone:taken"), {
      key: "alone",
      rows: [put("alone", "row", {}), add("alone.things", 10)],
      keys: [wrappedKey("alone:key")],
      shred: [subject("alone:other")]
    })
    const last = on(start("alone:last"), { rows: [add("alone.things", 1)] })
    const base = yield* head
    same(said(yield* append(good.append, bad.append, last.append), base), [[1], "conflict 0/1", [2]])
    same((yield* store.readStream(bad.next.stream)).events.length, 1)
    isNull(yield* store.receipt(bad.append.receipt!.principal, bad.append.receipt!.key))
    isNull(yield* rows.get("alone", "row"))
    isNull(yield* store.wrappedKey(subject("alone:key")))
    same(yield* rows.counter("alone.things"), 2)
  })
)

const silent = promise(
  "keeps the receipt of a refusal that has no events, and moves no head for it",
  Effect.gen(function* () {
    const store = yield* EventStore
    const base = yield* head
    const made = on(start("silent:one"), { events: 0 })
    same(said(yield* append(made.append)), [[]])
    same(yield* head, base)
    const slice = yield* store.readStream(made.next.stream)
    same(slice, { events: [], receipts: [made.append.receipt!] })
    same(said(yield* append(made.append)), ["receipt silent:one@0"])
    const late = on({ ...start("silent:one"), version: 3, hash: sha256("another") }, { events: 0, key: "late" })
    same(said(yield* append(late.append)), ["conflict 3/0"])
  })
)

const rows = promise(
  "puts, replaces and drops rows with the events, the last write of an append counting",
  Effect.gen(function* () {
    const found = yield* Rows
    const base = yield* head
    const one = on(start("row:one"), {
      events: 2,
      rows: [
        put("row", "a", { n: 1 }),
        put("row", "b", { n: 1 }),
        put("row", "a", { n: 2 }),
        put("row", "c", {}),
        drop("row", "c")
      ]
    })
    yield* append(one.append)
    same(yield* found.get("row", "a"), { kind: "row", key: "a", body: { n: 2 }, position: base + 2 })
    same((yield* found.get("row", "b"))?.position, base + 2)
    isNull(yield* found.get("row", "c"))
    const two = chain(one.next, [
      { rows: [put("row", "a", { n: 3 }), drop("row", "b")] },
      { rows: [put("row", "b", { back: true }), put("row", "c", { n: 1 })] },
      { rows: [drop("row", "c"), drop("row", "never")] }
    ])
    yield* append(...two.appends)
    same(yield* found.get("row", "a"), { kind: "row", key: "a", body: { n: 3 }, position: base + 3 })
    same(yield* found.get("row", "b"), { kind: "row", key: "b", body: { back: true }, position: base + 4 })
    isNull(yield* found.get("row", "c"))
  })
)

const bodies = promise(
  "gives a row's body back as it was put",
  Effect.gen(function* () {
    const body = {
      text: "ö \u{1f600} \\u0000 \n",
      many: [1, -0.5, 1e21, 5e-324, null, true],
      deep: { b: { a: "" } },
      "": 0
    }
    yield* append(on(start("body:one"), { rows: [put("body", "kéy \t 'x'", body), put("body", "", {})] }).append)
    const found = yield* Rows
    same((yield* found.get("body", "kéy \t 'x'"))?.body, body)
    same((yield* found.get("body", ""))?.body, {})
  })
)

const counters = promise(
  "adds to counters, several times in one append and over a hand-over",
  Effect.gen(function* () {
    const found = yield* Rows
    const all = chain(start("sum:one"), [
      { rows: [add("sum.a", 5), add("sum.a", -2), add("sum.b", 1)] },
      { rows: [add("sum.a", -3)] },
      { rows: [add("sum.a", 7), add("sum.b", -1)] }
    ])
    yield* append(...all.appends)
    same(yield* found.counters("sum."), [
      ["sum.a", 7],
      ["sum.b", 0]
    ])
    same(yield* found.counter("sum.none"), 0)
  })
)

const belowZero = promise(
  "treats a counter that would fall below zero as a defect, and writes nothing of its append",
  Effect.gen(function* () {
    const found = yield* Rows
    const first = on(start("below:one"), { rows: [add("below", 1)] })
    yield* append(first.append)
    const bad = on(first.next, { rows: [add("below", -2)] })
    same(yield* defect(append(bad.append)), "JournalDefect")
    same(yield* found.counter("below"), 1)
    same((yield* (yield* EventStore).readStream(first.next.stream)).events.length, 1)
    yield* append(on(first.next, { rows: [add("below", -1)], key: "down" }).append)
    same(yield* found.counter("below"), 0)
  })
)

const defects = promise(
  "treats an append that no journal could take as a defect, and writes nothing of it",
  Effect.gen(function* () {
    const base = yield* head
    const good = on(start("defect:one"), { events: 2 }).append
    const [event, second] = good.events
    const bad = [
      { ...good, expectedVersion: 1 },
      { ...good, expectedHash: sha256("another") },
      { ...good, events: [second!, event!] },
      { ...good, events: [{ ...event!, hash: sha256("another") }, second!] },
      { ...good, receipt: { ...good.receipt!, version: 7 } },
      { ...good, receipt: { ...good.receipt!, stream: start("defect:two").stream } },
      { ...good, events: [], receipt: null, rows: [put("defect", "x", {})] },
      { ...good, rows: [put("defect", "line\nbreak", {})] },
      { ...good, rows: [put("defect", "nul", { nul: "\u0000" })] },
      { ...good, rows: [add("defect", 0.5)] },
      { ...good, rows: [add("", 1)] },
      { ...good, keys: [wrappedKey("defect:one"), wrappedKey("defect:one")] },
      on(start("defect:one"), { events: 65 }).append
    ]
    for (const append_ of bad) same(yield* defect(append(append_)), "JournalDefect")
    same(yield* head, base)
  })
)

const interrupted = promise(
  "is not disturbed by a caller that goes away",
  Effect.gen(function* () {
    const stays = Array.from({ length: 20 }, (_, index) => on(start(`stay:${index}`)).append)
    const leaves = Array.from({ length: 20 }, (_, index) => on(start(`leave:${index}`)).append)
    const fibers = yield* Effect.forEach(leaves, (one) => Effect.forkChild(append(one)))
    const staying = yield* Effect.forEach(stays, (one) => Effect.forkChild(append(one)))
    yield* Effect.yieldNow
    yield* Fiber.interruptAll(fibers)
    const outcomes = yield* Effect.forEach(staying, Fiber.join)
    same(
      outcomes.map(([outcome]) => outcome?._tag),
      stays.map(() => "Committed")
    )
  })
)

const nothing = promise(
  "answers an empty hand-over with nothing",
  Effect.map(append(), (outcomes) => same(outcomes, []))
)

export const promises = [
  positions,
  texts,
  neighbours,
  silent,
  rows,
  bodies,
  counters,
  belowZero,
  defects,
  interrupted,
  nothing
]
