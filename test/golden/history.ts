/**
 * A history that goes through every event type of the gateway, the same to the byte in every run.
 *
 * Time is TestClock's, ids and keys come from a seed, commands go one after the other. `regenerate.ts` writes it down
 * once per released version; `golden.test.ts` replays what was written then with today's code, for ever.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as VolatilePolicyEngine from "#layers/policy-engine/VolatilePolicyEngine.ts"
import * as Core from "#layers/profiles/Core.ts"
import { defaults } from "#layers/profiles/Settings.ts"
import * as SeededStamps from "#layers/stamps/SeededStamps.ts"
import * as DeclaredTools from "#layers/tool-executor/DeclaredTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import * as StoreVault from "#layers/vault/StoreVault.ts"
import type { ActionCommand, SessionCommand, TurnCommand } from "#src/gateway/Protocol.ts"
import * as Rebuild from "#src/gateway/Rebuild.ts"
import { encode, type Json } from "#src/kernel/Canonical.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { ActionId, ClaimId, IncarnationId, type PrincipalId, SessionId, TurnId } from "#src/kernel/Ids.ts"
import type { Actor } from "#src/kernel/Stamp.ts"
import { Actors } from "#src/ports/Actors.ts"
import { EventStore } from "#src/ports/EventStore.ts"
import { Stamps } from "#src/ports/Stamps.ts"
import { actor, agent, owner, system } from "#test/kit/decider.ts"
import { note, policies } from "#test/kit/world.ts"

const seed = "golden"

/** Tools that are declared later can't be named yet. */
const remote = `@id("runner") permit (principal in Role::"runner", action, resource);`

const world = Core.actors(defaults).pipe(
  Layer.provideMerge(StoreVault.layer),
  Layer.provide(VolatilePolicyEngine.layerText({ ...policies, "remote.cedar": remote })),
  Layer.provide(Layer.provide(DeclaredTools.layer, ToolRegistry.layerCatalog)),
  Layer.provide(
    ToolRegistry.layer(["look", "note", "pair", "hidden"].map((name) => note(name, () => Effect.succeed(1))))
  ),
  Layer.provideMerge(Layer.mergeAll(VolatileEventStore.layer, VolatileKeyRing.layerSeeded({ seed }))),
  Layer.provideMerge(SeededStamps.layer({ seed })),
  Layer.provideMerge(NodeDigest.layer)
)

const deploySchema = {
  type: "object",
  properties: { text: { type: "string" } },
  required: ["text"],
  additionalProperties: false
}

const id = NodeDigest.derive
const sessionId = SessionId.make(id("ses", seed))
/** The one session that the history leaves open. */
export const leftOpen = `session:${sessionId}`
const secondId = SessionId.make(id("ses", seed, "second"))
const thirdId = SessionId.make(id("ses", seed, "third"))
const incarnation = IncarnationId.make(id("inc", seed))
const ana = actor("HUMAN", "ana")
const ben = actor("HUMAN", "ben")

const open = (session: SessionId): SessionCommand => ({
  _tag: "CreateSession",
  sessionId: session,
  ownerId: owner.id,
  agentId: agent.id,
  title: "what the session is about",
  ttlMillis: 600_000,
  idleMillis: 60_000,
  quota: 100
})

const start = (turnId: TurnId): TurnCommand => ({
  _tag: "StartTurn",
  turnId,
  sessionId,
  ownerId: owner.id,
  agentId: agent.id,
  input: "what a person asks",
  responder: { provider: "keelson", model: "golden", deterministic: true },
  stepsMax: 4,
  tokensMax: 1_000,
  timeoutMillis: 300_000,
  quota: 10
})

const turnId = (name: string) => TurnId.make(id("trn", seed, name))
const actionId = (name: string) => ActionId.make(id("act", seed, name))
const claimId = (name: string) => ClaimId.make(id("clm", seed, name))

type Send = (by: Actor, kind: string, name: string, command: object) => Effect.Effect<void>

/** Plays the history; the store then holds it. */
const play = Effect.gen(function* () {
  const actors = yield* Actors
  const stamps = yield* Stamps
  let count = 0
  const send: Send = (by, kind, name, command) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      const stamp = yield* stamps.stamp({ actor: by, key: `golden-${count++}` })
      yield* actors.send(kind, name, command, stamp)
    }).pipe(Effect.orDie)
  yield* sessions(send)
  yield* turns(send)
  yield* actions(send)
  yield* endings(send)
  yield* halts(send)
  yield* principals(send)
  yield* remoteTools(send)
  yield* policySets(send)
})

const policySets = Effect.fnUntraced(function* (send: Send) {
  for (const [after, text] of ["first", "second", "first"].entries()) {
    yield* send(system, "policy", "current", { _tag: "RecordPolicySet", hash: NodeDigest.sha256(text), after })
  }
})

