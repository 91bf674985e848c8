import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import { readFileSync } from "node:fs"
import * as Page from "#layers/cli/Page.ts"
import type { Question } from "#layers/cli/people/Question.ts"
import * as WatchScreen from "#layers/cli/people/WatchScreen.ts"
import { nowMillis, question } from "./people-kit.ts"

const size = { columns: 80, rows: 24 }
/** Long enough after a question came up. */
const laterMillis = nowMillis + 1_000

const key = (name: string, text = name): WatchScreen.Key => ({ name, text })

const arranged = (state: WatchScreen.State, window = size) =>
  WatchScreen.arranged(state, Page.plain, window, laterMillis)

const watching = (...items: ReadonlyArray<Question>) =>
  arranged(WatchScreen.refreshed(WatchScreen.initial, { items, halted: null }, nowMillis))

/** The keys one after another, a second between them, each after the screen was drawn. */
const typed = (state: WatchScreen.State, ...keys: ReadonlyArray<WatchScreen.Key>) =>
  keys.reduce<readonly [WatchScreen.State, WatchScreen.Wish | null]>(
    ([before], one, at) => {
      const [next, wish] = WatchScreen.pressed(before, one, laterMillis + at * 1_000)
      return [arranged(next), wish]
    },
    [state, null]
  )

const screen = (state: WatchScreen.State, window = size) =>
  WatchScreen.lines(arranged(state, window), Page.plain, window, laterMillis)

const long = (id: string) => question(id, { tool: "shell.run", argumentsText: "x".repeat(5_000) })

