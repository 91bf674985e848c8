/**
 * The story of the demo: one agent session with a person at the gate and a SIGKILL in the middle.
 *
 * Owns what is done in which order, over HTTP alone, and keeps what it saw as evidence. Does not own how it is told
 * (`DemoStage`), the processes (`DemoService`) or what follows from the evidence (`DemoProof`).
 *
 * Invariant: it takes both honest outcomes of the kill: what was claimed before it may end as Unknown, what was not
 * runs once after it. It never assumes which.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Prompt from "effect/cli/Prompt"
import * as FileSystem from "effect/FileSystem"
import * as Predicate from "effect/Predicate"
import type * as Terminal from "effect/Terminal"
import type { Json } from "#src/kernel/Canonical.ts"
import * as DemoClient from "./DemoClient.ts"
import { type Acknowledged, outcomeOf, type SeenEvent, type SeenFile } from "./DemoProof.ts"
import type * as DemoService from "./DemoService.ts"
import { failed } from "./DemoService.ts"
import type { Stage } from "./DemoStage.ts"

/** Sessions that are opened in the very moment of the kill: each one that is acknowledged must be there afterwards. */
export const crowd = 20

/** How long a claim may run in the demo before SYSTEM says Unknown: short, so that nobody waits. */
export const claimLeaseMillis = 3_000

/** What the person at the gate answers: null approves, a text denies and says why. */
export type Decide = (scripted: string | null) => Effect.Effect<string | null, Terminal.QuitError, Prompt.Environment>

export interface Decision {
  readonly actionId: string
  readonly confirmationId: string
  readonly key: string
  readonly reason: string | null
  readonly answer: Json
}

/** What happened so far, gathered as it happens. */
export interface Notes {
  readonly acknowledged: Array<Acknowledged>
  readonly files: Array<Omit<SeenFile, "found">>
  readonly denied: Array<string>
}

export const orders = "2 apples\n1 bread"
export const diary = "08:00 opened the shop\n"

/** Before the first act: what lies in the workspace. */
export const prepare = Effect.fnUntraced(
  function* (workspace: string) {
    const files = yield* FileSystem.FileSystem
    yield* files.makeDirectory(workspace, { recursive: true, mode: 0o700 })
    yield* files.writeFileString(`${workspace}/orders.txt`, orders)
    yield* files.writeFileString(`${workspace}/diary.txt`, diary)
  },
  Effect.mapError((error) => failed(`the workspace can't be made: ${error.message}`))
)

/** First act: reads, asks, waits, writes, answers. */
export const approved = Effect.fnUntraced(function* (scene: Scene) {
  const { stage } = scene
  yield* stage.act("1  An agent asks, a person decides")
  const input = "read orders.txt\nwrite summary.txt <<END\nOrders of today:\n{{1}}\nEND\nsay The summary is written."
  const { question, turnId } = yield* ask(scene, "turn-1", input)
  yield* answer(scene, "decide-1", question, null)
  scene.notes.files.push({
    path: "summary.txt",
    actionId: question.actionId,
    before: null,
    after: `Orders of today:\n${orders}\n`
  })
  yield* tell(scene, turnId)
  yield* file(scene, "summary.txt")
})

/** Second act: the person says no. */
export const denied = Effect.fnUntraced(function* (scene: Scene) {
  yield* scene.stage.act("2  A second wish would overwrite the orders")
  const { question, turnId } = yield* ask(scene, "turn-2", "replace orders.txt: nothing to do today")
  yield* answer(scene, "decide-2", question, "The orders stay as they are.")
  scene.notes.files.push({
    path: "orders.txt",
    actionId: question.actionId,
    before: orders,
    after: "nothing to do today"
  })
  yield* tell(scene, turnId)
  yield* file(scene, "orders.txt")
})

