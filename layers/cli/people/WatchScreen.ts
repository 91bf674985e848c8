/**
 * What the watch shows: one question at a time, how many more wait, what the keys do.
 *
 *   looking --d--> saying why --enter--> looking        a: approve   d: deny   n, p: next, previous   q: quit
 *
 * Pure: a state and a key give a state and perhaps a wish; a state gives lines. Nothing is approved that could not be
 * shown whole.
 */
import * as Page from "../Page.ts"
import * as Question from "./Question.ts"

export interface State {
  /** Oldest first. */
  readonly items: ReadonlyArray<Question.Question>
  /** Which one is shown, by id: the list changes under the reader. */
  readonly shown: string | null
  /** The reason of a denial, while it is typed. */
  readonly reason: string | null
  readonly halted: boolean
  /** What happened last. */
  readonly note: string
  /** The text of the file that the shown question would change. */
  readonly before: string | undefined
}

export const initial: State = { items: [], shown: null, reason: null, halted: false, note: "", before: undefined }

export type Wish =
  | { readonly _tag: "Approve"; readonly id: string }
  | { readonly _tag: "Deny"; readonly id: string; readonly reason: string }
  | { readonly _tag: "Quit" }

export interface Key {
  readonly name: string
  readonly text: string
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** The list as it is now; what is shown stays shown while it waits. */
export const refreshed = (state: State, items: ReadonlyArray<Question.Question>, halted: boolean): State => {
  const still = items.find(({ confirmationId }) => confirmationId === state.shown)
  if (still !== undefined) return { ...state, items, halted }
  const gone = state.shown === null || state.note !== "" ? {} : { note: "Decided elsewhere, or expired." }
  return { ...state, ...gone, items, halted, shown: items[0]?.confirmationId ?? null, reason: null, before: undefined }
}

export const current = ({ items, shown }: State): Question.Question | null =>
  items.find(({ confirmationId }) => confirmationId === shown) ?? null

export const pressed = (state: State, key: Key, size: Size): readonly [State, Wish | null] => {
  const question = current(state)
  if (state.reason !== null) return typing(state, question, key)
  if (key.name === "q") return [state, { _tag: "Quit" }]
  if (question === null) return [state, null]
  switch (key.name) {
    case "a":
      return whole(state, size)
        ? [
            { ...state, note: "" },
            { _tag: "Approve", id: question.confirmationId }
          ]
        : [
            {
              ...state,
              note: `Too long for this window. See it whole: keelson confirmations show ${question.confirmationId}`
            },
            null
          ]
    case "d":
      return [{ ...state, reason: "", note: "" }, null]
    case "n":
    case "p":
      return [{ ...moved(state, key.name === "n" ? 1 : -1), note: "" }, null]
    default:
      return [state, null]
  }
}

/** The whole screen: at most `size.rows` lines of at most `size.columns` cells. */
export const lines = (look: Page.Look, state: State, size: Size, nowMillis: number): ReadonlyArray<string> => {
  const wide = lookOf(look, size)
  const question = current(state)
  const head = [
    Page.mark(wide, "bold", title(state)),
    ...(state.halted
      ? [Page.mark(wide, "red", "Everything is stopped. What is approved runs after keelson resume.")]
      : []),
    ""
  ]
  const foot = [
    "",
    ...(state.note === "" ? [] : Page.wrap(Page.visible(state.note), wide.width)),
    footer(wide, state, question)
  ]
  const room = Math.max(1, size.rows - head.length - foot.length)
  const body = question === null ? [] : bodyOf(wide, state, question, nowMillis)
  const fits = body.length <= room
  const shown = fits ? body : [...body.slice(0, room - 1), Page.mark(wide, "yellow", cut)]
  return [...head, ...shown, ...foot].slice(0, size.rows)
}

/** Whether the shown question fits into the window, so that whoever approves has seen all of it. */
export const whole = (state: State, size: Size): boolean =>
  current(state) !== null && !lines(Page.plain, state, size, 0).includes(cut)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const cut = "  … longer than this window"

const lookOf = (look: Page.Look, { columns }: Size): Page.Look => ({
  ...look,
  width: Math.min(100, Math.max(40, columns))
})

const title = ({ items, shown }: State): string => {
  if (items.length === 0) return "Nothing waits for you. Watching."
  const at = items.findIndex(({ confirmationId }) => confirmationId === shown) + 1
  return items.length === 1 ? "One action waits for you" : `${at} of ${items.length} actions that wait for you`
}

const bodyOf = (look: Page.Look, { before }: State, question: Question.Question, nowMillis: number) =>
  Question.page(look, question, { nowMillis, before }).split("\n")

const footer = (look: Page.Look, { items, reason }: State, question: Question.Question | null): string => {
  if (reason !== null) return `Why not? ${Page.visible(reason)}_   (Enter: deny, Esc: back)`
  const keys = [
    ...(question === null ? [] : ["a approve", "d deny"]),
    ...(items.length > 1 ? ["n next", "p previous"] : []),
    "q quit"
  ]
  return Page.mark(look, "dim", keys.join("   "))
}

/** Characters of a reason: what the service takes. */
const reasonMax = 1_000

const typing = (state: State, question: Question.Question | null, key: Key): readonly [State, Wish | null] => {
  const reason = state.reason ?? ""
  if (key.name === "escape" || question === null) return [{ ...state, reason: null }, null]
  if (key.name === "enter" || key.name === "return") {
    return reason.trim() === ""
      ? [{ ...state, note: "Say why, in a word or two: the agent reads it." }, null]
      : [
          { ...state, reason: null, note: "" },
          { _tag: "Deny", id: question.confirmationId, reason: reason.trim() }
        ]
  }
  if (key.name === "backspace") return [{ ...state, reason: Array.from(reason).slice(0, -1).join("") }, null]
  const text = Page.visible(key.text) === key.text ? key.text.replace(/\n/g, "") : ""
  return [{ ...state, reason: (reason + text).slice(0, reasonMax) }, null]
}

const moved = (state: State, by: 1 | -1): State => {
  const at = state.items.findIndex(({ confirmationId }) => confirmationId === state.shown)
  const next = state.items[(at + by + state.items.length) % state.items.length]
  return { ...state, shown: next?.confirmationId ?? null, before: undefined }
}
