/**
 * The people and agents of a run: each step's deed, asked of one process, and what is remembered of the answers.
 *
 * Owns what must hold between the answers of one caller: the same wish under the same key is answered the same for
 * ever, another one never; no failure that is a bug; no word of a session that was erased.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import { Gateway, Refused } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { ActionId, ClaimId, SessionId, StreamId, TurnId } from "#src/kernel/Ids.ts"
import { ActorError } from "#src/ports/Actors.ts"
import { EventStore, type Rows } from "#src/ports/EventStore.ts"
import type { Principal } from "#src/ports/Identity.ts"
import { Vault } from "#src/ports/Vault.ts"
import { actor } from "#test/kit/decider.ts"
import { type Deed, type Made, mark, type Who } from "./steps.ts"
import type { Audit } from "./audit.ts"
import { Violation } from "./violation.ts"

export type Inside = Context.Context<Gateway | Vault | EventStore | Rows>

const principals: { readonly [W in Who]: Principal } = {
  ann: { actor: actor("HUMAN", "ann"), roles: ["approver", "owner"] },
  bob: { actor: actor("HUMAN", "bob"), roles: ["approver"] },
  cyd: { actor: actor("HUMAN", "cyd"), roles: ["approver"] },
  bot: { actor: actor("AGENT", "bot"), roles: ["agent"] },
  rob: { actor: actor("AGENT", "rob"), roles: ["agent"] }
}

export const sessionOf = ({ by, key }: Made): SessionId => SessionId.make(NodeDigest.derive("ses", by, key))
export const actionOf = ({ by, key }: Made): ActionId => ActionId.make(NodeDigest.derive("act", by, key))
export const turnOf = ({ by, key }: Made): TurnId => TurnId.make(NodeDigest.derive("trn", by, key))

/** What a turn's only answer proposes, in its order. */
export const proposedBy = (turn: Made, index: number): ActionId =>
  ActionId.make(NodeDigest.derive("act", turnOf(turn), `c1.${index + 1}`))

/** The command's stream. */
export const streamOf = (deed: Exclude<Deed, { deed: "look" }>): string => {
  switch (deed.deed) {
    case "create":
      return `session:${sessionOf(deed)}`
    case "touch":
    case "close":
    case "erase":
      return `session:${sessionOf(deed.session)}`
    case "turn":
      return `turn:${turnOf(deed)}`
    case "cancel":
      return `turn:${turnOf(deed.turn)}`
    case "declare":
      return "tool:far"
    case "halt":
    case "resume":
      return "halt:all"
    case "propose":
      return `action:${actionOf(deed)}`
    default:
      return `action:${actionOf(deed.action)}`
  }
}

type Answer = { readonly body: unknown; readonly repeated: boolean }

/** Asks the process of this context. */
export const ask = (
  context: Inside,
  deed: Exclude<Deed, { deed: "look" }>
): Effect.Effect<Answer, Refused | ActorError> => {
  const gateway = Context.get(context, Gateway)
  const by = principals[deed.by]
  const { key } = deed
  switch (deed.deed) {
    case "create": {
      const { idleMillis, ttlMillis } = deed
      return gateway.createSession(by, key, { agentId: "bot", title: mark(deed), ttlMillis, idleMillis })
    }
    case "touch":
      return gateway.touchSession(by, key, sessionOf(deed.session))
    case "close":
      return gateway.closeSession(by, key, sessionOf(deed.session), mark(deed.session))
    case "erase":
      return gateway.eraseSession(by, key, sessionOf(deed.session))
    case "propose": {
      const args = { text: deed.word, millis: deed.millis }
      return gateway.propose(by, key, { sessionId: sessionOf(deed.session), tool: deed.tool, arguments: args })
    }
    case "approve":
      return gateway.approve(
        by,
        key,
        actionOf(deed.action),
        ...(deed.word === null ? [] : [{ text: deed.word, millis: 0 }])
      )
    case "deny":
      return gateway.deny(by, key, actionOf(deed.action), mark(deed.session))
    case "withdraw":
      return gateway.withdraw(by, key, actionOf(deed.action), mark(deed.session))
    case "reconcile":
      return gateway.reconcile(by, key, actionOf(deed.action), { outcome: "Executed", note: mark(deed.session) })
    case "claim":
      return gateway.claim(by, key, actionOf(deed.action))
    case "renew":
      return gateway.renewLease(by, key, actionOf(deed.action), claimOf(deed.action, deed.claim))
    case "report": {
      const claimId = claimOf(deed.action, deed.claim)
      return gateway.reportOutcome(by, key, actionOf(deed.action), {
        claimId,
        outcome: "Executed",
        output: mark(deed.session)
      })
    }
    case "turn":
      return gateway.startTurn(by, key, sessionOf(deed.session), `${deed.word} : ${deed.tools.join(" ")}`)
    case "cancel":
      return gateway.cancelTurn(by, key, turnOf(deed.turn), mark(deed.session))
    case "declare":
      return gateway.declareTool(by, key, far)
    case "halt":
      return gateway.halt(by, key, { reason: "~halt~", cancelRunning: deed.cancelRunning })
    case "resume":
      return gateway.resume(by, key, null)
  }
}

