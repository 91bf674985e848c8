/**
 * What happens in one simulated run: a list of steps drawn from a seed, before anything runs.
 *
 * Each step names what it is about by who made it and under which key, and brings its own chance for the interleaving
 * of what follows it: any step may be left out, and those that stay mean and do what they did.
 *
 * Owns the steps and how often each kind comes. Does not own what they do (`run.ts`) nor what must hold (`audit.ts`).
 */
import { chance } from "#test/kit/seededScheduler.ts"

/** Ann runs the service and owns sessions, as Bob does; Bob and Cyd may approve. Bot speaks in sessions, Rob runs a tool elsewhere. */
export type Who = "ann" | "bob" | "cyd" | "bot" | "rob"

/** Something by the one who made it and the key of the command that did. */
export interface Made {
  readonly by: Who
  readonly key: string
}

interface Said extends Made {
  readonly process: number
}

export type Deed =
  | (Said & { readonly deed: "create"; readonly ttlMillis: number; readonly idleMillis: number })
  | (Said & { readonly deed: "touch" | "close" | "erase"; readonly session: Made })
  | (Said & {
      readonly deed: "propose"
      readonly session: Made
      readonly tool: string
      readonly word: string
      readonly millis: number
    })
  /** `word` takes the place of the proposed one, where there is one. */
  | (Said & { readonly deed: "approve"; readonly action: Made; readonly session: Made; readonly word: string | null })
  | (Said & {
      readonly deed: "deny" | "withdraw" | "claim" | "reconcile"
      readonly action: Made
      readonly session: Made
    })
  | (Said & { readonly deed: "renew" | "report"; readonly action: Made; readonly session: Made; readonly claim: Made })
  | (Said & {
      readonly deed: "turn"
      readonly session: Made
      readonly word: string
      readonly tools: ReadonlyArray<string>
    })
  | (Said & { readonly deed: "cancel"; readonly turn: Made; readonly session: Made })
  | (Said & { readonly deed: "declare" | "resume" })
  | (Said & { readonly deed: "halt"; readonly cancelRunning: boolean })
  /** Reads what was said in a session, as a door would show it. */
  | (Said & { readonly deed: "look"; readonly session: Made })

/** Strikes the next append of a process. */
export type Fault =
  | "lose the answer"
  | "lose the call"
  | "refuse"
  | "delay before"
  | "delay after"
  | "crash before"
  | "crash after"

export type Step = (
  | Deed
  | { readonly deed: "pass"; readonly millis: number }
  | { readonly deed: "fault"; readonly process: number; readonly fault: Fault; readonly millis: number }
  /** Answers the next reads of a process with "unavailable". */
  | { readonly deed: "blind"; readonly process: number; readonly reads: number }
  | { readonly deed: "crash" | "start" | "stop"; readonly process: number }
) & {
  readonly number: number
  /** Tasks that run before the next step comes; null: all that can run. */
  readonly tasks: number | null
  /** Seeds the order of what runs from here. */
  readonly chance: number
}

export interface Plan {
  readonly seed: number
  readonly processes: number
  readonly steps: ReadonlyArray<Step>
}

/** Short lives, so that a minute of simulated time holds many of them. */
export const times = {
  ttlMillis: 12_000,
  idleMillis: 6_000,
  confirmationMillis: 4_000,
  leaseMillis: 2_500,
  turnMillis: 8_000
}

export const plan = (seed: number): Plan => {
  const random = chance(seed * 2_654_435_761 + 1)
  const draw: Draw = {
    below: (n) => Math.floor(random() * n),
    one: (all) => all[Math.floor(random() * all.length)]!,
    is: (share) => random() < share
  }
  const processes = draw.is(0.5) ? 2 : 1
  const swarm = draw.one(swarms)
  const weights = Object.entries({ ...usual, ...swarm }).map(
    ([kind, weight]) => [kind, weight * draw.one(scales)] as const
  )
  const book: Book = { sessions: [], actions: [], turns: [], claims: [], said: [], keys: 0 }
  const steps: Array<Step> = []
  const add = (step: Bare, tasks: number | null): void =>
    void steps.push({ ...step, number: steps.length + 1, tasks, chance: draw.below(2 ** 31) } as Step)
  const length = 25 + draw.below(25)
  if ((swarm.remote ?? usual.remote) > 0) add({ deed: "declare", by: "rob", key: "k0", process: 0 }, null)
  add(create(draw, book, processes), null)
  /** Whoever went down comes up again, some steps later. */
  const restarts: Array<{ readonly after: number; readonly process: number }> = []
  while (steps.length < length) {
    const ready = restarts.findIndex(({ after }) => after <= steps.length)
    if (ready >= 0) add({ deed: "start", process: restarts.splice(ready, 1)[0]!.process }, draw.is(0.8) ? null : 4)
    for (const step of kinds[pick(draw, weights)](draw, book, processes)) {
      if (step.deed === "crash" || (step.deed === "fault" && step.fault.startsWith("crash"))) {
        restarts.push({ after: steps.length + 1 + draw.below(step.deed === "crash" ? 4 : 8), process: step.process })
      }
      add(step, draw.is(begins.has(step.deed) ? calmer : calm) ? null : draw.one(hurry))
      if ("by" in step && step.deed !== "look") book.said.push(step)
    }
  }
  return { seed, processes, steps }
}

