/**
 * What is done and asked of sessions, turns, actions, confirmations and tools, and of the halt: each once, for every door.
 *
 * Owns the way from a request that was read to the gateway, and how its answer is shown. Does not own how a request
 * comes (`http/*`, `socket/*`), who may (the gateway, `http/Readable`) nor what failures look like (`Problems`).
 */
import * as Effect from "effect/Effect"
import { type Answered, Gateway, Refused } from "#src/gateway/Protocol.ts"
import * as Questions from "#src/gateway/Questions.ts"
import type { ActionId, ConfirmationId, SessionId, TurnId } from "#src/kernel/Ids.ts"
import type { Principal } from "#src/ports/Identity.ts"
import type { Heartbeat, Outcome, ProposeAction, Reconcile } from "./api/ActionsApi.ts"
import type { Approve } from "./api/ConfirmationsApi.ts"
import type { Because, CreateSession } from "./api/SessionsApi.ts"
import type { DeclareTool } from "./api/ToolsApi.ts"
import type { StartTurn } from "./api/TurnsApi.ts"
import type * as Problems from "./Problems.ts"
import * as Readable from "./http/Readable.ts"
import * as Show from "./http/Show.ts"

/** A write: the recorded answer comes back for a repeated key. */
export type Command<Request, Body> = (
  by: Principal,
  key: string,
  request: Request
) => Effect.Effect<Answered<Body>, Problems.Failure>

/** A read, judged for its reader. */
export type Question<Request, Body> = (by: Principal, request: Request) => Effect.Effect<Body, Problems.Failure>

interface OfSession {
  readonly params: { readonly sessionId: SessionId }
}
interface OfTurn {
  readonly params: { readonly turnId: TurnId }
}
interface OfAction {
  readonly params: { readonly actionId: ActionId }
}
interface OfConfirmation {
  readonly params: { readonly confirmationId: ConfirmationId }
}
interface OfTool {
  readonly params: { readonly name: string }
}
interface Having<Schema extends { readonly Type: unknown }> {
  readonly payload: Schema["Type"]
}
interface Waiting {
  readonly query?: { readonly waitMillis?: number | undefined }
}

