/**
 * One simulated run: the steps of a plan, one after the other, and after each of them what must hold.
 *
 * Owns the processes (started, stopped, killed, started again over the same journal), the history that people read,
 * and the end of every run: faults cease, everybody is up, time passes until all that was begun is over.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as FaultyEventStore from "#layers/faults/FaultyEventStore.ts"
import { Lines } from "#src/gateway/Lines.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { chance } from "#test/kit/seededScheduler.ts"
import * as Audit from "./audit.ts"
import * as Callers from "./callers.ts"
import * as History from "./history.ts"
import * as Machine from "./machine.ts"
import type { Deed, Fault, Made, Plan, Step } from "./steps.ts"
import * as Process from "./process.ts"
import { Violation } from "./violation.ts"

export interface Result {
  /** Null where everything held. */
  readonly violation: { readonly law: string; readonly detail: string; readonly step: number } | null
  readonly history: ReadonlyArray<string>
  /** Of the journal's hashes, in order. */
  readonly digest: string
  readonly events: number
  readonly runs: number
}

interface Running {
  readonly life: Machine.Life
  readonly base: Context.Context<never>
  inside: Context.Context<
    Callers.Inside extends Context.Context<infer S> ? S | FaultyEventStore.Faults | Lines : never
  > | null
  readonly line: Process.Line
  readonly scope: Scope.Closeable
  /** Sessions whose erasure this life acknowledged. */
  readonly forgotten: Set<string>
  /** The halt that this life acknowledged last. */
  halt: number | null
}

/** Runs a plan to its end, or to the first thing that does not hold. */
export const run = (plan: Plan, compiled: Process.Compiled): Result => make(plan, compiled).all()

/** Compiles what all runs of one thread share. */
export const prepare = (): Process.Compiled =>
  Effect.runSync(Effect.flatMap(Scope.make(), (scope) => Layer.buildWithScope(Process.compiled, scope)))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** 2026-01-01, so that the times of a history are read at a glance. */
const startMillis = 1_767_225_600_000

/** How long the timekeeper may take, once nothing hinders it: its pauses grow while it is hindered. */
const lateMillis = 5_000
/** Whoever is hindered tries again at least so often. */
const againMillis = 3_000
/** Longer than anything lives. */
const aftermathMillis = 20_000

