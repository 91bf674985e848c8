/** Promises about what an append must hold against, and in which order. */
import * as Effect from "effect/Effect"
import { absent, add, atMost, drop, present, put } from "#src/kernel/Append.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import { chain, on, start, subject, wrappedKey } from "#test/kit/appends.ts"
import { append, defect, head, isNull, promise, said, same } from "./promise.ts"

const versions = promise(
  "refuses an append at any version but the head, and says which it is",
  Effect.gen(function* () {
    const first = on(start("version:one"), { events: 2 })
    yield* append(first.append)
    const behind = on(start("version:one"), { key: "behind" })
    const ahead = on({ ...first.next, version: 5 }, { key: "ahead" })
    same(said(yield* append(behind.append, ahead.append)), ["conflict 0/2", "conflict 5/2"])
  })
)

const hashes = promise(
  "refuses an append on a rival's event of the same number",
  Effect.gen(function* () {
    const rival = on(start("rival:one"), { key: "rival" })
    const mine = on(start("rival:one"), { key: "mine" })
    const next = on(mine.next, { key: "next" })
    const base = yield* head
    same(said(yield* append(rival.append, mine.append, next.append), base), [[1], "conflict 0/1", "conflict 1/1"])
  })
)

const rivals = promise(
  "lets one of many rivals at one version win, and gives the others the version that won",
  Effect.gen(function* () {
    const base = yield* head
    const all = Array.from({ length: 100 }, (_, index) => on(start("rivals:one"), { key: `k${index}` }).append)
    const outcomes = yield* Effect.forEach(all, (one) => append(one), { concurrency: "unbounded" })
    same(outcomes.filter(([outcome]) => outcome?._tag === "Committed").length, 1)
    same(new Set(outcomes.flatMap((outcome) => said(outcome, base)).map(String)), new Set(["1", "conflict 0/1"]))
    same(yield* head, base + 1)
  })
)

const repeats = promise(
  "answers a repeated command with its recorded receipt, whoever else used the same key",
  Effect.gen(function* () {
    const first = on(start("repeat:one"), { key: "k" })
    yield* append(first.append)
    const again = on(first.next, { key: "k" })
    const other = on(first.next, { key: "k", by: "someone-else" })
    const base = yield* head
    const outcomes = yield* append(again.append, other.append)
    same(outcomes[0], { _tag: "Refused", refusal: { _tag: "ReceiptExists", receipt: first.append.receipt! } })
    same(said(outcomes, base), ["receipt k", [1]])
  })
)

const within = promise(
  "judges a later append of a hand-over by what the earlier ones left",
  Effect.gen(function* () {
    const base = yield* head
    const all = chain(start("within:one"), [
      { rows: [put("within", "a", {}), add("within", 1)], guards: [absent("within", "a"), atMost("within", 1)] },
      { guards: [present("within", "a")], rows: [drop("within", "a")] },
      { guards: [absent("within", "a")] }
    ])
    const repeat = on(all.next, { key: "within:one@0" })
    const more = on(all.next, { key: "more", guards: [present("within", "a")] })
    const over = on(all.next, { key: "over", rows: [add("within", 1)], guards: [atMost("within", 1)] })
    const outcomes = yield* append(...all.appends, repeat.append, more.append, over.append)
    same(said(outcomes, base), [[1], [2], [3], "receipt within:one@0", "guard Present", "guard AtMost"])
  })
)

const before = promise(
  "judges Present and Absent before the append's own rows",
  Effect.gen(function* () {
    const base = yield* head
    const own = on(start("before:one"), { rows: [put("before", "a", {})], guards: [present("before", "a")] })
    const first = on(start("before:two"), { rows: [put("before", "a", {})], guards: [absent("before", "a")] })
    same(said(yield* append(own.append, first.append), base), ["guard Present", [1]])
  })
)

