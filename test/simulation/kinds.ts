/**
 * How the steps of a plan are drawn, kind by kind, from what the plan has brought up so far.
 */
import { type Fault, mark, type Made, type Said, type Step, times, type Who } from "./steps.ts"

type DistributedOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
/** A step before it has its number and its chance. */
export type Bare = DistributedOmit<Step, "number" | "tasks" | "chance">

export interface Draw {
  readonly below: (n: number) => number
  readonly one: <A>(all: ReadonlyArray<A>) => A
  readonly is: (share: number) => boolean
}

interface About extends Made {
  readonly session: Made
}

/** What the plan has brought up so far. */
export interface Book {
  readonly sessions: Array<Made>
  readonly actions: Array<About & { readonly tool: string }>
  readonly turns: Array<About>
  readonly claims: Array<Made & { readonly action: About }>
  readonly said: Array<Bare>
  keys: number
}

/** How often each kind comes, against the others. */
export const usual = {
  create: 2,
  touch: 2,
  close: 0.5,
  erase: 0.7,
  propose: 9,
  rivals: 6,
  decide: 3,
  late: 0.7,
  repeat: 5,
  other: 1,
  turn: 1,
  remote: 2,
  reconcile: 1,
  halt: 1,
  look: 1,
  pass: 7,
  fault: 4,
  blind: 0.5,
  slow: 1,
  crash: 1,
  start: 0.3,
  stop: 0.3
}
export type Kind = keyof typeof usual

const said = (draw: Draw, book: Book, processes: number, by: Who): Said => ({
  by,
  key: `k${++book.keys}`,
  process: draw.below(processes)
})

/** A session, and the promise to speak of it again. */
export const create = (draw: Draw, book: Book, processes: number): Bare => {
  const step = {
    deed: "create" as const,
    ...said(draw, book, processes, draw.one(["ann", "ann", "bob"] as const)),
    ttlMillis: draw.one([times.ttlMillis, times.ttlMillis, 5_000]),
    idleMillis: draw.one([times.idleMillis, times.idleMillis, 2_000])
  }
  book.sessions.push(step)
  return step
}

/** Rather the youngest: the older ones are over. */
const young = <A>(draw: Draw, all: ReadonlyArray<A>): A | undefined =>
  all.length === 0 ? undefined : all[all.length - 1 - Math.min(...[1, 2, 3].map(() => draw.below(all.length)))]

/** One of the last few. */
const youngest = <A>(draw: Draw, all: ReadonlyArray<A>): A | undefined => young(draw, all.slice(-4))

/** An action that people are asked about, as a rule. */
const asked = (draw: Draw, { actions }: Book) =>
  youngest(draw, draw.is(0.9) ? actions.filter(({ tool }) => tool !== "look" && tool !== "hidden") : actions)

type Make = (draw: Draw, book: Book, processes: number) => ReadonlyArray<Bare>

const onSession =
  (deed: "touch" | "close" | "erase"): Make =>
  (draw, book, processes) => {
    const session = young(draw, book.sessions)
    const by = draw.is(0.9) ? session?.by : "cyd"
    return session === undefined ? [] : [{ deed, ...said(draw, book, processes, by!), session: made(session) }]
  }

const made = ({ by, key }: Made): Made => ({ by, key })

const tools = ["note", "note", "note", "pair", "look", "look", "hidden"]

const propose =
  (wanted: ReadonlyArray<string>): Make =>
  (draw, book, processes) => {
    const session = young(draw, book.sessions)
    if (session === undefined) return []
    const by = draw.is(0.7) ? "bot" : session.by
    const what = said(draw, book, processes, by)
    const tool = draw.one(wanted)
    const about = { ...what, session: made(session), tool }
    book.actions.push(about)
    const word = `${mark(session)} ${what.key}${draw.is(0.1) ? " fails" : ""}`
    return [{ deed: "propose", ...about, word, millis: draw.one([0, 0, 300, 1_000, 3_000]) }]
  }

const decision = (draw: Draw, book: Book, processes: number, about: About): Bare => {
  const { session } = about
  const action = made(about)
  const by = draw.one<Who>([session.by, session.by, "bob", "cyd", "ann"])
  const what = said(draw, book, processes, by)
  const deed = draw.one(["approve", "approve", "approve", "deny", "withdraw"] as const)
  if (deed !== "approve") return { deed, ...what, action, session }
  return { deed, ...what, action, session, word: draw.is(0.2) ? `${mark(session)} ${what.key} instead` : null }
}

const remote: Make = (draw, book, processes) => {
  const about = young(
    draw,
    book.actions.filter(({ tool }) => tool === "far")
  )
  if (about === undefined || draw.is(0.3)) return propose(["far"])(draw, book, processes)
  const action = made(about)
  const { session } = about
  if (draw.is(0.4)) return [decision(draw, book, processes, about)]
  const claims = book.claims.filter((claim) => claim.action === about)
  const claim = young(draw, claims)
  if (claim === undefined || draw.is(0.2)) {
    const what = said(draw, book, processes, "rob")
    book.claims.push({ ...what, action: about })
    return [{ deed: "claim", ...what, action, session }]
  }
  const deed = draw.one(["renew", "report"] as const)
  return [{ deed, ...said(draw, book, processes, "rob"), action, session, claim: made(claim) }]
}