const remoteTools = Effect.fnUntraced(function* (send: Send) {
  const declare = {
    _tag: "DeclareTool",
    name: "deploy",
    description: "Puts a version into the world.",
    inputSchemaText: encode(deploySchema),
    hash: NodeDigest.sha256("deploy"),
    idempotent: false,
    executorId: agent.id,
    leaseMillis: 30_000,
    runMillisMax: 60_000
  }
  for (const command of [declare, { _tag: "WithdrawTool" }, declare]) yield* send(agent, "tool", "deploy", command)
  const ask = (name: string) =>
    send(agent, "action", actionId(name), {
      ...propose(name, "deploy", "what is to be deployed"),
      roles: ["agent", "runner"]
    })
  const [done, lost] = ["remote", "remote-lost"]
  const claim = (name: string) => ({ _tag: "Claim", claimId: claimId(name), incarnation })
  const outcome = { _tag: "ReportOutcome", outcome: "Executed", code: null, output: { deployed: true } }
  yield* ask(done)
  yield* send(agent, "action", actionId(done), claim(done))
  for (let beat = 0; beat < 20; beat++) {
    yield* send(agent, "action", actionId(done), { _tag: "RenewLease", claimId: claimId(done) })
  }
  yield* send(agent, "action", actionId(done), { ...outcome, claimId: claimId(done) })
  yield* ask(lost)
  yield* send(agent, "action", actionId(lost), claim(lost))
  const leaseUntilMillis = (yield* Clock.currentTimeMillis) + 30_000
  yield* TestClock.adjust("30 seconds")
  yield* send(system, "action", actionId(lost), { _tag: "RaiseUnknown", leaseUntilMillis })
  const said = { _tag: "Reconcile", roles: [], outcome: "Failed", note: "what a person saw" }
  yield* send(owner, "action", actionId(lost), said)
})

const principals = Effect.fnUntraced(function* (send: Send) {
  const principalId = "ana"
  const key = (name: string) => ({ keyId: id("key", seed, name), digest: NodeDigest.sha256(name) })
  const commands = [
    { _tag: "CreatePrincipal", principalId, kind: "HUMAN", roles: ["approver"], ...key("first") },
    { _tag: "IssueKey", ...key("second"), replace: false },
    { _tag: "RevokeKey", keyId: id("key", seed, "first") },
    { _tag: "ChangeRoles", roles: ["approver", "owner"] },
    { _tag: "DisablePrincipal" },
    { _tag: "EnablePrincipal" },
    { _tag: "IssueKey", ...key("third"), replace: true }
  ]
  for (const command of commands) yield* send(owner, "principal", principalId, command)
})

const halts = Effect.fnUntraced(function* (send: Send) {
  yield* send(owner, "halt", "all", { _tag: "Halt", reason: "what a person saw", cancelRunning: false })
  yield* send(owner, "halt", "all", { _tag: "Halt", reason: "what they saw then", cancelRunning: true })
  yield* send(owner, "halt", "all", { _tag: "Resume", reason: "what a person says" })
})

const sessions = Effect.fnUntraced(function* (send: Send) {
  for (const session of [sessionId, secondId, thirdId]) yield* send(owner, "session", session, open(session))
  yield* send(owner, "session", sessionId, { _tag: "TouchSession" })
})

const turns = Effect.fnUntraced(function* (send: Send) {
  const first = turnId("first")
  const said: TurnCommand = {
    ...{ _tag: "RecordResponse", step: 1, text: "what a model answers", inputTokens: 3, outputTokens: 4 },
    proposals: [{ callId: "x", tool: "note", arguments: { text: "what a model proposes" } }]
  }
  const outcome: TurnCommand = {
    ...{ _tag: "RecordOutcome", callId: "c1.1", actionId: actionId("run"), outcome: "Executed" },
    ...{ output: "what a tool gave", editedArguments: { text: "what a person made of it" } }
  }
  const steps: ReadonlyArray<TurnCommand> = [
    { _tag: "RecordRecall", source: "none", items: [] },
    said,
    outcome,
    { _tag: "RecordResponse", step: 2, text: "done", proposals: [], inputTokens: 1, outputTokens: 1 },
    { _tag: "RecordMemories", source: "none", memoryIds: [] },
    { _tag: "CompleteTurn" }
  ]
  yield* send(owner, "turn", first, start(first))
  for (const step of steps) yield* send(system, "turn", first, step)
  const second = turnId("second")
  yield* send(owner, "turn", second, start(second))
  yield* send(system, "turn", second, { _tag: "FailTurn", code: "Timeout", detail: "too long" })
  const third = turnId("third")
  yield* send(owner, "turn", third, start(third))
  yield* send(owner, "turn", third, { _tag: "CancelTurn", reason: "what a person says" })
})

const propose = (name: string, tool: string, text: string, ownerId: PrincipalId = owner.id): ActionCommand => ({
  _tag: "ProposeAction",
  actionId: actionId(name),
  sessionId,
  ownerId,
  agentId: agent.id,
  turnId: null,
  callId: null,
  roles: ["agent"],
  tool,
  arguments: { text }
})

