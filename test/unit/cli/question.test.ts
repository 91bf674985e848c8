import { assert, describe, it } from "@effect/vitest"
import * as Page from "#layers/cli/Page.ts"
import * as Question from "#layers/cli/people/Question.ts"
import * as WatchScreen from "#layers/cli/people/WatchScreen.ts"

const size = { columns: 80, rows: 24 }

const question = (id: string, more: Partial<Question.Question> = {}): Question.Question => ({
  confirmationId: `cfm_${id}`,
  sessionId: "ses_one",
  tool: "file.write",
  argumentsText: '{"content":"bread\\nsalt\\n","mode":"replace","path":"list.txt"}',
  arguments: { content: "bread\nsalt\n", mode: "replace", path: "list.txt" },
  proposer: { kind: "AGENT", id: "assistant" },
  policies: ["agents-write-files"],
  approvers: [],
  approvalsMissing: 1,
  edited: false,
  expiresAt: "2026-01-01T00:02:00.000Z",
  ...more
})

const nowMillis = Date.parse("2026-01-01T00:00:00.000Z")
const escape = "\u001b[2J\u001b[31m\u202Egood\u0007"

describe("a question to a person", () => {
  it("says who wants what exactly, why it asks, who may agree, and how long there is", () => {
    const page = Question.page(Page.plain, question("a", { approvers: ["approver"], approvalsMissing: 2 }), {
      nowMillis
    })
    for (const part of [
      "agent assistant",
      "agents-write-files",
      "the session's owner and role approver; 2 people must",
      "2 min",
      "list.txt, a new file",
      '{"content":"bread\\nsalt\\n","mode":"replace","path":"list.txt"}'
    ]) {
      assert.include(page, part)
    }
  })

  it("shows what changes in a file, with a little around it", () => {
    const before = "bread\nmilk\neggs\nflour\nrice\n"
    const content = "bread\nsalt\neggs\nflour\nrice\n"
    const args = { content, mode: "replace", path: "list.txt" }
    const page = Question.page(Page.plain, question("a", { arguments: args }), { nowMillis, before })
    assert.match(page, /list\.txt, changed\n {6}bread\n {4}- milk\n {4}\+ salt\n {6}eggs\n {6}flour\n {2}exactly/)
  })

  it("shows an append as what it adds, and says where creating would fail", () => {
    const added = { content: "eggs\n", mode: "append", path: "list.txt" }
    const page = Question.page(Page.plain, question("a", { arguments: added }), { nowMillis, before: "bread\n" })
    assert.include(page, "+ eggs")
    assert.notInclude(page, "- bread")
    const created = { content: "x", mode: "create", path: "list.txt" }
    assert.include(
      Question.page(Page.plain, question("a", { arguments: created }), { nowMillis, before: "" }),
      "creating it will fail"
    )
  })

  it("moves no cursor and colours nothing by what others wrote", () => {
    const page = Question.page(
      Page.plain,
      question("a", {
        tool: escape,
        policies: [escape],
        argumentsText: escape,
        arguments: { content: escape, mode: "replace", path: escape }
      }),
      { nowMillis, before: escape }
    )
    for (const obeyed of ["\u001b", "\u0007", "\u202e"]) assert.notInclude(page, obeyed)
    assert.include(page, "\\u{1b}[2J")
  })

  it("changes exactly what two texts differ in", () => {
    const apply = (before: string, after: string) => {
      const changes = Question.changes(before, after)
      return {
        gone: changes.filter(([sign]) => sign === "-").map(([, line]) => line),
        come: changes.filter(([sign]) => sign === "+").map(([, line]) => line)
      }
    }
    assert.deepStrictEqual(apply("a\nb\nc", "a\nx\nc"), { gone: ["b"], come: ["x"] })
    assert.deepStrictEqual(apply("a", "a"), { gone: [], come: [] })
    assert.deepStrictEqual(apply("", "a\nb"), { gone: [""], come: ["a", "b"] })
    assert.deepStrictEqual(apply("a\na\na", "a\na"), { gone: ["a"], come: [] })
  })

  it("tells time as people do", () => {
    const left = (text: string) => Question.timeLeft(text, nowMillis)
    assert.deepStrictEqual(
      ["2025-01-01T00:00:00Z", "2026-01-01T00:00:09Z", "2026-01-01T00:10:00Z", "2026-01-01T04:00:00Z"].map(left),
      ["0 s", "9 s", "10 min", "4 h"]
    )
    assert.strictEqual(Question.timeLeft(null, nowMillis), "decided")
  })
})