const faults: ReadonlyArray<Fault> = [
  "lose the answer",
  "lose the answer",
  "lose the call",
  "refuse",
  "delay before",
  "delay after",
  "crash before",
  "crash after"
]

const slow: Make = (draw, _book, processes) => [
  { deed: "slow", process: draw.below(processes), reads: 1 + draw.below(6), millis: draw.one([1, 5, 20, 200]) }
]

/** What each kind of step brings: nothing, one step or several. */
export const kinds: Record<Kind, Make> = {
  create: (draw, book, processes) => [create(draw, book, processes)],
  touch: onSession("touch"),
  close: onSession("close"),
  /** Often while something is being said in it. */
  erase: (draw, book, processes) => [
    ...(draw.is(0.5) ? propose(tools)(draw, book, processes) : []),
    ...onSession("erase")(draw, book, processes)
  ],
  propose: propose(tools),
  rivals: (draw, book, processes) => {
    const about = asked(draw, book)
    if (about === undefined) return []
    return Array.from({ length: 2 + draw.below(3) }, () => decision(draw, book, processes, about))
  },
  decide: (draw, book, processes) => {
    const about = asked(draw, book)
    return about === undefined ? [] : [decision(draw, book, processes, about)]
  },
  /** A decision that comes when the time is over, and nobody could write that down yet. */
  late: (draw, book, processes) => {
    const about = asked(draw, book)
    if (about === undefined) return []
    const struck = Array.from({ length: processes }, (_, process) => {
      const fault = draw.one(["refuse", "lose the call", "delay before"] as const)
      return { deed: "fault" as const, process, fault, millis: 100 }
    })
    return [...struck, { deed: "pass", millis: times.confirmationMillis }, decision(draw, book, processes, about)]
  },
  /** The same wish under the same key, at any process. */
  repeat: (draw, book, processes) => {
    const before = young(draw, book.said)
    return before === undefined ? [] : [{ ...before, process: draw.below(processes) } as Bare]
  },
  /** Another wish under a key that was used. */
  other: (draw, book, processes) => {
    const before = young(draw, book.said)
    const about = young(draw, book.actions)
    if (before === undefined || about === undefined || !("key" in before)) return []
    return [{ ...decision(draw, book, processes, about), by: before.by, key: before.key } as Bare]
  },
  turn: (draw, book, processes) => {
    const turn = young(draw, book.turns)
    if (turn !== undefined && draw.is(0.3)) {
      const { session } = turn
      return [{ deed: "cancel", ...said(draw, book, processes, session.by), turn: made(turn), session }]
    }
    const session = young(draw, book.sessions)
    if (session === undefined) return []
    const what = said(draw, book, processes, session.by)
    book.turns.push({ ...what, session: made(session) })
    const proposed = Array.from({ length: draw.below(3) }, () => draw.one(["look", "note", "hidden"]))
    return [{ deed: "turn", ...what, session: made(session), word: `${mark(session)} ${what.key}`, tools: proposed }]
  },
  remote,
  reconcile: (draw, book, processes) => {
    const about = young(draw, book.actions)
    if (about === undefined) return []
    const { session } = about
    return [{ deed: "reconcile", ...said(draw, book, processes, session.by), action: made(about), session }]
  },
  halt: (draw, book, processes) => {
    const what = said(draw, book, processes, draw.is(0.9) ? "ann" : "bob")
    if (draw.is(0.4)) return [{ deed: "resume", ...what }]
    const about = asked(draw, book)
    const halt = { deed: "halt" as const, ...what, cancelRunning: draw.is(0.5) }
    // Often right behind an approval, whose tool is about to start.
    if (about === undefined || draw.is(0.4)) return [halt]
    return [...slow(draw, book, processes), decision(draw, book, processes, about), halt]
  },
  look: (draw, book, processes) => {
    const session = young(draw, book.sessions)
    return session === undefined
      ? []
      : [{ deed: "look", ...said(draw, book, processes, session.by), session: made(session) }]
  },
  pass: (draw) => [{ deed: "pass", millis: draw.one([1, 20, 20, 100, 100, 500, 999, 1_500, 2_500, 4_000]) }],
  fault: (draw, _book, processes) => [
    { deed: "fault", process: draw.below(processes), fault: draw.one(faults), millis: draw.one([10, 100, 1_000]) }
  ],
  blind: (draw, _book, processes) => [{ deed: "blind", process: draw.below(processes), reads: 1 + draw.below(4) }],
  slow,
  crash: (draw, _book, processes) => [{ deed: "crash", process: draw.below(processes) }],
  start: (draw, _book, processes) => [{ deed: "start", process: draw.below(processes) }],
  stop: (draw, _book, processes) => [{ deed: "stop", process: draw.below(processes) }]
}
