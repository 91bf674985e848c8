/** What each caller of the concurrency work says, over and over, and whether the journal holds what was acknowledged. */
import * as Audit from "#chaos/kit/audit.ts"
import type * as SocketClient from "#chaos/kit/SocketClient.ts"
import * as Served from "./Served.ts"

export interface Told {
  commands: number
  /** Events that those commands make, as the answers say. */
  events: number
}

/** One caller's work, over and over: four touches, two questions and their denials, in a session of its own. */
export const script = [
  "session.create",
  "session.touch",
  "action.propose",
  "confirmation.deny",
  "session.touch",
  "session.touch",
  "action.propose",
  "confirmation.deny",
  "session.touch"
] as const

/** A caller that says its next command each time, and takes part in what was told. */
export const caller = (socket: SocketClient.SocketClient, told: Told) => {
  const name = `caller-${(callers += 1)}`
  let count = 0
  let sessionId = ""
  let confirmationId = ""
  return async () => {
    const type = script[count % script.length]!
    const key = `${name}-${(count += 1)}`
    const body = await Served.insist(socket, { key, ...frames[type]({ key, sessionId, confirmationId }) })
    if (type === "session.create") sessionId = body.sessionId
    if (type === "action.propose") confirmationId = body.confirmationId
    told.commands += 1
    told.events += eventsOf[type]
  }
}

/** With the service stopped: everything that is wrong. */
export const check = async (place: Audit.Place, told: Told): Promise<ReadonlyArray<string>> => {
  const found = (await Audit.look(place)).map(({ detail }) => detail)
  const byType = await Audit.eventsByType(place)
  let events = 0
  for (const [type, count] of byType) if (!apart.has(type)) events += count
  return events === told.events ? found : [...found, `${told.events} events were acknowledged, ${events} are there`]
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const eventsOf: { readonly [D in (typeof script)[number]]: number } = {
  "session.create": 1,
  "session.touch": 1,
  // Proposed, judged, asked.
  "action.propose": 3,
  "confirmation.deny": 1
}

interface Known {
  readonly key: string
  readonly sessionId: string
  readonly confirmationId: string
}

const frames: { readonly [D in (typeof script)[number]]: (known: Known) => { readonly type: D } } = {
  "session.create": () => ({ type: "session.create" }),
  "session.touch": ({ sessionId }) => ({ type: "session.touch", params: { sessionId } }),
  "action.propose": ({ key, sessionId }) => ({
    type: "action.propose",
    params: { sessionId },
    body: { tool: "file.write", arguments: { path: `${key}.txt`, content: key } }
  }),
  "confirmation.deny": ({ confirmationId }) => ({ type: "confirmation.deny", params: { confirmationId } })
}

let callers = 0

/** What the service writes by itself. */
const apart: ReadonlySet<string> = new Set(["policy.changed", "session.expired", "confirmation.expired"])
