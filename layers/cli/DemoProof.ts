/**
 * What the demo may claim, computed from what it read: the journal, the files, and the answers it was given.
 *
 * Owns the checks, as pure functions; `Evidence` is all they see. Does not own how the evidence was got.
 *
 * Invariant: a check that looked at nothing is not a check: what it counts must be there, else it fails.
 */
import * as Arr from "effect/Array"
import { encode, type Json } from "#src/kernel/Canonical.ts"

/** An event as `/v1/events` shows it. */
export interface SeenEvent {
  readonly position: number
  readonly stream: string
  readonly version: number
  readonly eventId: string
  readonly type: string
  readonly occurredAt: string
  readonly hash: string
  readonly prevHash: string
  readonly payload: { readonly [field: string]: Json }
}

/** One command that was answered with success, and the event that must stand in the journal for it. */
export interface Acknowledged {
  readonly what: string
  readonly stream: string
  readonly type: string
}

/** One file that an action was to write. */
export interface SeenFile {
  readonly path: string
  readonly actionId: string
  /** What the file held before the action; null where it did not exist. */
  readonly before: string | null
  /** What one run of the approved arguments makes of it. */
  readonly after: string
  /** What it holds in the end. */
  readonly found: string | null
}

export interface Evidence {
  /** Everything answered with success before and after the kill, in order. */
  readonly acknowledged: ReadonlyArray<Acknowledged>
  /** The whole journal as the door showed it at the end. */
  readonly events: ReadonlyArray<SeenEvent>
  readonly files: ReadonlyArray<SeenFile>
  /** Actions a person denied. */
  readonly denied: ReadonlyArray<string>
  /** The decision that was repeated with its key after the kill: both answers. */
  readonly repeated: {
    readonly actionId: string
    readonly type: "confirmation.approved" | "confirmation.denied"
    readonly first: Json
    readonly second: Json
    /** The service said that it is the recorded answer. */
    readonly replayed: boolean
  }
  /** How the service ended when it was asked to. */
  readonly stopped: { readonly exitCode: number; readonly millis: number }
  /** What `keelson verify` said of the store. */
  readonly verified: { readonly exitCode: number; readonly events: number; readonly problems: number }
}

/** `not shown`: there was nothing to look at, which is no pass. */
export type Verdict = "holds" | "broken" | "not shown"

export interface Check {
  readonly name: string
  readonly verdict: Verdict
  /** One sentence with the counts. */
  readonly says: string
  /** Where the figures come from. */
  readonly by: string
}

export const prove = (evidence: Evidence): ReadonlyArray<Check> => [
  nothingLost(evidence),
  everythingOnce(evidence),
  chained(evidence),
  permitted(evidence),
  ranOnce(evidence),
  deniedNeverRan(evidence),
  filesAgree(evidence),
  repeatedChangedNothing(evidence),
  conserved(evidence),
  stopped(evidence),
  verified(evidence)
]

/** Whether the proof stands: every check holds. Where a person decided otherwise than the play, some may show nothing. */
export const stands = (checks: ReadonlyArray<Check>, mayShowNothing: boolean): boolean =>
  checks.length > 0 && checks.every(({ verdict }) => verdict === "holds" || (mayShowNothing && verdict === "not shown"))