const after = promise(
  "judges AtMost after the append's own counters, one over the maximum failing alone",
  Effect.gen(function* () {
    const base = yield* head
    const one = (index: number, delta: number) =>
      on(start(`after:${index}`), { rows: [add("after", delta)], guards: [atMost("after", 2)] }).append
    const outcomes = yield* append(one(1, 1), one(2, 1), one(3, 1), one(4, -1), one(5, 1))
    same(said(outcomes, base), [[1], [2], "guard AtMost", [3], [4]])
    same(yield* (yield* Rows).counter("after"), 2)
  })
)

const untouched = promise(
  "judges AtMost on a counter the append does not change",
  Effect.gen(function* () {
    const first = on(start("still:one"), { rows: [add("still", 3)] })
    yield* append(first.append)
    const fails = on(first.next, { key: "fails", guards: [atMost("still", 2)] })
    const holds = on(first.next, { key: "holds", guards: [atMost("still", 3), atMost("never.counted", 0)] })
    const base = yield* head
    same(said(yield* append(fails.append, holds.append), base), ["guard AtMost", [1]])
  })
)

const order = promise(
  "judges in one order: head, receipt, keys, rows, counters, maxima",
  Effect.gen(function* () {
    const first = on(start("order-of:one"), {
      key: "used",
      keys: [wrappedKey("order-of:one")],
      rows: [put("order-of", "here", {}), add("order-of", 1)]
    })
    yield* append(first.append)
    const broken = {
      guards: [atMost("order-of", 0), absent("order-of", "here")],
      keys: [wrappedKey("order-of:one")]
    }
    same(said(yield* append(on(start("order-of:one"), { ...broken, key: "used" }).append)), ["conflict 0/1"])
    same(said(yield* append(on(first.next, { ...broken, key: "used" }).append)), ["receipt used"])
    same(said(yield* append(on(first.next, { ...broken, key: "b" }).append)), ["key order-of:one"])
    const rest = { guards: broken.guards, rows: [add("order-of", -5)] }
    same(said(yield* append(on(first.next, { ...rest, key: "c" }).append)), ["guard Absent"])
    const last = { guards: [atMost("order-of", -10)], rows: [add("order-of", -5)] }
    same(yield* defect(append(on(first.next, { ...last, key: "d" }).append)), "JournalDefect")
    same(said(yield* append(on(first.next, { guards: [atMost("order-of", 0)], key: "e" }).append)), ["guard AtMost"])
  })
)

const keys = promise(
  "lets the first wrapped key of a subject stand, and refuses a second",
  Effect.gen(function* () {
    const store = yield* EventStore
    const base = yield* head
    const first = on(start("key:one"), { keys: [wrappedKey("key:one", "first"), wrappedKey("key:other", "other")] })
    const second = on(start("key:two"), { keys: [wrappedKey("key:one", "second")] })
    same(said(yield* append(first.append, second.append), base), [[1], "key key:one"])
    same(yield* store.wrappedKey(subject("key:one")), wrappedKey("key:one", "first"))
    same(yield* store.wrappedKey(subject("key:other")), wrappedKey("key:other", "other"))
    isNull(yield* store.wrappedKey(subject("key:none")))
  })
)

const shredding = promise(
  "destroys the key of a shredded subject, and lets none come back",
  Effect.gen(function* () {
    const store = yield* EventStore
    const all = chain(start("shred:one"), [
      { keys: [wrappedKey("shred:one")] },
      { shred: [subject("shred:one"), subject("shred:never")] },
      { shred: [subject("shred:one")] }
    ])
    const back = on(all.next, { key: "back", keys: [wrappedKey("shred:one")] })
    const never = on(all.next, { key: "never", keys: [wrappedKey("shred:never")] })
    const base = yield* head
    const outcomes = yield* append(...all.appends, back.append, never.append)
    same(said(outcomes, base), [[1], [2], [3], "key shred:one", "key shred:never"])
    isNull(yield* store.wrappedKey(subject("shred:one")))
    same(said(yield* append(on(all.next, { key: "later", keys: [wrappedKey("shred:one")] }).append)), ["key shred:one"])
  })
)

export const promises = [versions, hashes, rivals, repeats, within, before, after, untouched, order, keys, shredding]