const key = (name: string, text = name): WatchScreen.Key => ({ name, text })
const watching = (...items: ReadonlyArray<Question.Question>) =>
  WatchScreen.refreshed(WatchScreen.initial, items, false)
const typed = (state: WatchScreen.State, ...keys: ReadonlyArray<WatchScreen.Key>) =>
  keys.reduce<readonly [WatchScreen.State, WatchScreen.Wish | null]>(
    ([before], one) => WatchScreen.pressed(before, one, size),
    [state, null]
  )

describe("the watch", () => {
  it("shows one question at a time, oldest first, and goes round", () => {
    const state = watching(question("a"), question("b"))
    assert.include(WatchScreen.lines(Page.plain, state, size, nowMillis)[0], "1 of 2")
    const [next] = typed(state, key("n"))
    assert.strictEqual(next.shown, "cfm_b")
    assert.strictEqual(typed(next, key("n"))[0].shown, "cfm_a")
    assert.strictEqual(typed(state, key("p"))[0].shown, "cfm_b")
  })

  it("keeps showing the same question while the list changes, and says when it is gone", () => {
    const [state] = typed(watching(question("a"), question("b")), key("n"))
    assert.strictEqual(WatchScreen.refreshed(state, [question("b"), question("c")], false).shown, "cfm_b")
    const gone = WatchScreen.refreshed(state, [question("c")], false)
    assert.strictEqual(gone.shown, "cfm_c")
    assert.include(gone.note, "Decided elsewhere")
  })

  it("approves what it shows, by one key", () =>
    assert.deepStrictEqual(typed(watching(question("a")), key("a"))[1], { _tag: "Approve", id: "cfm_a" }))

  it("approves nothing that it can't show whole", () => {
    const long = question("a", { argumentsText: "x".repeat(5_000) })
    const [state, wish] = typed(watching(long), key("a"))
    assert.isNull(wish)
    assert.include(state.note, "keelson confirmations show cfm_a")
    const shown = WatchScreen.lines(Page.plain, state, size, nowMillis)
    assert.isAtMost(shown.length, size.rows)
    assert.include(shown.join("\n"), "longer than this window")
  })

  it("denies with a reason and not without, and can be left before", () => {
    const state = watching(question("a"))
    const reason = [..."no x"].map((letter) => key(letter))
    const [, wish] = typed(state, key("d"), ...reason, key("backspace"), key("z"), key("return", "\r"))
    assert.deepStrictEqual(wish, { _tag: "Deny", id: "cfm_a", reason: "no z" })
    const [empty, none] = typed(state, key("d"), key("return", "\r"))
    assert.isNull(none)
    assert.strictEqual(empty.reason, "")
    assert.isNull(typed(state, key("d"), key("q"), key("escape", "\u001b"))[0].reason)
    // While a reason is typed, letters are letters.
    assert.strictEqual(typed(state, key("d"), key("q"))[0].reason, "q")
  })

  it("takes no control characters into a reason", () =>
    assert.strictEqual(typed(watching(question("a")), key("d"), key("up", "\u001b[A"))[0].reason, ""))

  it("says when everything is stopped, and never takes more lines than there are", () => {
    const state = WatchScreen.refreshed(WatchScreen.initial, [question("a")], true)
    for (const rows of [5, 10, 24]) {
      const lines = WatchScreen.lines(Page.plain, state, { columns: 60, rows }, nowMillis)
      assert.isAtMost(lines.length, rows)
    }
    assert.include(WatchScreen.lines(Page.plain, state, size, nowMillis).join("\n"), "Everything is stopped")
  })

  it("says that nothing waits, and quits", () => {
    assert.include(WatchScreen.lines(Page.plain, watching(), size, nowMillis)[0], "Nothing waits")
    assert.deepStrictEqual(typed(watching(), key("a"))[1], null)
    assert.deepStrictEqual(typed(watching(), key("q"))[1], { _tag: "Quit" })
  })
})