const actions = Effect.fnUntraced(function* (send: Send) {
  const ask = (name: string, tool = "note", text = "what is to be done") =>
    send(agent, "action", actionId(name), propose(name, tool, text))
  const say = (by: Actor, name: string, command: object) => send(by, "action", actionId(name), command)
  const claim = (name: string) => say(system, name, { _tag: "Claim", claimId: claimId(name), incarnation })
  const report = (name: string, outcome: string) =>
    say(system, name, { _tag: "ReportOutcome", claimId: claimId(name), outcome, code: null, output: "what it gave" })

  yield* ask("run", "look")
  yield* claim("run")
  yield* report("run", "Executed")
  yield* ask("hidden", "hidden")
  yield* ask("forbidden", "note", "forbidden")
  yield* ask("approved")
  yield* say(owner, "approved", { _tag: "Approve", roles: [] })
  yield* claim("approved")
  yield* report("approved", "Failed")
  yield* ask("edited")
  yield* say(owner, "edited", { _tag: "Approve", roles: [], editedArguments: { text: "what a person wants" } })
  yield* ask("pair", "pair")
  yield* say(ana, "pair", { _tag: "Approve", roles: ["approver"] })
  yield* say(ben, "pair", { _tag: "Approve", roles: ["approver"] })
  yield* claim("pair")
  yield* ask("denied")
  yield* say(owner, "denied", { _tag: "Deny", roles: [], reason: "what a person says" })
  yield* ask("withdrawn")
  yield* say(agent, "withdrawn", { _tag: "Withdraw", reason: null })
  yield* ask("expired")
})

/** Deadlines: read from the journal itself, so that this file names no time twice. */
const endings = Effect.fnUntraced(function* (send: Send) {
  const { readAll } = yield* EventStore
  const happened = yield* Effect.orDie(readAll(0, 1_000))
  const deadline = (type: string, field: string, name: string): number => {
    const found = happened.findLast(
      ({ envelope }) => envelope.type === type && envelope.stream === `action:${actionId(name)}`
    )
    return Number(found?.envelope.payload[field])
  }
  yield* TestClock.adjust("5 minutes")
  const expire = (name: string, deadlineMillis: number) =>
    send(system, "action", actionId(name), { _tag: "ExpireAction", deadlineMillis })
  yield* expire("expired", deadline("confirmation.requested", "expiresAtMillis", "expired"))
  yield* expire("edited", deadline("action.permitted", "expiresAtMillis", "edited"))
  const leaseUntilMillis = deadline("action.claimed", "leaseUntilMillis", "pair")
  yield* send(system, "action", actionId("pair"), { _tag: "RaiseUnknown", leaseUntilMillis })
  const late = { claimId: claimId("pair"), outcome: "Executed", code: null, output: "late" }
  yield* send(system, "action", actionId("pair"), { _tag: "ReportOutcome", ...late })
  const third = happened.find(({ envelope }) => envelope.stream === `session:${thirdId}`)
  const deadlineMillis = Number(third?.envelope.payload["idleAtMillis"])
  yield* send(system, "session", thirdId, { _tag: "ExpireSession", deadlineMillis })
  yield* send(system, "bypass", id("byp", seed), {
    _tag: "RecordBypass",
    reason: "Forged",
    permitId: null,
    actionId: actionId("run")
  })
  yield* send(owner, "session", secondId, { _tag: "EraseSession" })
  const fourthId = SessionId.make(id("ses", seed, "fourth"))
  yield* send(owner, "session", fourthId, open(fourthId))
  yield* send(owner, "session", fourthId, { _tag: "CloseSession", reason: "what a person says" })
})

/** The whole history, as the journal keeps it. */
export const history: Effect.Effect<ReadonlyArray<StoredEvent>> = Effect.andThen(
  play,
  Effect.flatMap(EventStore, (store) => store.readAll(0, 1_000))
).pipe(Effect.provide(world), Effect.provide(TestClock.layer()), Effect.orDie, Effect.scoped)

/** One line of a golden file. */
export const line = ({ text, hash, position }: StoredEvent): string => `${position} ${hash} ${text}`

/** SHA-256 of the canonical dump of every row and counter that the events make. */
export const rowsDigest = (events: ReadonlyArray<StoredEvent>): string => {
  const rebuild = Effect.runSync(Rebuild.make)
  const rows = new Map<string, Json>()
  const counters = new Map<string, number>()
  for (const event of events) {
    for (const change of rebuild(event)) {
      if (change._tag === "Add") counters.set(change.counter, (counters.get(change.counter) ?? 0) + change.delta)
      else if (change._tag === "Drop") rows.delete(`${change.kind} ${change.key}`)
      else rows.set(`${change.kind} ${change.key}`, change.body)
    }
  }
  const sorted = <A>(map: ReadonlyMap<string, A>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  return NodeDigest.sha256(encode({ rows: sorted(rows), counters: sorted(counters) } as unknown as Json))
}