/** Everything that was said in a session, as this process shows it: in its rows and in its events. */
export const shown = (context: Inside, session: Made, actions: ReadonlyArray<Made>, turns: ReadonlyArray<Made>) =>
  Effect.gen(function* () {
    const questions = yield* Questions.make
    const vault = Context.get(context, Vault)
    const store = Context.get(context, EventStore)
    const streams = [`session:${sessionOf(session)}`, ...actions.map((made) => `action:${actionOf(made)}`)]
    const events: Array<Canonical.Json> = []
    for (const stream of streams) {
      const slice = yield* store.readStream(StreamId.make(stream))
      for (const { envelope } of slice.events) events.push(yield* vault.openPayload(envelope))
    }
    const found: ReadonlyArray<unknown> = [
      yield* questions.session(sessionOf(session)),
      ...(yield* Effect.forEach(actions, (made) => questions.action(actionOf(made)))),
      ...(yield* Effect.forEach(turns, (made) => questions.turn(turnOf(made))))
    ]
    return Canonical.encode([events, yield* vault.open(found)])
  }).pipe(Effect.provideContext(context))

export interface Answers {
  /** Judges one answer; gives the line that tells it. Throws `Violation`. */
  readonly judge: (deed: Exclude<Deed, { deed: "look" }>, exit: Exit.Exit<Answer, Refused | ActorError>) => string
  /** Remembers that the wish was uttered, whatever becomes of it. */
  readonly asked: (deed: Exclude<Deed, { deed: "look" }>) => void
}

export const answers = (audit: Audit): Answers => {
  /** Wishes uttered under one key. */
  const wishes = new Map<string, Set<string>>()
  /** The recorded answer under one key, and to which wish. */
  const recorded = new Map<string, { readonly wish: string; readonly answer: string }>()

  const settled = (deed: Exclude<Deed, { deed: "look" }>, answer: string): void => {
    const name = `${deed.by} ${deed.key}`
    const wish = wishOf(deed)
    const before = recorded.get(name)
    if (before === undefined) recorded.set(name, { wish, answer })
    // What a wish said is forgotten with its session: nobody can tell any more whether a repeat says the same.
    else if ("session" in deed && audit.model.isErased(`session:${sessionOf(deed.session)}`)) return
    else if (before.wish !== wish) throw new Violation("key reused", `${name} answered two different wishes`)
    else if (before.answer !== answer) {
      throw new Violation("another answer", `${name} was answered ${before.answer}, and then ${answer}`)
    }
  }

  const failure = (deed: Exclude<Deed, { deed: "look" }>, error: ActorError): string => {
    const told = `${error.reason}${error.retryable ? ", try again" : ""}`
    switch (error.reason) {
      case "Overloaded":
      case "Indeterminate":
      case "Unavailable":
      case "Draining":
        return told
      case "Full":
        return told
      case "KeyReused":
        if ((wishes.get(`${deed.by} ${deed.key}`)?.size ?? 0) < 2) {
          throw new Violation(
            "key refused",
            `${deed.by} ${deed.key} was used once, but is called used for another wish`
          )
        }
        return told
      case "Erased":
        if ("session" in deed && audit.model.isErased(`session:${sessionOf(deed.session)}`)) return told
        if (deed.deed === "create" && audit.model.isErased(`session:${sessionOf(deed)}`)) return told
        throw new Violation("lost words", `${deed.deed} is told that a session was erased which was not`)
      default:
        throw new Violation("broken", `${deed.deed} failed: ${error.reason}: ${error.message}`)
    }
  }

  return {
    asked: (deed) => {
      const name = `${deed.by} ${deed.key}`
      wishes.set(name, (wishes.get(name) ?? new Set()).add(wishOf(deed)))
    },
    judge: (deed, exit) => {
      audit.look()
      if (exit._tag === "Success") {
        const { body, repeated } = exit.value
        audit.acknowledged({
          principal: deed.by,
          key: deed.key,
          commandId: NodeDigest.derive("cmd", deed.by, deed.key),
          stream: streamOf(deed),
          repeated,
          deed: deed.deed
        })
        // What is known by its state alone is answered by its state.
        if (deed.deed !== "erase") settled(deed, Canonical.encode(body as Canonical.Json))
        return `${statusOf(body)}${repeated ? ", again" : ""}`
      }
      const [reason] = exit.cause.reasons
      if (reason?._tag !== "Fail") {
        const what = reason?._tag === "Die" ? String(reason.defect) : "it was interrupted"
        throw new Violation("broken", `${deed.deed} broke: ${what}`)
      }
      if (!(reason.error instanceof Refused)) return failure(deed, reason.error)
      const { rejection, repeated } = reason.error
      // A refusal that leaves no receipt says "not now": it may be another one the next time.
      if (repeated) settled(deed, Canonical.encode(rejection as never))
      const status = rejection._tag === "Conflict" ? ` with ${rejection.status}` : ""
      return `${rejection._tag}${status}${repeated ? ", again" : ""}`
    }
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const claimOf = (action: Made, claim: Made): ClaimId =>
  ClaimId.make(NodeDigest.derive("clm", actionOf(action), claim.by, claim.key))

const far = {
  name: "far",
  description: "Runs where Rob lives.",
  inputSchema: {
    type: "object",
    properties: { text: { type: "string" }, millis: { type: "integer" } },
    required: ["text"],
    additionalProperties: false
  },
  leaseMillis: 5_000,
  runMillisMax: 10_000
}

/** What the key stands for: everything but when and where it was asked. */
const wishOf = (deed: Deed): string =>
  JSON.stringify({ ...deed, process: null, number: null, tasks: null, chance: null })

const statusOf = (body: unknown): string => {
  const { halted, status } = body as { readonly status?: string; readonly halted?: boolean }
  return status ?? (halted === true ? "Halted" : "Running")
}
