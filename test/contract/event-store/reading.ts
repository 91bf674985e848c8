/** Promises about reads, cells and keys. */
import * as Effect from "effect/Effect"
import * as Bounds from "#src/kernel/Bounds.ts"
import { CommandKey, PrincipalId, StreamId } from "#src/kernel/Ids.ts"
import { put } from "#src/kernel/Append.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { chain, on, start, subject, wrappedKey } from "#test/kit/appends.ts"
import { append, defect, head, isFalse, isNull, isTrue, promise, same } from "./promise.ts"

const streams = promise(
  "reads a stream whole, from version 1, with its receipts in order",
  Effect.gen(function* () {
    const store = yield* EventStore
    const all = chain(start("read:one"), [
      { events: 2 },
      { receipt: false },
      { events: 0, key: "refused" },
      { events: 3 }
    ])
    yield* append(...all.appends, on(start("read:two")).append)
    const slice = yield* store.readStream(all.next.stream)
    same(
      slice.events.map(({ envelope }) => envelope.version),
      [1, 2, 3, 4, 5, 6]
    )
    same(
      slice.receipts,
      all.appends.flatMap(({ receipt }) => (receipt === null ? [] : [receipt]))
    )
    same(yield* store.readStream(StreamId.make("read:none")), { events: [], receipts: [] })
  })
)

const together = promise(
  "answers many reads at once, each its own, however often the same stream or row is among them, and what is not there",
  Effect.gen(function* () {
    const store = yield* EventStore
    const rows = yield* Rows
    const made = Array.from({ length: 20 }, (_, index) =>
      chain(start(`together:${index}`), [{ events: 2, rows: [put("many", `key-${index}`, { index })] }, { events: 1 }])
    )
    yield* append(...made.flatMap(({ appends }) => appends))
    const asked = [
      ...made.map(({ next }) => next.stream),
      made[3]!.next.stream,
      StreamId.make("together:none"),
      made[3]!.next.stream
    ]
    const slices = yield* Effect.forEach(asked, (stream) => store.readStream(stream), { concurrency: "unbounded" })
    same(
      slices.map(({ events, receipts }) => [events.map(({ envelope }) => envelope.stream), receipts.length]),
      asked.map((stream) => (stream === "together:none" ? [[], 0] : [[stream, stream, stream], 2]))
    )
    const names = ["key-3", "none", "key-19", "key-3", "", "key\n3", ...made.map((_, index) => `key-${index}`)]
    const found = yield* Effect.forEach(names, (name) => rows.get("many", name), { concurrency: "unbounded" })
    same(
      found.map((row) => row?.body["index"] ?? null),
      names.map((name) => (/^key-\d+$/.test(name) ? Number(name.slice(4)) : null))
    )
  })
)

