/**
 * A tool that an agent runs where it lives: declared once, under a name that means one thing for ever.
 *
 * ```
 * (none) -> Declared <-> Withdrawn
 * ```
 *
 * Owns the definition. Does not own who may use it (policies), whether its schema can be checked (`ToolCatalog`), nor
 * running it: the agent claims the permit and reports.
 *
 * Invariant: a name keeps its definition, so what a decision said of it stays true; another definition is another tool.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Append from "../kernel/Append.ts"
import type { Behaviour } from "../kernel/Behaviour.ts"
import * as Bounds from "../kernel/Bounds.ts"
import type { Json } from "../kernel/Canonical.ts"
import type { Decider } from "../kernel/Decider.ts"
import type { Recorded } from "../kernel/Envelope.ts"
import { type Hash, type PrincipalId, SubjectId } from "../kernel/Ids.ts"
import type { Stamp } from "../kernel/Stamp.ts"
import { type Event, event, events } from "./Events.ts"
import type { Rejection, ToolAnswer, ToolCommand, ToolStatus } from "./Protocol.ts"
import * as Rows from "./Rows.ts"

export interface Live {
  readonly name: string
  readonly description: string
  /** JSON Schema as canonical text. */
  readonly inputSchemaText: string
  readonly hash: Hash
  readonly idempotent: boolean
  readonly executorId: PrincipalId
  readonly leaseMillis: number
  readonly runMillisMax: number
  readonly status: ToolStatus
  readonly createdAtMillis: number
}

export type State = Live | null

type ToolEvent = Event<"tool.declared" | "tool.withdrawn" | "tool.restored">
type Decided = Result.Result<ReadonlyArray<ToolEvent>, Rejection>

export const initial: State = null

export const decide = (state: State, command: ToolCommand, stamp: Stamp): Decided => {
  if (command._tag === "DeclareTool") return declare(state, command, stamp)
  if (state === null) return Result.fail({ _tag: "NotFound", kind: "tool", id: "" })
  return state.status === "Declared" ? Result.succeed([event("tool.withdrawn", {})]) : conflict(state)
}

export const evolve = (state: State, recorded: Recorded): State => {
  const happened = recorded as ToolEvent
  if (happened.type === "tool.declared") return { ...happened.payload, status: "Declared" }
  if (state === null) return state
  return { ...state, status: happened.type === "tool.withdrawn" ? "Withdrawn" : "Declared" }
}

export const decider: Decider<State, ToolCommand, ToolEvent, Rejection> = { initial, decide, evolve }

export const subjectOf = (name: string): SubjectId => SubjectId.make(`tool:${name}`)

export const behaviour: Behaviour<State, ToolCommand, ToolCommand, ToolEvent, Rejection> = {
  kind: "tool",
  events,
  decider,
  subject: (state, command) =>
    state !== null ? subjectOf(state.name) : command._tag === "DeclareTool" ? subjectOf(command.name) : null,
  begins: () => false,
  createsSubject: (command) => command._tag === "DeclareTool",
  passing: () => false,
  ends: (command) => command._tag === "WithdrawTool",
  survivesErasure: () => false,
  prepare: (_state, command) => Effect.succeed(Result.succeed(command)),
  rows: (before, _event, after) => (after === null ? [] : Rows.tool(before, after)),
  guards: (before) => (before === null ? [Append.atMost(Rows.toolsDeclared, Bounds.toolsDeclaredMax)] : []),
  shreds: () => [],
  answer: (after) => (after === null ? null : ({ ...answer(after) } as Json)),
  refusal: () => ({ _tag: "LimitReached", limit: "toolsDeclared", maximum: Bounds.toolsDeclaredMax })
}

export const answer = ({ executorId, hash, name, status }: Live): ToolAnswer => ({ name, hash, executorId, status })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const conflict = ({ name, status }: Live): Decided => Result.fail({ _tag: "Conflict", kind: "tool", id: name, status })

/** The very same definition again is no conflict: whoever starts anew declares what it has. */
const declare = (state: State, command: Extract<ToolCommand, { _tag: "DeclareTool" }>, stamp: Stamp): Decided => {
  const { _tag, ...definition } = command
  if (state === null)
    return Result.succeed([event("tool.declared", { ...definition, createdAtMillis: stamp.atMillis })])
  if (state.hash !== command.hash) return conflict(state)
  return Result.succeed(state.status === "Declared" ? [] : [event("tool.restored", {})])
}