const make = (plan: Plan, compiled: Process.Compiled) => {
  const machine = Machine.make(startMillis)
  const history = History.make(plan, () => machine.nowMillis() - startMillis)
  const store = Effect.runSync(
    Effect.scoped(Layer.build(VolatileEventStore.layerWith({ rowIndexes: GatewayRows.indexes })))
  )
  let events = 0
  let runs = 0
  let wrong: Result["violation"] = null
  let at = 0
  const audit = Audit.make(store, isCalm(plan), (event: StoredEvent) => {
    events += 1
    history.event(event)
  })
  const answers = Callers.answers(audit)
  const processes: Array<Running | null> = []

  /** The first law that is broken is the one that is told. A check may stand in a fiber, where it can throw to nobody. */
  const holds = (check: () => void): void => {
    if (wrong !== null) return
    try {
      check()
    } catch (error) {
      // A check within a check was first.
      wrong ??= told(error, at)
    }
  }

  /** The world, as the tools of one life change it. */
  const outsideOf = (life: Machine.Life, running: () => Running): Process.Outside => ({
    ran: (ran) => {
      runs += 1
      holds(() => {
        audit.ran(ran)
        if (audit.model.halt() !== null && running().halt === audit.model.halt()) {
          throw new Violation("ran while halted", `${life.name} started a tool after it had acknowledged the halt`)
        }
        if (!wordsOf(plan, audit.model.saidBy(ran.actionId)).includes(ran.text)) {
          throw new Violation("other words", `${ran.tool} ran with "${ran.text}", which is not what was approved`)
        }
      })
      history.ran(ran.tool, ran.actionId, ran.text)
    }
  })

  const start = (index: number): void => {
    if (processes[index]?.life.alive() === true) return
    const life = machine.live(history.process(index))
    const line: Process.Line = { blind: 0, slow: 0, slowMillis: 0 }
    const scope = Effect.runSync(Scope.make())
    const outside = outsideOf(life, () => running)
    const base = Process.running(life, outside)
    const running: Running = { life, base, inside: null, line, scope, forgotten: new Set(), halt: null }
    processes[index] = running
    const built = Layer.buildWithScope(
      Process.layer({ seed: String(plan.seed), life, store, compiled, line, isNarrow: plan.isNarrow }),
      scope
    )
    const fiber = Effect.runForkWith(base)(built)
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit)) running.inside = Context.merge(base, exit.value) as never
      else {
        history.note(`${life.name} could not start`)
        life.kill()
      }
    })
  }

  const kill = (index: number, why: string): void => {
    const running = processes[index]
    if (running?.life.alive() !== true) return
    running.life.kill()
    history.note(`${running.life.name} ${why}`)
  }

  /** As a SIGTERM: what is in hand may finish, as long as it may take. */
  const stop = (index: number): void => {
    const running = processes[index]
    if (running?.life.alive() !== true) return
    const { life, scope } = running
    const fiber = Effect.runForkWith(running.base)(Scope.close(scope, Exit.void))
    for (let slice = 0; slice < 50 && life.alive() && fiber.pollUnsafe() === undefined; slice++) machine.pass(200)
    if (life.alive() && fiber.pollUnsafe() === undefined) {
      throw new Violation("does not stop", `${life.name} still runs 10 s after it was told to stop`)
    }
    life.kill()
    history.note(`${life.name} has stopped`)
    start(index)
  }

  const say = (deed: Exclude<Deed, { deed: "look" }>, number: number): void => {
    const running = processes[deed.process]
    if (running?.life.alive() !== true || running.inside === null) return history.answer(number, "nobody answers there")
    answers.asked(deed)
    const { inside, life } = running
    const fiber = Effect.runForkWith(inside)(Callers.ask(inside, deed))
    fiber.addObserver((exit) => {
      if (!life.alive()) return
      holds(() => {
        const line = answers.judge(deed, exit)
        history.answer(number, line)
        if (!Exit.isSuccess(exit)) return
        if (deed.deed === "erase") running.forgotten.add(Callers.sessionOf(deed.session))
        if (deed.deed === "halt") running.halt = audit.model.halt()
      })
    })
  }

  const look = (index: number, session: Made, number: number, wasForgotten: boolean): void => {
    const running = processes[index]
    if (running?.life.alive() !== true || running.inside === null) return history.answer(number, "nobody answers there")
    const { inside, life } = running
    const isForgotten = wasForgotten || running.forgotten.has(Callers.sessionOf(session))
    const { actions, turns } = about(plan, session)
    const fiber = Effect.runForkWith(inside)(Callers.shown(inside, session, actions, turns))
    fiber.addObserver((exit) => {
      if (!life.alive()) return
      holds(() => {
        const isShown = Exit.isSuccess(exit) && exit.value.includes("~")
        history.answer(number, Exit.isSuccess(exit) ? (isShown ? "sees words" : "sees no words") : "can't see")
        if (isShown && isForgotten)
          throw new Violation("words after erasure", `${life.name} still shows words of ${session.by}.${session.key}`)
      })
    })
  }

  const strike = (index: number, fault: Fault, millis: number): void => {
    const running = processes[index]
    if (running?.life.alive() !== true || running.inside === null) return
    const { plan: planned } = Context.get(running.inside, FaultyEventStore.Faults)
    const wait = Effect.sleep(millis)
    const crash = Effect.suspend(() => {
      kill(index, "crashes there")
      return Effect.never
    })
    planned(faultOf(fault, wait, crash))
  }

  const act = (step: Step): void => {
    switch (step.deed) {
      case "pass":
        return machine.pass(step.millis)
      case "fault":
        return strike(step.process, step.fault, step.millis)
      case "blind": {
        const running = processes[step.process]
        if (running?.inside) running.line.blind = step.reads
        return
      }
      case "slow": {
        const running = processes[step.process]
        if (running?.inside) Object.assign(running.line, { slow: step.reads, slowMillis: step.millis })
        return
      }
      case "crash":
        return kill(step.process, "is killed")
      case "start":
        return start(step.process)
      case "stop":
        return stop(step.process)
      case "look":
        return look(step.process, step.session, step.number, false)
      default:
        return say(step, step.number)
    }
  }

  const everybody = (each: (index: number) => void): void => {
    for (let index = 0; index < plan.processes; index++) each(index)
  }

  /** Faults cease, time passes, and all that was begun must be over and all that was erased be gone. */
  const aftermath = (): void => {
    at = 0
    machine.draw(chance(plan.seed))
    history.note("faults cease and everybody is up")
    everybody((index) => {
      const running = processes[index]
      if (running?.life.alive() !== true || running.inside === null) return
      Object.assign(running.line, { blind: 0, slow: 0 })
      Context.get(running.inside, FaultyEventStore.Faults).clear()
    })
    // What is under way may still crash.
    machine.run(Number.POSITIVE_INFINITY)
    everybody((index) => {
      if (processes[index]?.inside === null) kill(index, "is killed")
      start(index)
    })
    machine.run(Number.POSITIVE_INFINITY)
    audit.look()
    if (!plan.isNarrow) audit.model.unhindered(machine.nowMillis() + againMillis)
    machine.pass(aftermathMillis)
    holds(() => audit.whole(machine.nowMillis(), lateMillis))
    everybody((index) => {
      const running = processes[index]
      if (running?.life.alive() !== true || running.inside === null)
        throw new Violation("does not start", `${history.process(index)} is not up, with nothing to hinder it`)
      const leak = Process.leaked(Context.get(running.inside, Lines))
      if (leak !== null) throw new Violation("room leaked", `${running.life.name}: ${leak}`)
    })
    for (const session of sessionsOf(plan)) {
      if (!audit.model.isErased(`session:${Callers.sessionOf(session)}`)) continue
      everybody((index) => look(index, session, 0, true))
    }
    machine.run(Number.POSITIVE_INFINITY)
  }

  const named = (found: Result["violation"]): Result["violation"] =>
    found === null ? null : { ...found, detail: history.named(found.detail) }

  const all = (): Result => {
    machine.draw(chance(plan.seed))
    everybody(start)
    machine.run(Number.POSITIVE_INFINITY)
    for (const step of plan.steps) {
      if (wrong !== null) break
      at = step.number
      history.step(step)
      machine.draw(chance(step.chance))
      holds(() => {
        act(step)
        machine.run(step.tasks ?? Number.POSITIVE_INFINITY)
        audit.look()
      })
    }
    if (wrong === null) holds(aftermath)
    const violation = named(wrong)
    history.note(violation === null ? "everything held" : `DOES NOT HOLD: ${violation.detail}`)
    return { violation, history: history.lines(audit.digest()), digest: audit.digest(), events, runs }
  }

  return { all }
}