describe("the watch", () => {
  it("shows one question at a time, oldest first, and goes round", () => {
    const state = watching(question("a"), question("b"))
    assert.include(screen(state)[0], "1 of 2")
    const [next] = typed(state, key("n"))
    assert.strictEqual(next.shown, "cfm_b")
    assert.strictEqual(typed(next, key("n"))[0].shown, "cfm_a")
    assert.strictEqual(typed(state, key("p"))[0].shown, "cfm_b")
  })

  it("keeps showing the same question while the list changes, and says when it is gone", () => {
    const [state] = typed(watching(question("a"), question("b")), key("n"))
    const now = (...items: ReadonlyArray<Question>) =>
      WatchScreen.refreshed(state, { items, halted: null }, laterMillis)
    assert.strictEqual(now(question("b"), question("c")).shown, "cfm_b")
    const gone = now(question("c"))
    assert.strictEqual(gone.shown, "cfm_c")
    assert.include(gone.note, "cfm_b: decided elsewhere")
    const late = WatchScreen.refreshed(state, { items: [], halted: null }, nowMillis + 120_000)
    assert.include(late.note, "cfm_b: its time is over")
    // Also where something else was told before, or the service was away; not where this very one was decided here.
    const after = (more: Partial<WatchScreen.State>) =>
      WatchScreen.refreshed({ ...state, ...more }, { items: [], halted: null }, laterMillis).note
    assert.include(after({ note: "Approved cfm_a: file.write may run, once." }), "cfm_b: decided elsewhere")
    assert.include(after({ trouble: "No service answers" }), "cfm_b: decided elsewhere")
    const own = "Denied cfm_b: file.write does not run."
    assert.strictEqual(after({ note: own }), own)
  })

  it("approves what it shows, by one key", () =>
    assert.deepStrictEqual(typed(watching(question("a")), key("a"))[1], {
      _tag: "Approve",
      id: "cfm_a",
      digest: "digest of a"
    }))

  it("lets no key that was meant for one question decide the next", () => {
    const before = watching(question("a"), question("b"))
    const items = [question("b")]
    const after = arranged(WatchScreen.refreshed(before, { items, halted: null }, laterMillis))
    for (const name of ["a", "d"]) {
      const [state, wish] = WatchScreen.pressed(after, key(name), laterMillis + 100)
      assert.isNull(wish)
      assert.isNull(state.reason)
      assert.include(state.note, "just come up")
    }
    assert.strictEqual(WatchScreen.pressed(after, key("a"), laterMillis + 1_000)[1]?._tag, "Approve")
  })

  it("lets no letter of a reason decide, deny or leave once its question is gone, however slowly it is typed", () => {
    for (const items of [[question("b")], [question("a", { digest: "another" })], []]) {
      const [typing] = typed(watching(question("a")), key("d"), key("n"))
      const gone = arranged(WatchScreen.refreshed(typing, { items, halted: null }, laterMillis))
      assert.include(screen(gone).at(-1), "Esc: go on")
      for (const letters of [[key("a")], [key("d"), key("return", "\r")], [key("q")]]) {
        const [after, wish] = typed(gone, ...letters.slice(0, 1))
        assert.deepStrictEqual([after.shown, after.reason, wish], [gone.shown, null, null])
        assert.isNull(typed(gone, ...letters)[1])
      }
      const [seen] = typed(gone, key("escape", "\u001b"))
      assert.strictEqual(typed(seen, key("q"))[1]?._tag, "Quit")
    }
  })

  it("takes changed arguments for another question: to be read again, and not yet to be decided", () => {
    const state = watching(question("a"))
    const items = [question("a", { digest: "another" })]
    const after = WatchScreen.refreshed(state, { items, halted: null }, laterMillis)
    assert.include(after.note, "changed the arguments")
    assert.isNull(WatchScreen.pressed(arranged(after), key("a"), laterMillis + 100)[1])
  })

  it("takes one decision at a time", () =>
    assert.isNull(WatchScreen.pressed({ ...watching(question("a")), busy: true }, key("a"), laterMillis)[1]))

  it("approves nothing that was not read to its end", () => {
    const start = watching(long("a"))
    const [state, wish] = typed(start, key("a"))
    assert.isNull(wish)
    assert.include(state.note, "more to read")
    assert.include(screen(start).join("\n"), "more lines: press space")
    const spaces = Array.from({ length: 6 }, () => key("space", " "))
    assert.strictEqual(typed(start, ...spaces, key("a"))[1]?._tag, "Approve")
    assert.strictEqual(typed(start, ...spaces, key("up"), key("pageup"), key("a"))[1]?._tag, "Approve")
    // Read in another window, or another question's: begins anew.
    const read = typed(start, ...spaces)[0]
    const narrower = arranged(read, { columns: 40, rows: 24 })
    assert.isNull(WatchScreen.pressed(narrower, key("a"), laterMillis)[1])
    const next = WatchScreen.refreshed(read, { items: [long("b")], halted: null }, nowMillis)
    assert.isNull(WatchScreen.pressed(arranged(next), key("a"), laterMillis)[1])
  })

  it("has a long change read again when the file changes meanwhile", () => {
    const content = Array.from({ length: 60 }, (_, at) => `line ${at}\n`).join("")
    const one = question("a", { arguments: { content, mode: "replace", path: "a.txt" } })
    const start = arranged({ ...watching(one), before: "something else\nand more\n" })
    const [read, wish] = typed(start, ...Array.from({ length: 9 }, () => key("space", " ")), key("a"))
    assert.strictEqual(wish?._tag, "Approve")
    const other = arranged({ ...read, before: "" })
    assert.isNull(WatchScreen.pressed(other, key("a"), laterMillis)[1])
  })

  it("shows how long there is wherever it is read, and that the end is the end", () => {
    const start = watching(long("a"))
    const [state] = typed(start, ...Array.from({ length: 6 }, () => key("space", " ")))
    for (const one of [start, state]) assert.include(screen(one)[0], "2 min left")
    assert.notInclude(screen(start).join("\n"), "the end")
    assert.include(screen(state).join("\n"), "the end: Page Up")
  })

  it("says that the service answers again, in the place of what was said of its silence", () => {
    const silent = { ...watching(question("a")), trouble: "No service answers", note: "No service answers. Start it." }
    const state = WatchScreen.refreshed(silent, { items: [question("a")], halted: null }, laterMillis)
    assert.deepStrictEqual([state.trouble, state.note], [null, "The service answers again."])
  })

  it("breaks no key from what it does in a narrow window", () => {
    for (const columns of [30, 40, 50]) {
      const shown = screen(watching(question("a"), question("b")), { columns, rows: 24 })
      for (const hint of ["a: approve", "d: deny", "n: next", "p: previous", "q: quit"]) {
        assert.isTrue(
          shown.some((line) => line.includes(hint)),
          `${hint} in ${columns}`
        )
      }
    }
  })

  it("shows every line of a long question on the way to its end", () => {
    const text = Array.from({ length: 400 }, (_, at) => `word${at} `).join("")
    let state = watching(question("a", { tool: "shell.run", argumentsText: text }))
    const seen = new Set(screen(state))
    for (let at = 0; at < 30; at++) {
      state = typed(state, key("space", " "))[0]
      for (const line of screen(state)) seen.add(line)
    }
    const all = [...seen].join(" ")
    for (let at = 0; at < 400; at++) assert.include(all, `word${at} `)
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

  it("says who stopped everything and why, and that the service does not answer", () => {
    const halted = "Everything is stopped by owner: a drill"
    const state = WatchScreen.refreshed(WatchScreen.initial, { items: [question("a")], halted }, nowMillis)
    assert.include(screen(state).join("\n"), halted)
    assert.include(screen({ ...state, trouble: "No service answers" }).join("\n"), "No service answers")
  })

  it("never takes more lines or columns than there are", () => {
    const items = [question("a"), long("b"), question("c")]
    const state: WatchScreen.State = {
      ...WatchScreen.refreshed(WatchScreen.initial, { items, halted: "stopped ".repeat(60) }, nowMillis),
      note: "a note \u001b[2J\n".repeat(60),
      trouble: "trouble ".repeat(60),
      reason: "because ".repeat(60)
    }
    for (const one of [state, { ...state, shown: "cfm_b" }, { ...state, reason: null }]) {
      for (const [columns, rows] of [
        [80, 24],
        [40, 10],
        [21, 5],
        [200, 60]
      ] as const) {
        const lines = screen(one, { columns, rows })
        assert.isAtMost(lines.length, rows)
        for (const line of lines) assert.isBelow(CliOutput.displayWidth(line), columns, line)
      }
    }
  })

  it("looks like the page of the command line says", () => {
    const state = { ...watching(question("a"), question("b")), before: "bread\nmilk\n" }
    const shown = screen(state)
      .map((line) => line.trimEnd())
      .join("\n")
    const page = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8")
    assert.include(page, `\`\`\`text\n${shown}\n\`\`\``)
  })

  it("says that nothing waits, and quits", () => {
    assert.include(screen(watching())[0], "Nothing waits")
    assert.deepStrictEqual(typed(watching(), key("a"))[1], null)
    assert.deepStrictEqual(typed(watching(), key("q"))[1], { _tag: "Quit" })
  })
})
