/** The moments at which the service is made to die, and which work passes them. */
import * as CrashPoints from "#layers/faults/CrashPoints.ts"
import type { Recipe } from "./workload.ts"

/** Before and after the run of a tool. */
export const toolPoint = { before: "before the tool", after: "after the tool" } as const

/** How both moments of a restart budget's write end. */
export const budgetPoint = "restart-budget"

export interface Point {
  readonly name: string
  /** Work that passes it, done more often while it is armed. */
  readonly recipe: Recipe
  /** Passed at every start, so that the first time is the only one that counts. */
  readonly once?: boolean
}

/** Work that makes each append that has moments. */
const appends: { readonly [append in CrashPoints.Named]: Recipe } = {
  "session.created": "session",
  "session.touched": "touch",
  "session.closed": "close",
  "session.expired": "expire",
  erasure: "erase",
  "turn.started": "turn",
  "turn.recalled": "turn",
  "turn.responded": "turn",
  "turn.outcome-recorded": "turn",
  "turn.memories-recorded": "turn",
  "turn.completed": "turn",
  "turn.cancelled": "cancel",
  "tool.declared": "declare",
  "tool.withdrawn": "declare",
  "tool.restored": "declare",
  "action.proposed": "approve",
  "confirmation.approved": "approve",
  "confirmation.denied": "deny",
  "confirmation.expired": "forget",
  "confirmation.withdrawn": "withdraw",
  "action.lapsed": "lapse",
  "action.claimed": "approve",
  "action.lease-renewed": "renew",
  "action.executed": "approve",
  "action.failed": "fail",
  "action.unknown": "abandon",
  "action.reconciled": "reconcile",
  refusal: "rivals",
  "service.halted": "halt",
  "service.resumed": "halt",
  "principal.created": "principal",
  "principal.key-issued": "principal",
  "principal.key-revoked": "principal",
  "principal.roles-changed": "principal",
  "principal.disabled": "principal",
  "principal.enabled": "principal"
}

const around = (name: string, recipe: Recipe): ReadonlyArray<Point> =>
  ["before", "after"].map((when) => ({ name: `${when} ${name}`, recipe }))

export const points: ReadonlyArray<Point> = [
  ...Object.entries(appends).flatMap(([name, recipe]) => around(name, recipe)),
  ...around("key.create", "session"),
  ...around(budgetPoint, "approve").map((point) => ({ ...point, once: true })),
  { name: toolPoint.before, recipe: "approve" },
  { name: toolPoint.after, recipe: "approve" },
  { name: CrashPoints.recovery.head, recipe: "session", once: true },
  { name: CrashPoints.recovery.stream, recipe: "touch", once: true }
]

/** Killed from outside, whatever it was doing. */
export const moment = "a random moment"
/** The database's own process killed, while the service lives. */
export const database = "the database"

/** What stands in `docs/crash.md` of every event. */
export const table = (): string => {
  const rows = Object.entries(CrashPoints.byEvent).map(([type, moments]) => {
    if (moments === "begins") return `| \`${type}\` | before and after it |`
    return "inside" in moments
      ? `| \`${type}\` | with ${moments.inside} |`
      : `| \`${type}\` | none: ${moments.unplanned} |`
  })
  return ["| an append that begins with | its moments |", "| --- | --- |", ...rows].join("\n")
}
