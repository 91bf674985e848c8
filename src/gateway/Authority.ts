/**
 * Who may do what in the gateway itself: law in code, one table, total.
 *
 * Policies (`ports/PolicyEngine`) say which tools an actor may use; this says who may open, decide and forget.
 * Nobody configures it. `SYSTEM` acts only through the commands that are its own.
 */
import type { PrincipalId } from "../kernel/Ids.ts"
import type { Actor } from "../kernel/Stamp.ts"

export const deeds = [
  "session.create",
  "session.read",
  "session.touch",
  "session.close",
  "session.erase",
  "turn.start",
  "turn.read",
  "turn.cancel",
  "action.propose",
  "action.read",
  "confirmation.decide",
  "confirmation.withdraw",
  "events.read",
  "action.execute",
  "action.reconcile",
  "tool.declare",
  "policy.read",
  "service.halt",
  "principal.create",
  "principal.read",
  "principal.change",
  "principal.key",
  "metrics.read"
] as const
export type Deed = (typeof deeds)[number]

/** What is acted on: whose session it is in, whose agent may speak there, who proposed, and who else the policy lets decide. */
export interface Subject {
  readonly ownerId: PrincipalId
  readonly agentId?: PrincipalId | undefined
  readonly proposer?: Actor | undefined
  readonly approvers?: ReadonlyArray<string> | undefined
  /** The agent that runs the tool elsewhere. */
  readonly executorId?: PrincipalId | undefined
}

/** `operator` runs the service: the principal that holds the role `owner`, which a laptop mints at first start. */
type Who = "owner" | "agent" | "proposer" | "approver" | "executor" | "operator"

/** Columns of the table: which relations of a HUMAN and of an AGENT to the subject suffice. */
const table: { readonly [D in Deed]: { readonly HUMAN: ReadonlyArray<Who>; readonly AGENT: ReadonlyArray<Who> } } = {
  "session.create": { HUMAN: ["owner"], AGENT: [] },
  "session.read": { HUMAN: ["owner"], AGENT: ["agent"] },
  "session.touch": { HUMAN: ["owner"], AGENT: ["agent"] },
  "session.close": { HUMAN: ["owner"], AGENT: [] },
  "session.erase": { HUMAN: ["owner"], AGENT: [] },
  "turn.start": { HUMAN: ["owner"], AGENT: [] },
  "turn.read": { HUMAN: ["owner"], AGENT: ["agent"] },
  "turn.cancel": { HUMAN: ["owner"], AGENT: [] },
  "action.propose": { HUMAN: ["owner"], AGENT: ["agent"] },
  "action.read": { HUMAN: ["owner", "approver"], AGENT: ["agent", "proposer", "executor"] },
  "confirmation.decide": { HUMAN: ["owner", "approver"], AGENT: [] },
  "confirmation.withdraw": { HUMAN: ["owner", "proposer"], AGENT: ["proposer"] },
  "events.read": { HUMAN: ["operator"], AGENT: [] },
  "action.execute": { HUMAN: [], AGENT: ["executor"] },
  "action.reconcile": { HUMAN: ["owner", "approver"], AGENT: [] },
  // Of a tool, the agent that runs it is the owner.
  "tool.declare": { HUMAN: ["operator"], AGENT: ["owner"] },
  // Any person: what the policies say of each is said of their own wishes.
  "policy.read": { HUMAN: ["owner"], AGENT: [] },
  "service.halt": { HUMAN: ["operator"], AGENT: [] },
  "principal.create": { HUMAN: ["operator"], AGENT: [] },
  // Of itself, a principal is the owner.
  "principal.read": { HUMAN: ["operator", "owner"], AGENT: ["owner"] },
  "principal.change": { HUMAN: ["operator"], AGENT: [] },
  "principal.key": { HUMAN: ["operator", "owner"], AGENT: [] },
  "metrics.read": { HUMAN: ["operator"], AGENT: [] }
}

/** True where the law lets this actor do this to that. */
export const may = (actor: Actor, roles: ReadonlyArray<string>, deed: Deed, subject: Subject): boolean => {
  if (actor.kind === "SYSTEM") return false
  return table[deed][actor.kind].some((who) => stands(actor, roles, who, subject))
}

const stands = (actor: Actor, roles: ReadonlyArray<string>, who: Who, subject: Subject): boolean => {
  switch (who) {
    case "owner":
      return actor.id === subject.ownerId
    case "agent":
      return actor.id === subject.agentId
    case "proposer":
      return subject.proposer !== undefined && subject.proposer.kind === actor.kind && subject.proposer.id === actor.id
    case "executor":
      return actor.id === subject.executorId
    case "operator":
      return roles.includes("owner")
    case "approver":
      return subject.approvers !== undefined && roles.some((role) => subject.approvers?.includes(role))
  }
}