/** Third act, up to the kill: it follows the decision's answer at once, unless somebody asks for another moment. */
export const untilTheKill = Effect.fnUntraced(function* (scene: Scene, killAfterMillis: number) {
  const { client, notes, stage } = scene
  yield* stage.act("3  The service is killed in the middle")
  const { question, turnId } = yield* ask(scene, "turn-3", "append diary.txt: 18:00 summary written\\n")
  notes.files.push({
    path: "diary.txt",
    actionId: question.actionId,
    before: diary,
    after: `${diary}18:00 summary written\n`
  })
  const reason = yield* scene.decide(null)
  const sessions = yield* Effect.forEach(
    Array.from({ length: crowd }, (_, index) => index + 1),
    (number) => Effect.map(client.createSession(`crowd-${number}`, `Customer ${number}`), ({ body }) => body.sessionId),
    { concurrency: "unbounded" }
  )
  const decision = yield* send(scene, "decide-3", question, reason)
  if (killAfterMillis > 0) yield* Effect.sleep(Duration.millis(killAfterMillis))
  yield* scene.service.kill
  const killedAtMillis = yield* Clock.currentTimeMillis
  for (const id of sessions) acknowledge(notes, "a session opened", `session:${id}`, "session.created")
  yield* stage.say(`${crowd} more sessions are opened, and the decision is sent. All ${crowd + 1} are acknowledged.`)
  yield* stage.say(`kill -9 ${scene.service.pid}`)
  yield* stage.pause
  return { decision, turnId, killedAtMillis }
})

/** Third act, after the restart: the same decision again, and what became of the action. */
export const afterTheKill = Effect.fnUntraced(function* (
  scene: Scene,
  before: { readonly decision: Decision; readonly turnId: string; readonly killedAtMillis: number }
) {
  const { client, stage } = scene
  const { decision } = before
  const again = yield* resend(client, decision)
  yield* stage.say(
    `The same decision is sent again with the same Idempotency-Key: ${again.replayed ? "the recorded answer comes back, nothing happens." : "a new answer comes."}`
  )
  yield* tell(scene, before.turnId)
  const events = yield* client.streamEvents(`action:${decision.actionId}`)
  yield* stage.say(happened(events, decision, before.killedAtMillis))
  yield* file(scene, "diary.txt")
  return { first: decision.answer, second: again.raw, replayed: again.replayed }
})

/** The last thing before the stop: the session is closed, and the whole journal is read. */
export const epilogue = Effect.fnUntraced(function* ({ client, notes, sessionId, stage }: Scene) {
  yield* client.closeSession("close", sessionId)
  acknowledge(notes, "the session closed", `session:${sessionId}`, "session.closed")
  const events = yield* client.events
  yield* stage.say(`GET /v1/events: ${events.length} events, the whole journal.`)
  return events
})

/** Where the story stands: the service of this moment, the session, and the notes. */
export interface Scene {
  readonly stage: Stage
  readonly client: DemoClient.DemoClient
  readonly service: DemoService.Service
  readonly sessionId: string
  readonly workspace: string
  readonly decide: Decide
  readonly notes: Notes
}

export const acknowledge = (notes: Notes, what: string, stream: string, type: string): void => {
  notes.acknowledged.push({ what, stream, type })
}

/** What a file of the workspace holds, or null. */
export const content = (workspace: string, path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(`${workspace}/${path}`)).pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "NotFound",
      () => Effect.succeed(null)
    ),
    Effect.mapError((error) => failed(`${path} can't be read: ${error.message}`))
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Longest that a turn may take to ask or to end, the lease included. */
const patienceMillis = claimLeaseMillis + 20_000
const pollMillis = 50

/** Starts a turn and waits until it asks a person. */
const ask = Effect.fnUntraced(function* (scene: Scene, key: string, input: string) {
  const { client, notes, stage } = scene
  yield* stage.show("the person says", input)
  const { body } = yield* client.startTurn(key, scene.sessionId, input)
  acknowledge(notes, "a turn started", `turn:${body.turnId}`, "turn.started")
  const question = yield* waitFor("the agent did not ask for anything", asked(client, scene.sessionId, body.turnId))
  const events = yield* client.streamEvents(`action:${question.actionId}`)
  yield* stage.say("The agent wants to act, and a policy demands a person, who sees:")
  yield* stage.question(question, reasonOf(events))
  yield* stage.pause
  return { question, turnId: body.turnId }
})

