/**
 * What the watch shows: one question at a time, how many more wait, what the keys do.
 *
 *   looking --d--> saying why --Enter--> looking      a: approve   d: deny   n, p: next, previous   q: quit
 *           <--Esc--                                  space, arrows: read on, read back
 *
 * Pure: a state and a key give a state and perhaps a wish; a state gives lines, none wider than the window.
 *
 * Invariants: only what was on the screen from its first line to its last is approved; and no key that was meant for
 * one question decides another that has just taken its place.
 */
import * as Page from "../Page.ts"
import * as Question from "./Question.ts"

export interface State {
  /** Oldest first. */
  readonly items: ReadonlyArray<Question.Question>
  /** Which one is shown, by id: the list changes under the reader. */
  readonly shown: string | null
  /** When it came up, as it stands. */
  readonly shownAtMillis: number
  /** The text of the file that the shown question would change. */
  readonly before: Question.Before
  /** What is shown of it, laid out for the window; `of` says for what. */
  readonly text: { readonly of: string; readonly lines: ReadonlyArray<string> }
  /** Its lines in all, the first of them in the window, and those that were in it, from the first on. */
  readonly height: number
  readonly top: number
  readonly seen: number
  /** Lines that the window has for the question. */
  readonly room: number
  /** The reason of a denial, while it is typed. */
  readonly reason: string | null
  /** A reason was being typed when its question went: letters mean nothing until the typist says that they saw it. */
  readonly interrupted: boolean
  /** A decision is on its way. */
  readonly busy: boolean
  /** Who stopped everything, and why. */
  readonly halted: string | null
  /** Why what is shown may be old. */
  readonly trouble: string | null
  /** What happened last. */
  readonly note: string
}

export const initial: State = {
  items: [],
  shown: null,
  shownAtMillis: 0,
  before: undefined,
  text: { of: "", lines: [] },
  height: 0,
  top: 0,
  seen: 0,
  room: 0,
  reason: null,
  interrupted: false,
  busy: false,
  halted: null,
  trouble: null,
  note: ""
}

export type Decision =
  | { readonly _tag: "Approve"; readonly id: string; readonly digest: string }
  | { readonly _tag: "Deny"; readonly id: string; readonly reason: string }
export type Wish = Decision | { readonly _tag: "Quit" }

/** A key that comes sooner after a question came up was meant for what stood there before. */
export const settleMillis = 600