/** The plan with some of its steps only. */
export const only = (whole: Plan, numbers: ReadonlySet<number>): Plan => ({
  ...whole,
  steps: whole.steps.filter(({ number }) => numbers.has(number))
})

/** What is said in a session holds its mark, so that words can be told from everything else. */
export const mark = (session: Made): string => `~${session.by}.${session.key}~`

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type DistributedOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
type Bare = DistributedOmit<Step, "number" | "tasks" | "chance">

interface Draw {
  readonly below: (n: number) => number
  readonly one: <A>(all: ReadonlyArray<A>) => A
  readonly is: (share: number) => boolean
}

interface About extends Made {
  readonly session: Made
}

/** What the plan has brought up so far. */
interface Book {
  readonly sessions: Array<Made>
  readonly actions: Array<About & { readonly tool: string }>
  readonly turns: Array<About>
  readonly claims: Array<Made & { readonly action: About }>
  readonly said: Array<Bare>
  keys: number
}

/** How often each kind comes, against the others. */
const usual = {
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
  crash: 1,
  start: 0.3,
  stop: 0.3
}
type Kind = keyof typeof usual

/** Each run leaves some kinds out, so that the others come thick. */
const swarms: ReadonlyArray<Partial<Record<Kind, number>>> = [
  {},
  { remote: 0, turn: 0 },
  { turn: 0, halt: 0, fault: 0, crash: 0, blind: 0, stop: 0, remote: 0 },
  { remote: 0, halt: 0, fault: 9, crash: 0 },
  { remote: 0, turn: 0, crash: 3, stop: 1 },
  { turn: 0, remote: 6, halt: 0 },
  { remote: 0, turn: 5 },
  { erase: 5, look: 5, remote: 0, turn: 0 },
  { create: 6, close: 4, remote: 0, turn: 0, halt: 0 },
  { halt: 5, turn: 0 }
]
const scales = [0.3, 1, 1, 2]

/** So often everything that can run has run before the next step comes; else only so many tasks. */
const calm = 0.6
/** What others build on is waited for more often. */
const begins: ReadonlySet<string> = new Set(["create", "propose", "turn"])
const calmer = 0.85
const hurry = [0, 0, 1, 2, 4, 8, 16]

const pick = (draw: Draw, weights: ReadonlyArray<readonly [string, number]>): Kind => {
  let left = (draw.below(1_000_000) / 1_000_000) * weights.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [kind, weight] of weights) if ((left -= weight) < 0) return kind as Kind
  return "pass"
}

const said = (draw: Draw, book: Book, processes: number, by: Who): Said => ({
  by,
  key: `k${++book.keys}`,
  process: draw.below(processes)
})

const create = (draw: Draw, book: Book, processes: number): Bare => {
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

const kinds: Record<Kind, Make> = {
  create: (draw, book, processes) => [create(draw, book, processes)],
  touch: onSession("touch"),
  close: onSession("close"),
  erase: onSession("erase"),
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
    return draw.is(0.5) ? [{ deed: "halt", ...what, cancelRunning: draw.is(0.5) }] : [{ deed: "resume", ...what }]
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
  crash: (draw, _book, processes) => [{ deed: "crash", process: draw.below(processes) }],
  start: (draw, _book, processes) => [{ deed: "start", process: draw.below(processes) }],
  stop: (draw, _book, processes) => [{ deed: "stop", process: draw.below(processes) }]
}
