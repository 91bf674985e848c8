/**
 * `keelson confirmations watch`: questions as they come, decided with a key.
 *
 *   keys, sizes ---------\
 *   a look a second ------> happenings -> WatchScreen.State -> the screen, where it changed
 *   a decision's answer --/
 *
 * Owns the loop and the terminal: the alternate screen is entered and left whatever ends it, and a service that does
 * not answer never keeps a key from being heard. Does not own what is shown (`WatchScreen`). Where there is no terminal,
 * prints each question once as it comes.
 *
 * An answer that somebody else was first with is told, and nothing is done twice.
 */
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stdio from "effect/Stdio"
import type * as Terminal from "effect/Terminal"
import * as Client from "#layers/client/Client.ts"
import { ConfirmationId } from "#src/kernel/Ids.ts"
import type { CommandRefused } from "../CommandRefused.ts"
import * as Called from "../Called.ts"
import * as Page from "../Page.ts"
import * as Confirmations from "./Confirmations.ts"
import * as Question from "./Question.ts"
import { refusal, type Service } from "./Remote.ts"
import * as Waiting from "./Waiting.ts"
import * as WatchScreen from "./WatchScreen.ts"
import * as WorkspaceFile from "./WorkspaceFile.ts"

export interface Options {
  readonly json: boolean
  readonly workspaceFolder: string
}

export const run = Effect.fnUntraced(function* (service: Service, { json, workspaceFolder }: Options) {
  const look = yield* Page.look
  const stdio = yield* Stdio.Stdio
  const place = { url: service.url, workspaceFolder }
  // Whoever is refused is told so before the screen changes.
  yield* service.client.halt.get()
  if (look.live && !json && (yield* stdio.stdinIsTerminal)) yield* screen(service, look, place)
  else yield* Effect.raceFirst(lines(service, place, json), readerGone)
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Between two looks. */
const pauseMillis = 1_000

/** A look that takes longer than this makes what is shown old. */
const silentMillis = 5_000

/** Keys, answers and sizes that may wait to be shown. */
const happeningsMax = 256

type Happening =
  | { readonly _tag: "Key"; readonly input: Terminal.UserInput }
  | { readonly _tag: "Seen"; readonly items: ReadonlyArray<Question.Question>; readonly halted: string | null }
  | { readonly _tag: "Trouble"; readonly detail: string }
  | { readonly _tag: "ShutOut"; readonly refused: CommandRefused }
  | { readonly _tag: "Decided"; readonly note: string }
  | { readonly _tag: "Resized" }
  | { readonly _tag: "Left" }

const looked = Effect.fnUntraced(function* (service: Service) {
  const { items } = yield* Waiting.found(service)
  return { items, halt: (yield* service.client.halt.get()) as Waiting.Halt }
})

/** No key, or no right: asking again would not help. */
const shutsOut = ({ code }: CommandRefused): boolean => code === "Unauthenticated" || code === "Forbidden"

const seen = (service: Service): Effect.Effect<Happening> =>
  looked(service).pipe(
    Effect.flatMap(({ halt, items }) =>
      Effect.map(banner(halt), (halted): Happening => ({ _tag: "Seen", items, halted }))
    ),
    Effect.catch((error) => {
      const refused = refusal(error, service.url)
      return Effect.succeed<Happening>(
        shutsOut(refused) ? { _tag: "ShutOut", refused } : { _tag: "Trouble", detail: refused.detail }
      )
    })
  )

const banner = (halt: Waiting.Halt): Effect.Effect<string | null> => {
  const stopped = Waiting.stoppedBy(halt)
  return stopped === null
    ? Effect.succeed(null)
    : Called.typed(". Let it go on: keelson resume").pipe(Effect.map((next) => `${stopped}${next}`))
}

const screen = Effect.fnUntraced(function* (service: Service, look: Page.Look, place: WorkspaceFile.Place) {
  // Esc leaves the reason that is being typed, and not the watch.
  const terminal = yield* NodeTerminal.make(({ key }) => key.ctrl && (key.name === "c" || key.name === "d"))
  const happenings = yield* Queue.bounded<Happening>(happeningsMax)
  const again = yield* Queue.sliding<"again">(1)
  const tell = (happening: Happening) => Queue.offer(happenings, happening)
  const keys = yield* terminal.readInput
  const sizes = yield* terminal.size
  yield* Effect.acquireRelease(terminal.display(enter), () => Effect.ignore(terminal.display(leave)))
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(seen(service), tell).pipe(Effect.andThen(orAfter(again)))))
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(sizes), () => tell({ _tag: "Resized" }))))
  yield* Effect.forkScoped(
    Effect.forever(Effect.flatMap(Queue.take(keys), (input) => tell({ _tag: "Key", input }))).pipe(
      // Ctrl-C, Ctrl-D, or the terminal is gone. Not where the loop has left: a full queue has no taker then.
      Effect.exit,
      Effect.andThen(tell({ _tag: "Left" }))
    )
  )

  let state = WatchScreen.initial
  let answeredAtMillis = 0
  let drawn = ""

  const draw = Effect.gen(function* () {
    // Nothing is claimed before the first answer.
    if (state === WatchScreen.initial) return
    const size = { columns: (yield* terminal.columns) || 80, rows: (yield* terminal.rows) || 24 }
    const nowMillis = yield* Clock.currentTimeMillis
    const question = WatchScreen.current(state)
    if (question !== null) state = { ...state, before: yield* WorkspaceFile.before(place, question) }
    state = WatchScreen.arranged(state, look, size, nowMillis)
    const text = WatchScreen.lines(state, look, size, nowMillis)
      .map((line) => `${line}${clearLine}`)
      .join("\n")
    const frame = `${size.columns}x${size.rows} ${text}`
    if (frame !== drawn) yield* terminal.display(`${home}${text}${clearBelow}`)
    drawn = frame
  })

  const press = Effect.fnUntraced(function* ({ input, key }: Terminal.UserInput) {
    const text = Option.getOrElse(input, () => "")
    const [next, wish] = WatchScreen.pressed(state, { name: key.name, text }, yield* Clock.currentTimeMillis)
    state = next
    if (wish === null || wish._tag === "Quit") return wish !== null
    state = { ...state, busy: true, note: "Telling the service …" }
    yield* Effect.forkScoped(Effect.flatMap(decided(service, wish), (note) => tell({ _tag: "Decided", note })))
    return false
  })

  for (;;) {
    yield* draw
    const next = yield* Effect.timeoutOption(Queue.take(happenings), Duration.millis(pauseMillis))
    const nowMillis = yield* Clock.currentTimeMillis
    if (state.trouble === null && answeredAtMillis > 0 && nowMillis - answeredAtMillis > silentMillis) {
      state = { ...state, trouble: `${service.url} has not answered for a while. What is shown may be old.` }
    }
    if (Option.isNone(next)) continue
    const happening = next.value
    switch (happening._tag) {
      case "Left":
        return
      case "ShutOut":
        return yield* happening.refused
      case "Key":
        if (yield* press(happening.input)) return
        break
      case "Seen":
        answeredAtMillis = nowMillis
        state = WatchScreen.refreshed(state, happening, nowMillis)
        break
      case "Trouble":
        state = { ...state, trouble: `${happening.detail} What is shown may be old; trying again.` }
        break
      case "Decided":
        state = { ...state, busy: false, note: happening.note }
        yield* Queue.offer(again, "again")
        break
      case "Resized":
    }
  }
}, Effect.scoped)