const pages = promise(
  "reads everything after a position, page by page, without gap or repeat",
  Effect.gen(function* () {
    const store = yield* EventStore
    const base = yield* head
    const all = chain(start("page:one"), [{ events: 5 }, { events: 5 }])
    yield* append(...all.appends)
    const read: Array<number> = []
    for (let cursor = base; ;) {
      const page = yield* store.readAll(cursor, 3)
      if (page.length === 0) break
      read.push(...page.map(({ position }) => position - base))
      cursor = page.at(-1)!.position
    }
    same(read, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    same(yield* store.readAll(base, 0), [])
    same((yield* store.readAll(0, 1_000_000)).length, Math.min(base + 10, Bounds.readLimitMax))
    same(yield* store.readAll(base + 1_000, 10), [])
    // By text: the one that passes it is the last, and one comes in any case.
    const [first, second] = yield* store.readAll(base, 2)
    const sizeOf = (text: string) => new TextEncoder().encode(text).length
    const lengthOf = (textMax: number) => Effect.map(store.readAll(base, 10, textMax), ({ length }) => length)
    same(yield* lengthOf(0), 1)
    same(yield* lengthOf(sizeOf(first!.text) - 1), 1)
    same(yield* lengthOf(sizeOf(first!.text)), 2)
    same(yield* lengthOf(sizeOf(first!.text) + sizeOf(second!.text) - 1), 2)
    same(yield* lengthOf(1_000_000), 10)
    same((yield* store.readAll(base, 3, 1_000_000)).length, 3)
  })
)

const receipts = promise(
  "finds a receipt by principal and key, in whatever stream it was left",
  Effect.gen(function* () {
    const store = yield* EventStore
    const made = on(start("receipt:one"), { key: "find!me~" })
    yield* append(made.append)
    same(yield* store.receipt(PrincipalId.make("owner"), CommandKey.make("find!me~")), made.append.receipt)
    isNull(yield* store.receipt(PrincipalId.make("someone"), CommandKey.make("find!me~")))
    isNull(yield* store.receipt(PrincipalId.make("owner"), CommandKey.make("find")))
  })
)

const forgetting = promise(
  "forgets old receipts of streams that are quiet, so many at a time, and no other",
  Effect.gen(function* () {
    const store = yield* EventStore
    const quiet = chain(start("forget:quiet"), [
      { atMillis: 0 },
      { atMillis: 1, events: 0, key: "no" },
      { atMillis: 499 }
    ])
    const lively = chain(start("forget:lively"), [{ atMillis: 0 }, { atMillis: 500, receipt: false }])
    const late = chain(start("forget:late"), [
      { atMillis: 0, receipt: false },
      { atMillis: 500, events: 0 }
    ])
    yield* append(...quiet.appends, ...lively.appends, ...late.appends)
    same(yield* store.forgetReceipts(0, 10), 0)
    same(yield* store.forgetReceipts(500, 2), 2)
    same(yield* store.forgetReceipts(500, 10), 1)
    same(yield* store.forgetReceipts(500, 10), 0)
    const { events, receipts } = yield* store.readStream(quiet.next.stream)
    same([events.length, receipts], [2, []])
    isNull(yield* store.receipt(PrincipalId.make("owner"), quiet.appends[0]!.receipt!.key))
    same((yield* store.readStream(lively.next.stream)).receipts, [lively.appends[0]!.receipt])
    same((yield* store.readStream(late.next.stream)).receipts, [late.appends[1]!.receipt])
    // Its place is free again: the same key is a command like any other.
    const again = on(quiet.next, { key: quiet.appends[0]!.receipt!.key, atMillis: 500 })
    same((yield* append(again.append))[0]?._tag, "Committed")
  })
)

const cells = promise(
  "changes a cell only from what it holds",
  Effect.gen(function* () {
    const store = yield* EventStore
    isNull(yield* store.cell("cell one"))
    isFalse(yield* store.setCell("cell one", "something", "x"))
    isTrue(yield* store.setCell("cell one", null, "first"))
    isFalse(yield* store.setCell("cell one", null, "second"))
    isFalse(yield* store.setCell("cell one", "other", "second"))
    isTrue(yield* store.setCell("cell one", "first", ""))
    same(yield* store.cell("cell one"), "")
    isTrue(yield* store.setCell("cell one", "", "ö\n\u{1f600}"))
    same(yield* store.cell("cell one"), "ö\n\u{1f600}")
    same(yield* defect(store.setCell("cell one", null, "x".repeat(Bounds.cellTextMax + 1))), "JournalDefect")
  })
)

const rivalsOfCell = promise(
  "lets one of many rivals change a cell",
  Effect.gen(function* () {
    const store = yield* EventStore
    const rivals = Array.from({ length: 30 }, (_, index) => store.setCell("rivals", null, String(index)))
    const won = yield* Effect.all(rivals, { concurrency: "unbounded" })
    same(won.filter(Boolean).length, 1)
    same(yield* store.cell("rivals"), String(won.indexOf(true)))
  })
)

const rewrapping = promise(
  "replaces a wrapped key only where it still is the old one",
  Effect.gen(function* () {
    const store = yield* EventStore
    const old = wrappedKey("rewrap:one", "old")
    const next = { ...old, wrappingVersion: 2, wrapped: "new" }
    isFalse(yield* store.rewrapKey(old, next))
    yield* append(on(start("rewrap:one"), { keys: [old] }).append)
    isTrue(yield* store.rewrapKey(old, next))
    isFalse(yield* store.rewrapKey(old, { ...old, wrapped: "late" }))
    same(yield* store.wrappedKey(subject("rewrap:one")), next)
    same(yield* defect(store.rewrapKey(next, wrappedKey("rewrap:two"))), "JournalDefect")
  })
)

const probe = promise(
  "answers a probe while it can write, and changes nothing by it",
  Effect.gen(function* () {
    const store = yield* EventStore
    const base = yield* head
    yield* store.probe
    yield* store.probe
    same(yield* head, base)
  })
)

export const promises = [streams, together, pages, receipts, forgetting, cells, rivalsOfCell, rewrapping, probe]
