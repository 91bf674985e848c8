/**
 * `keelson confirmations watch`: questions as they come, decided with a key.
 *
 * Owns the loop and the terminal: the alternate screen is entered and left whatever ends it. Does not own what is
 * shown (`WatchScreen`). Where standard output is no terminal, each question is printed once as it comes.
 *
 * Asks once a second; an answer that somebody else was first with is told, and nothing is done twice.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Terminal from "effect/Terminal"
import * as Client from "#layers/client/Client.ts"
import { ConfirmationId } from "#src/kernel/Ids.ts"
import * as Page from "../Page.ts"
import * as Question from "./Question.ts"
import { refusal, type Service } from "./Remote.ts"
import * as WatchScreen from "./WatchScreen.ts"
import * as WorkspaceFile from "./WorkspaceFile.ts"

export const run = Effect.fnUntraced(function* (service: Service, workspaceFolder: string) {
  const look = yield* Page.look
  yield* look.live ? screen(service, look, workspaceFolder) : lines(service, workspaceFolder)
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Between two looks. */
const pauseMillis = 1_000

/** What waits, oldest first, and whether everything is stopped. */
const waiting = Effect.fnUntraced(function* ({ client }: Service) {
  const { items } = yield* client.confirmations.list({ query: {} })
  const { halted } = yield* client.halt.get()
  return { items: items.toReversed() as ReadonlyArray<Question.Question>, halted }
})

const screen = Effect.fnUntraced(function* (service: Service, look: Page.Look, workspaceFolder: string) {
  const terminal = yield* Terminal.Terminal
  const keys = yield* terminal.readInput
  yield* Effect.acquireRelease(terminal.display(enter), () => Effect.ignore(terminal.display(leave)))
  let state = WatchScreen.initial
  let drawn = ""

  const draw = Effect.gen(function* () {
    const size = { columns: yield* terminal.columns, rows: yield* terminal.rows }
    const text = WatchScreen.lines(look, state, size, yield* Clock.currentTimeMillis).join(`${clearLine}\n`)
    if (text !== drawn) yield* terminal.display(`${home}${text}${clearLine}${clearBelow}`)
    drawn = text
    return size
  })

  const refresh = Effect.gen(function* () {
    const { halted, items } = yield* waiting(service)
    const shown = state.shown
    state = WatchScreen.refreshed(state, items, halted)
    const question = WatchScreen.current(state)
    if (question !== null && (question.confirmationId !== shown || state.before === undefined)) {
      state = { ...state, before: yield* WorkspaceFile.before(workspaceFolder, question) }
    }
  })

  const grant = (wish: Exclude<WatchScreen.Wish, { _tag: "Quit" }>) =>
    decide(service, wish).pipe(
      Effect.catch((error) => Effect.succeed(refusal(error, service.url).detail)),
      Effect.flatMap((note) => {
        state = { ...state, note }
        return refresh
      })
    )

  yield* refresh
  for (;;) {
    const size = yield* draw
    const key = yield* Effect.timeoutOption(Queue.take(keys), Duration.millis(pauseMillis)).pipe(
      // The terminal is gone, or Ctrl-C.
      Effect.catch(() => Effect.succeed(null))
    )
    if (key === null) return
    if (Option.isNone(key)) {
      yield* refresh
      continue
    }
    const { input, key: pressed } = key.value
    const [next, wish] = WatchScreen.pressed(
      state,
      { name: pressed.name, text: Option.getOrElse(input, () => "") },
      size
    )
    const moved = next.shown !== state.shown
    state = next
    if (wish?._tag === "Quit") return
    if (wish !== null) yield* grant(wish)
    else if (moved) yield* refresh
  }
}, Effect.scoped)

const decide = Effect.fnUntraced(function* ({ client }: Service, wish: Exclude<WatchScreen.Wish, { _tag: "Quit" }>) {
  const params = { confirmationId: ConfirmationId.make(wish.id) }
  if (wish._tag === "Deny") {
    yield* client.confirmations.deny({ params, headers: Client.fresh(), payload: { reason: wish.reason } })
    return "Denied."
  }
  const { body } = yield* client.confirmations.approve({ params, headers: Client.fresh(), payload: {} })
  return body.approvalsMissing > 0
    ? `Approved by you; ${Page.count(body.approvalsMissing, "more person", "more people")} must approve too.`
    : "Approved."
})

const lines = Effect.fnUntraced(function* (service: Service, workspaceFolder: string) {
  const told = new Set<string>()
  for (;;) {
    const { items } = yield* waiting(service)
    for (const question of items) {
      if (told.has(question.confirmationId)) continue
      const before = yield* WorkspaceFile.before(workspaceFolder, question)
      yield* Console.log(Question.page(Page.plain, question, { nowMillis: yield* Clock.currentTimeMillis, before }))
      yield* Console.log("")
    }
    told.clear()
    for (const { confirmationId } of items) told.add(confirmationId)
    yield* Effect.sleep(Duration.millis(pauseMillis))
  }
})

// The sequences of ECMA-48 and xterm's alternate screen.
const enter = "\u001b[?1049h\u001b[?25l\u001b[2J"
const leave = "\u001b[?25h\u001b[?1049l"
const home = "\u001b[H"
const clearLine = "\u001b[K"
const clearBelow = "\u001b[J"