const orAfter = (again: Queue.Dequeue<"again">) => Effect.timeoutOption(Queue.take(again), Duration.millis(pauseMillis))

const decided = (service: Service, decision: WatchScreen.Decision): Effect.Effect<string> =>
  Effect.catch(decide(service, decision), (error) => {
    const { detail, remedy } = refusal(error, service.url)
    return Effect.succeed(remedy === null ? detail : `${detail} ${remedy}`)
  })

const decide = Effect.fnUntraced(function* ({ client }: Service, decision: WatchScreen.Decision) {
  const params = { confirmationId: ConfirmationId.make(decision.id) }
  if (decision._tag === "Deny") {
    const { body } = yield* client.confirmations.deny({
      params,
      headers: Client.fresh(),
      payload: { reason: decision.reason }
    })
    return `Denied ${decision.id}: ${body.tool} does not run.`
  }
  const { body } = yield* Confirmations.approved(client, params.confirmationId, decision.digest, {})
  return body.approvalsMissing > 0
    ? `Approved by you; ${Page.count(body.approvalsMissing, "more person", "more people")} must approve too.`
    : `Approved ${decision.id}: ${body.tool} may run, once.`
})

/** Each question once as it comes, and when it waits no more; for machines one JSON object a line. */
const lines = Effect.fnUntraced(function* (service: Service, place: WorkspaceFile.Place, json: boolean) {
  const told = new Map<string, string>()
  let halted = false
  let silent = false
  for (;;) {
    const answer = yield* Effect.result(looked(service))
    if (answer._tag === "Failure") {
      const refused = refusal(answer.failure, service.url)
      if (shutsOut(refused)) return yield* refused
      if (!silent) yield* Console.error(`${refused.detail} Trying again.`)
    } else {
      const { halt, items } = answer.success
      if (halt.halted !== halted)
        yield* Console.log(json ? JSON.stringify({ halt }) : ((yield* banner(halt)) ?? "It goes on."))
      halted = halt.halted
      for (const item of items) {
        if (told.get(item.confirmationId) === item.digest) continue
        told.set(item.confirmationId, item.digest)
        yield* Console.log(json ? JSON.stringify({ waits: item }) : `${yield* pageOf(place, item)}\n`)
      }
      const waiting = new Set<string>(items.map(({ confirmationId }) => confirmationId))
      for (const id of [...told.keys()].filter((one) => !waiting.has(one))) {
        told.delete(id)
        yield* Console.log(json ? JSON.stringify({ gone: id }) : `${id} no longer waits.\n`)
      }
    }
    silent = answer._tag === "Failure"
    yield* Effect.sleep(Duration.millis(pauseMillis))
  }
})

const pageOf = Effect.fnUntraced(function* (place: WorkspaceFile.Place, question: Question.Question) {
  const before = yield* WorkspaceFile.before(place, question)
  return Question.page(Page.plain, question, before, yield* Clock.currentTimeMillis)
})

/** Whoever read our words is gone. */
const readerGone = Effect.callback<void>((resume) => {
  const gone = () => resume(Effect.void)
  process.stdout.once("error", gone)
  return Effect.sync(() => void process.stdout.off("error", gone))
})

// The sequences of ECMA-48 and xterm's alternate screen.
const enter = "\u001b[?1049h\u001b[?25l\u001b[2J"
const leave = "\u001b[?25h\u001b[?1049l"
const home = "\u001b[H"
const clearLine = "\u001b[K"
const clearBelow = "\u001b[J"