const faultOf = (fault: Fault, wait: Effect.Effect<void>, crash: Effect.Effect<never>): FaultyEventStore.Fault => {
  switch (fault) {
    case "lose the answer":
      return { _tag: "LoseAnswer" }
    case "lose the call":
      return { _tag: "LoseCall" }
    case "refuse":
      return { _tag: "Refuse", reason: "Unavailable" }
    case "delay before":
      return { _tag: "Before", effect: wait }
    case "delay after":
      return { _tag: "After", effect: wait }
    case "crash before":
      return { _tag: "Before", effect: crash }
    case "crash after":
      return { _tag: "After", effect: crash }
  }
}

const told = (error: unknown, step: number): NonNullable<Result["violation"]> => {
  if (error instanceof Violation) return { law: error.law, detail: error.message, step }
  return { law: "broken", detail: error instanceof Error ? (error.stack ?? error.message) : String(error), step }
}

/** What was made in a session, by any step. */
const about = ({ steps }: Plan, { by, key }: Made) => {
  const within = (deed: "propose" | "turn") =>
    steps.flatMap((step) =>
      step.deed === deed && step.session.by === by && step.session.key === key ? [{ by: step.by, key: step.key }] : []
    )
  return { actions: within("propose"), turns: within("turn") }
}

/** What the steps said that were made under a key: as a proposal, or as an edit of one. */
const wordsOf = ({ steps }: Plan, commandId: string | null): ReadonlyArray<string> =>
  steps.flatMap((step) => {
    if (step.deed === "turn") return [step.word]
    const isIt =
      (step.deed === "propose" || step.deed === "approve") && NodeDigest.derive("cmd", step.by, step.key) === commandId
    return isIt && step.word !== null ? [step.word] : []
  })

const hindering: ReadonlySet<string> = new Set(["fault", "blind", "slow", "crash", "stop", "halt"])

const isCalm = ({ isNarrow, steps }: Plan): boolean => !isNarrow && !steps.some(({ deed }) => hindering.has(deed))

const sessionsOf = ({ steps }: Plan): ReadonlyArray<Made> => {
  const made = new Map<string, Made>()
  for (const step of steps) if (step.deed === "create") made.set(`${step.by} ${step.key}`, step)
  return [...made.values()]
}