/** What became of an action, by its own events: its last word. */
export const outcomeOf = (events: ReadonlyArray<SeenEvent>, actionId: string): string => {
  const own = ofStream(events, `action:${actionId}`)
  return own.findLast((event) => endings.has(event.type))?.type ?? own.at(-1)?.type ?? "nothing"
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const endings: ReadonlySet<string> = new Set(["action.executed", "action.failed", "action.unknown", "action.lapsed"])

const ofStream = (events: ReadonlyArray<SeenEvent>, stream: string): ReadonlyArray<SeenEvent> =>
  events.filter((event) => event.stream === stream)

const ofType = (events: ReadonlyArray<SeenEvent>, type: string): ReadonlyArray<SeenEvent> =>
  events.filter((event) => event.type === type)

const streams = (events: ReadonlyArray<SeenEvent>): ReadonlyMap<string, ReadonlyArray<SeenEvent>> =>
  new Map(Object.entries(Arr.groupBy(events, (event) => event.stream)))

const nothingLost = ({ acknowledged, events }: Evidence): Check => {
  const there = new Set(events.map((event) => `${event.stream} ${event.type}`))
  const lost = acknowledged.filter(({ stream, type }) => !there.has(`${stream} ${type}`))
  return {
    name: "nothing acknowledged was lost",
    verdict: verdict(acknowledged.length, lost.length === 0),
    says:
      `${acknowledged.length - lost.length} of ${acknowledged.length} acknowledged commands are in the journal` +
      named(lost.map(({ what, stream }) => `${what} (${stream})`)),
    by: "answers with status 2xx, looked up in /v1/events"
  }
}

const everythingOnce = ({ events }: Evidence): Check => {
  const misplaced = events.filter((event, index) => event.position !== index + 1)
  const ids = new Set(events.map((event) => event.eventId))
  const twice = events.length - ids.size
  return {
    name: "the journal has no gap and no double",
    verdict: verdict(events.length, misplaced.length === 0 && twice === 0),
    says:
      `positions 1 to ${events.at(-1)?.position ?? 0}, ${events.length} events, ${ids.size} ids` +
      (misplaced[0] === undefined ? "" : `; the first out of place is at ${misplaced[0].position}`),
    by: "/v1/events from the first position to the last"
  }
}

const chained = ({ events }: Evidence): Check => {
  const broken = [...streams(events)].filter(([, own]) =>
    own.some((event, index) => event.version !== index + 1 || event.prevHash !== (own[index - 1]?.hash ?? genesis))
  )
  const total = streams(events).size
  return {
    name: "every stream is one unbroken chain",
    verdict: verdict(total, broken.length === 0),
    says: `${total - broken.length} of ${total} streams${named(broken.map(([stream]) => stream))}`,
    by: "prevHash of each event against the hash before it"
  }
}

const genesis = "0".repeat(64)

const permitted = ({ events }: Evidence): Check => {
  const claims = ofType(events, "action.claimed")
  const bare = claims.filter((claim) => {
    const before = ofStream(events, claim.stream).filter((event) => event.version < claim.version)
    return !before.some(
      (event) => event.type === "action.permitted" && event.payload["permitId"] === claim.payload["permitId"]
    )
  })
  const ended = events.filter((event) => event.type === "action.executed" || event.type === "action.failed")
  const unclaimed = ended.filter((outcome) => !claims.some((claim) => sameClaim(claim, outcome)))
  return {
    name: "no tool ran without a permit",
    verdict: verdict(claims.length, bare.length === 0 && unclaimed.length === 0),
    says:
      `${claims.length - bare.length} of ${claims.length} claims follow their permit, ` +
      `${ended.length - unclaimed.length} of ${ended.length} outcomes follow their claim`,
    by: "action.permitted, action.claimed and outcomes, by permit and claim id"
  }
}

const sameClaim = (claim: SeenEvent, outcome: SeenEvent): boolean =>
  claim.stream === outcome.stream &&
  claim.version < outcome.version &&
  claim.payload["claimId"] === outcome.payload["claimId"]

const ranOnce = ({ events }: Evidence): Check => {
  const actions = [...streams(events)].filter(([stream]) => stream.startsWith("action:"))
  const claims = actions.filter(([, own]) => ofType(own, "action.claimed").length > 0)
  const twice = actions.filter(
    ([, own]) =>
      ofType(own, "action.claimed").length > 1 ||
      own.filter((event) => event.type === "action.executed" || event.type === "action.failed").length > 1
  )
  return {
    name: "nothing ran twice",
    verdict: verdict(claims.length, twice.length === 0),
    says: `${actions.length} actions, ${claims.length} claimed, ${twice.length} of them more than once`,
    by: "claims and outcomes per action in /v1/events"
  }
}

const deniedNeverRan = ({ denied, events, files }: Evidence): Check => {
  const ran = denied.filter((actionId) => {
    const own = ofStream(events, `action:${actionId}`)
    const refused = ofType(own, "confirmation.denied").length === 1
    return !refused || own.some((event) => event.type === "action.permitted" || event.type === "action.claimed")
  })
  const written = files.filter((file) => denied.includes(file.actionId) && file.found !== file.before)
  return {
    name: "what was denied was not done",
    verdict: verdict(denied.length, ran.length === 0 && written.length === 0),
    says: `${denied.length} denied, ${ran.length} claimed, ${written.length} files touched`,
    by: "confirmation.denied in /v1/events, and the workspace"
  }
}

/** Done means the file is as one run leaves it; unknown leaves both, but never what two runs would have left. */
const filesAgree = ({ denied, events, files }: Evidence): Check => {
  const meant = files.filter((file) => !denied.includes(file.actionId))
  const wrong = meant.filter((file) => {
    switch (outcomeOf(events, file.actionId)) {
      case "action.executed":
        return file.found !== file.after
      case "action.unknown":
        return file.found !== file.after && file.found !== file.before
      default:
        return file.found !== file.before
    }
  })
  return {
    name: "the files are as the journal says",
    verdict: verdict(meant.length, wrong.length === 0),
    says: `${meant.length - wrong.length} of ${meant.length} files${named(wrong.map((file) => file.path))}`,
    by: "bytes in the workspace against the arguments that were approved"
  }
}

const repeatedChangedNothing = ({ events, repeated }: Evidence): Check => {
  const decisions = ofType(ofStream(events, `action:${repeated.actionId}`), repeated.type).length
  const same = repeated.replayed && encode(repeated.first) === encode(repeated.second)
  return {
    name: "the same decision again changed nothing",
    verdict: same && decisions === 1 ? "holds" : "broken",
    says: `${same ? "the recorded answer came back" : "another answer came"}; the journal has ${decisions} such decision${decisions === 1 ? "" : "s"}`,
    by: "the request repeated with its Idempotency-Key after the kill"
  }
}

const conserved = ({ events }: Evidence): Check => {
  const number = (type: string): number => ofType(events, type).length
  const created = number("confirmation.requested")
  // Where two people must agree, only the approval that permits decides.
  const approved = ofType(events, "confirmation.approved").filter((event) => event.payload["missing"] === 0).length
  const others = ["denied", "expired", "withdrawn"].map((how) => number(`confirmation.${how}`))
  const decided = approved + others.reduce((sum, one) => sum + one, 0)
  return {
    name: "every question has one answer",
    verdict: verdict(created, created === decided),
    says: `${created} asked = ${approved} approved + ${others[0]} denied + ${others[1]} expired + ${others[2]} withdrawn`,
    by: "confirmation events in /v1/events"
  }
}

const stopped = ({ stopped }: Evidence): Check => ({
  name: "the service stops when it is asked to",
  verdict: stopped.exitCode === 0 && stopped.millis < stopMillisMax ? "holds" : "broken",
  says: `exit code ${stopped.exitCode} after ${stopped.millis} ms`,
  by: "SIGTERM, and the end of the process"
})

const stopMillisMax = 10_000

const verified = ({ events, verified }: Evidence): Check => ({
  name: "the store verifies",
  verdict: verified.exitCode === 0 && verified.problems === 0 && verified.events === events.length ? "holds" : "broken",
  says: `${verified.events} of ${events.length} events, ${verified.problems} problems, exit code ${verified.exitCode}`,
  by: "keelson verify on the stopped store: every hash, chain and column"
})

const verdict = (lookedAt: number, right: boolean): Verdict =>
  lookedAt === 0 ? "not shown" : right ? "holds" : "broken"

const named = (names: ReadonlyArray<string>): string =>
  names.length === 0 ? "" : `; not: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`