export const make = Effect.gen(function* () {
  const gateway = yield* Gateway
  const readable = yield* Readable.make
  const questions = yield* Questions.make
  const { actionIdOf } = Readable
  const { show } = readable

  const command =
    <Request, A, B>(
      send: (by: Principal, key: string, request: Request) => Effect.Effect<Answered<A>, Problems.Failure>,
      shown: (body: A) => B
    ): Command<Request, B> =>
    (by, key, request) =>
      Effect.map(send(by, key, request), (answered) => ({ ...answered, body: shown(answered.body) }))

  const session = <Request>(
    send: (by: Principal, key: string, request: Request) => ReturnType<typeof gateway.touchSession>
  ) => command(send, Show.sessionAnswer)
  const turn = <Request>(
    send: (by: Principal, key: string, request: Request) => ReturnType<typeof gateway.startTurn>
  ) => command(send, Show.turnAnswer)
  const action = <Request>(
    send: (by: Principal, key: string, request: Request) => ReturnType<typeof gateway.approve>
  ) => command(send, Show.actionAnswer)
  /** Whoever names a confirmation that is not there reads of no action. */
  const confirmation = <Request extends OfConfirmation>(
    send: (by: Principal, key: string, request: Request) => ReturnType<typeof gateway.approve>
  ) =>
    action((by, key, request: Request) =>
      Effect.mapError(send(by, key, request), (error) =>
        error._tag === "Refused" && error.rejection._tag === "NotFound" && error.rejection.kind === "action"
          ? new Refused({
              repeated: error.repeated,
              retryable: error.retryable,
              rejection: { ...error.rejection, kind: "confirmation", id: request.params.confirmationId }
            })
          : error
      )
    )

  const commands = {
    "session.create": session((by, key, { payload }: Having<typeof CreateSession>) =>
      gateway.createSession(by, key, payload)
    ),
    "session.touch": session((by, key, { params }: OfSession) => gateway.touchSession(by, key, params.sessionId)),
    "session.close": session((by, key, { params, payload }: OfSession & Having<typeof Because>) =>
      gateway.closeSession(by, key, params.sessionId, payload.reason ?? null)
    ),
    "session.erase": session((by, key, { params }: OfSession) => gateway.eraseSession(by, key, params.sessionId)),
    "turn.start": turn((by, key, { params, payload }: OfSession & Having<typeof StartTurn>) =>
      gateway.startTurn(by, key, params.sessionId, payload.input)
    ),
    "turn.cancel": turn((by, key, { params, payload }: OfTurn & Having<typeof Because>) =>
      gateway.cancelTurn(by, key, params.turnId, payload.reason ?? null)
    ),
    "action.propose": action((by, key, { params, payload }: OfSession & Having<typeof ProposeAction>) =>
      gateway.propose(by, key, { ...params, ...payload })
    ),
    /** The recorded answer of a claim, with the words that it is about: they stand sealed in the row. */
    "action.claim": Effect.fnUntraced(function* (by: Principal, key: string, { params: { actionId } }: OfAction) {
      const answered = yield* gateway.claim(by, key, actionId)
      const claimed = yield* Effect.flatMap(readable.action(by, actionId), show.action)
      return { ...answered, body: Show.claimed(answered.body, claimed) }
    }),
    "action.heartbeat": Effect.fnUntraced(function* (
      by: Principal,
      key: string,
      { params, payload }: OfAction & Having<typeof Heartbeat>
    ) {
      const answered = yield* gateway.renewLease(by, key, params.actionId, payload.claimId)
      const halt = yield* questions.halt
      return { ...answered, body: Show.alive(answered.body, halt?.cancelRunning ?? false) }
    }),
    "action.outcome": action((by, key, { params, payload }: OfAction & Having<typeof Outcome>) =>
      gateway.reportOutcome(by, key, params.actionId, payload)
    ),
    "action.reconcile": action((by, key, { params, payload }: OfAction & Having<typeof Reconcile>) =>
      gateway.reconcile(by, key, params.actionId, payload)
    ),
    "confirmation.approve": confirmation((by, key, { params, payload }: OfConfirmation & Having<typeof Approve>) =>
      gateway.approve(by, key, actionIdOf(params.confirmationId), payload.arguments)
    ),
    "confirmation.deny": confirmation((by, key, { params, payload }: OfConfirmation & Having<typeof Because>) =>
      gateway.deny(by, key, actionIdOf(params.confirmationId), payload.reason ?? null)
    ),
    "confirmation.withdraw": confirmation((by, key, { params, payload }: OfConfirmation & Having<typeof Because>) =>
      gateway.withdraw(by, key, actionIdOf(params.confirmationId), payload.reason ?? null)
    ),
    "tool.declare": (by: Principal, key: string, { payload }: Having<typeof DeclareTool>) =>
      gateway.declareTool(by, key, payload),
    "tool.withdraw": (by: Principal, key: string, { params }: OfTool) => gateway.withdrawTool(by, key, params.name)
  } as const satisfies { readonly [name: string]: Command<never, unknown> }

  const asked = {
    "session.get": (by: Principal, { params }: OfSession) =>
      Effect.flatMap(readable.session(by, params.sessionId), show.session),
    "turn.get": (by: Principal, { params, query }: OfTurn & Waiting) =>
      Effect.flatMap(readable.turn(by, params.turnId, query?.waitMillis), show.turn),
    "action.get": (by: Principal, { params, query }: OfAction & Waiting) =>
      Effect.flatMap(readable.action(by, params.actionId, query?.waitMillis), show.action),
    "confirmation.get": (by: Principal, { params, query }: OfConfirmation & Waiting) =>
      Effect.flatMap(readable.confirmation(by, params.confirmationId, query?.waitMillis), show.confirmation),
    "halt.get": () => readable.halt
  } as const satisfies { readonly [name: string]: Question<never, unknown> }

  return { commands, questions: asked, readable }
})

export type Deeds = Effect.Success<typeof make>