/** The question that waits, or undefined; fails where the turn is over and none came. */
const asked = Effect.fnUntraced(function* (client: DemoClient.DemoClient, sessionId: string, turnId: string) {
  const turn = yield* client.turn(turnId, 0)
  const questions = yield* client.questions(sessionId)
  if (questions.length > 0 || turn.status === "Running") return questions[0]
  return yield* failed(`the turn ended as ${turn.status} and asked nothing: ${said(turn)}`)
})

const said = ({ text }: DemoClient.Turn): string => (typeof text === "string" ? text : "(nothing)")

/** The policy's sentence, as it stands in the journal. */
const reasonOf = (events: ReadonlyArray<SeenEvent>): string => {
  const why = events.find((event) => event.type === "action.judged")?.payload["why"]
  const reason = Predicate.hasProperty(why, "reason") ? why.reason : ""
  return typeof reason === "string" ? reason : ""
}

const answer = Effect.fnUntraced(function* (
  scene: Scene,
  key: string,
  question: DemoClient.Question,
  scripted: string | null
) {
  const reason = yield* scene.decide(scripted)
  yield* send(scene, key, question, reason)
  yield* scene.stage.say(reason === null ? "The person approves." : `The person denies: ${reason}`)
})

/** Sends the decision; once it is answered, it counts as acknowledged. */
const send = Effect.fnUntraced(function* (
  { client, notes }: Scene,
  key: string,
  question: DemoClient.Question,
  reason: string | null
) {
  const { actionId, confirmationId } = question
  const { raw } = yield* reason === null
    ? client.approve(key, confirmationId)
    : client.deny(key, confirmationId, reason)
  acknowledge(
    notes,
    reason === null ? "an approval" : "a denial",
    `action:${actionId}`,
    reason === null ? "confirmation.approved" : "confirmation.denied"
  )
  if (reason !== null) notes.denied.push(actionId)
  const decision: Decision = { actionId, confirmationId, key, reason, answer: raw }
  return decision
})

const resend = (client: DemoClient.DemoClient, { confirmationId, key, reason }: Decision) =>
  reason === null ? client.approve(key, confirmationId) : client.deny(key, confirmationId, reason)

/** Waits for the turn's end and shows what the agent answered. */
const tell = Effect.fnUntraced(function* ({ client, stage }: Scene, turnId: string) {
  const turn = yield* waitFor(
    "the turn did not come to its end",
    Effect.map(client.turn(turnId, 5_000), (turn) => (turn.status === "Running" ? undefined : turn))
  )
  yield* stage.show(`the agent answers (${turn.responder}; turn ${turn.status})`, said(turn))
  yield* stage.pause
})

const file = Effect.fnUntraced(function* ({ stage, workspace }: Scene, path: string) {
  const text = yield* content(workspace, path)
  yield* stage.show(`${path}${text === null ? " does not exist" : ""}`, text ?? "")
})

const waitFor = <A, E, R>(what: string, look: Effect.Effect<A | undefined, E, R>) =>
  Effect.gen(function* () {
    for (;;) {
      const found = yield* look
      if (found !== undefined) return found as Exclude<A, undefined>
      yield* Effect.sleep(Duration.millis(pollMillis))
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: Duration.millis(patienceMillis),
      orElse: () => Effect.fail(failed(`${what} within ${patienceMillis / 1000} s`))
    })
  )

/** Which of the honest outcomes it was, by the journal's own times. */
const happened = (events: ReadonlyArray<SeenEvent>, decision: Decision, killedAtMillis: number): string => {
  const of = (type: string) => events.find((event) => event.type === type)
  const claim = of("action.claimed")
  if (decision.reason !== null) return "It was denied, so nothing ran, before the kill or after it."
  if (claim === undefined) return "It was never claimed, so nothing ran."
  if (Date.parse(claim.occurredAt) > killedAtMillis) {
    return "The kill came after the approval and before the claim: the restarted service claimed it and ran it, once."
  }
  if (outcomeOf(events, decision.actionId) === "action.unknown") {
    return (
      `The kill came after the claim: the tool may or may not have run. Nobody ran it again; after the lease of ` +
      `${claimLeaseMillis / 1000} s SYSTEM said Unknown, and the file below is the only witness.`
    )
  }
  return "The kill came after the tool had run and its outcome was stored: the restarted service found it so."
}