export interface Key {
  readonly name: string
  readonly text: string
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** What waits now, as it was asked for; what is shown stays shown while it waits. */
export const refreshed = (
  state: State,
  { halted, items }: { readonly items: ReadonlyArray<Question.Question>; readonly halted: string | null },
  nowMillis: number
): State => {
  const back = state.trouble === null ? {} : { note: "The service answers again." }
  const fresh = { ...state, items, halted, trouble: null, ...back }
  const before = current(state)
  const still = items.find(({ confirmationId }) => confirmationId === state.shown)
  if (still !== undefined) {
    if (still.digest === before?.digest) return fresh
    return { ...cameUp(fresh, still.confirmationId, nowMillis), note: "Somebody changed the arguments: read again." }
  }
  // What was decided here is told by its own note, which names it.
  const told = before === null || state.busy || state.note.includes(before.confirmationId)
  const gone = told ? {} : { note: goneNote(before, nowMillis) }
  return { ...cameUp(fresh, items[0]?.confirmationId ?? null, nowMillis), ...gone }
}

export const current = ({ items, shown }: State): Question.Question | null =>
  items.find(({ confirmationId }) => confirmationId === shown) ?? null

/** The state with its text laid out for this window. To be called before it is shown. */
export const arranged = (state: State, look: Page.Look, size: Size, nowMillis: number): State => {
  const question = current(state)
  const wide = fitting(look, size)
  const of = JSON.stringify([question?.confirmationId, question?.digest, state.before, wide])
  const again = state.text.of === of
  const text = again || question === null ? state.text : { of, lines: Question.wish(wide, question, state.before) }
  const { foot, head } = around(wide, state, nowMillis)
  const room = Math.max(1, size.rows - head.length - foot.length - 1)
  const next = { ...state, text, room }
  const height = bodyOf(wide, next).length
  const top = again ? Math.min(state.top, Math.max(0, height - room)) : 0
  return { ...next, height, top, seen: Math.max(again ? state.seen : 0, top + room) }
}

export const pressed = (state: State, key: Key, nowMillis: number): readonly [State, Wish | null] => {
  const question = current(state)
  if (state.interrupted) return [going.has(key.name) ? goesOn(state, nowMillis) : state, null]
  if (state.reason !== null) return typing(state, question, key)
  if (key.name === "q") return [state, { _tag: "Quit" }]
  if (question === null || state.busy) return [state, null]
  switch (key.name) {
    case "a":
    case "d": {
      const note = notYet(state, key.name, nowMillis)
      if (note !== null) return [{ ...state, note }, null]
      if (key.name === "d") return [{ ...state, reason: "", note: "" }, null]
      return [
        { ...state, note: "" },
        { _tag: "Approve", id: question.confirmationId, digest: question.digest }
      ]
    }
    case "n":
    case "p":
      return [{ ...moved(state, key.name === "n" ? 1 : -1, nowMillis), note: "" }, null]
    case "space":
    case "pagedown":
      return [{ ...state, top: state.top + Math.max(1, state.room - 1), note: "" }, null]
    case "pageup":
      return [{ ...state, top: Math.max(0, state.top - Math.max(1, state.room - 1)), note: "" }, null]
    case "down":
      return [{ ...state, top: state.top + 1, note: "" }, null]
    case "up":
      return [{ ...state, top: Math.max(0, state.top - 1), note: "" }, null]
    default:
      return [state, null]
  }
}

/** The whole screen of an arranged state: at most `size.rows` lines, each narrower than the window. */
export const lines = (state: State, look: Page.Look, size: Size, nowMillis: number): ReadonlyArray<string> => {
  const wide = fitting(look, size)
  const { foot, head } = around(wide, state, nowMillis)
  const body = bodyOf(wide, state)
  const shown = body.slice(state.top, state.top + state.room)
  const below = body.length - state.top - shown.length
  const end = state.top > 0 ? Page.mark(wide, "dim", "the end: Page Up or an arrow reads back") : ""
  const more =
    below > 0
      ? Page.mark(wide, "yellow", `… ${Page.count(below, "more line")}${state.reason === null ? ": press space" : ""}`)
      : end
  return [...head, ...shown, more, ...foot].slice(0, size.rows)
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** The last column stays free: a line that fills it may lose its last letter to the clearing of the rest. */
const fitting = (look: Page.Look, { columns }: Size): Page.Look => ({
  ...look,
  width: Math.min(100, Math.max(20, columns - 1))
})

const cameUp = (state: State, id: string | null, nowMillis: number): State => ({
  ...state,
  shown: id,
  shownAtMillis: nowMillis,
  before: undefined,
  text: initial.text,
  height: 0,
  top: 0,
  seen: 0,
  reason: null,
  interrupted: state.interrupted || state.reason !== null
})

/** What ends the taking of letters that were meant for a reason. */
const going: ReadonlySet<string> = new Set(["escape", "enter", "return"])

const goesOn = (state: State, nowMillis: number): State => ({
  ...state,
  interrupted: false,
  shownAtMillis: nowMillis,
  note: ""
})

const notYet = ({ height, seen, shownAtMillis }: State, key: "a" | "d", nowMillis: number): string | null => {
  if (nowMillis - shownAtMillis < settleMillis) return `This one has just come up: look, then press ${key} again.`
  if (key === "d" || (height > 0 && seen >= height)) return null
  return "There is more to read below: press space, then a."
}

const bodyOf = (look: Page.Look, state: State): ReadonlyArray<string> => {
  const question = current(state)
  return question === null ? [] : [...Question.head(look, question, null).split("\n"), "", ...state.text.lines]
}

/** What stands around the question: what must be known first, and what can be done. */
const around = (look: Page.Look, state: State, nowMillis: number) => {
  const banner = (text: string | null) =>
    text === null ? [] : bannerLines(look, text).map((line) => Page.mark(look, "red", line))
  return {
    head: [
      ...Page.chopped(title(state, nowMillis), look.width).map((line) => Page.mark(look, "bold", line)),
      ...banner(state.trouble),
      ...banner(state.halted),
      ""
    ],
    foot: [...(state.note === "" ? [] : bannerLines(look, state.note)), ...footer(look, state)]
  }
}

const bannerLines = (look: Page.Look, text: string): ReadonlyArray<string> =>
  Page.chopped(Page.oneLine(text), look.width).slice(0, 3)

/** What is said of a question that went without a word of this screen's person. */
const goneNote = ({ confirmationId, expiresAt, tool }: Question.Question, nowMillis: number): string => {
  const inTime = expiresAt === null || Date.parse(expiresAt) > nowMillis
  return `${Page.oneLine(tool)}, ${confirmationId}: ${inTime ? "decided elsewhere." : "its time is over; it does not run."}`
}

/** How long there is stands here, where reading on never moves it away. */
const title = (state: State, nowMillis: number): string => {
  const question = current(state)
  const left = question === null ? "" : `, ${Question.timeLeft(question.expiresAt, nowMillis)} left`
  return `${whichOf(state)}${left}`
}

const whichOf = ({ items, shown }: State): string => {
  if (items.length === 0) return "Nothing waits for you. Watching."
  const at = items.findIndex(({ confirmationId }) => confirmationId === shown) + 1
  return items.length === 1 ? "One action waits for you" : `${at} of ${items.length} actions that wait for you`
}

const footer = (look: Page.Look, state: State): ReadonlyArray<string> => {
  const dim = (...pieces: ReadonlyArray<string>) =>
    Page.packed(pieces, " | ", look.width).map((line) => Page.mark(look, "dim", line))
  if (state.interrupted) return dim("What you were denying is gone: nothing was decided", "Esc: go on")
  if (state.reason !== null) {
    const typed = Page.chopped(`Why not? ${Page.oneLine(state.reason)}_`, look.width).slice(-3)
    return [...typed, ...dim("Enter: deny", "Esc: back")]
  }
  return dim(
    ...(state.shown === null ? [] : ["a: approve", "d: deny"]),
    ...(state.items.length > 1 ? ["n: next", "p: previous"] : []),
    "q: quit"
  )
}

/** Characters of a reason: what the service takes. */
const reasonMax = 1_000

const typing = (state: State, question: Question.Question | null, key: Key): readonly [State, Wish | null] => {
  const reason = state.reason ?? ""
  if (key.name === "escape" || question === null) return [{ ...state, reason: null, note: "" }, null]
  if (key.name === "enter" || key.name === "return") {
    return reason.trim() === ""
      ? [{ ...state, note: "Say why, in a word or two: the agent reads it." }, null]
      : [
          { ...state, reason: null, note: "" },
          { _tag: "Deny", id: question.confirmationId, reason: reason.trim() }
        ]
  }
  if (key.name === "backspace") return [{ ...state, reason: Array.from(reason).slice(0, -1).join("") }, null]
  const text = Page.oneLine(key.text) === key.text ? key.text : ""
  return [{ ...state, reason: (reason + text).slice(0, reasonMax) }, null]
}

const moved = (state: State, by: 1 | -1, nowMillis: number): State => {
  const at = state.items.findIndex(({ confirmationId }) => confirmationId === state.shown)
  const next = state.items[(at + by + state.items.length) % state.items.length]
  return state.items.length < 2 ? state : cameUp(state, next?.confirmationId ?? null, nowMillis)
}
