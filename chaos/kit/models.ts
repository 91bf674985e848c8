/** What a session and an action look like to somebody who knows no concurrency. */
import type { Model } from "./linearizable.ts"

export type Deed = "create" | "touch" | "close" | "look" | "request" | "approve" | "deny"

/** What the client was told: done, refused because of the state, or the state that it saw. */
export interface Seen {
  readonly done: boolean
  /** Of a look: the status; else null. */
  readonly status: string | null
}

type SessionState = "absent" | "open" | "closed"

export const session: Model<SessionState, Deed, Seen> = {
  initial: "absent",
  step: (state, deed, { done, status }) => {
    switch (deed) {
      case "create":
        return done && state === "absent" ? "open" : null
      case "touch":
        return done === (state === "open") ? state : null
      case "close":
        if (done) return state === "open" ? "closed" : null
        return state === "open" ? null : state
      case "look":
        return looks(state, { open: ["Open"], closed: ["Closed"] }, status)
      default:
        return null
    }
  }
}

type ActionState = "absent" | "pending" | "approved" | "denied"

export const action: Model<ActionState, Deed, Seen> = {
  initial: "absent",
  step: (state, deed, { done, status }) => {
    switch (deed) {
      case "request":
        return done && state === "absent" ? "pending" : null
      case "approve":
      case "deny":
        if (done) return state === "pending" ? (deed === "approve" ? "approved" : "denied") : null
        return state === "pending" ? null : state
      case "look":
        return looks(
          state,
          { pending: ["Pending"], approved: ["Approved", "Claimed", "Executed", "Failed"], denied: ["Denied"] },
          status
        )
      default:
        return null
    }
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** What of a state may be shown; what is absent shows nothing. */
const looks = <State extends string>(
  state: State,
  shown: { readonly [S in State]?: ReadonlyArray<string> },
  status: string | null
): State | null => {
  if (status === null) return shown[state] === undefined ? state : null
  return shown[state]?.includes(status) === true ? state : null
}
