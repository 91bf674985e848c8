/**
 * What happened in one run, line by line, for people: the steps, what the journal took, what tools did, the answers.
 *
 * Owns the names: whatever a step made is called by who made it and under which key, wherever its id stands.
 * Invariant: the same run gives the same bytes.
 */
import type { StoredEvent } from "#src/kernel/Envelope.ts"
import { actionOf, proposedBy, sessionOf, turnOf } from "./callers.ts"
import type { Made, Plan, Step } from "./steps.ts"

export interface History {
  readonly step: (step: Step) => void
  readonly event: (event: StoredEvent) => void
  readonly ran: (tool: string, actionId: string, text: string) => void
  readonly answer: (number: number, line: string) => void
  readonly note: (line: string) => void
  /** A sentence with names where ids stood. */
  readonly named: (text: string) => string
  /** What a process is called. */
  readonly process: (index: number) => string
  readonly lines: (digest: string) => ReadonlyArray<string>
}

export const make = (plan: Plan, sinceMillis: () => number): History => {
  const names = new Map<string, string>()
  for (const step of plan.steps) {
    if (step.deed === "create") names.set(sessionOf(step), `${step.by}.${step.key}`)
    if (step.deed === "propose") names.set(actionOf(step), `${step.by}.${step.key}`)
    if (step.deed === "turn") {
      names.set(turnOf(step), `${step.by}.${step.key}`)
      step.tools.forEach((_, index) => names.set(proposedBy(step, index), `${step.by}.${step.key}.${index + 1}`))
    }
  }
  const called = (stream: string): string => {
    const [kind = "", id = ""] = stream.split(":")
    return `${kind} ${names.get(id) ?? id}`
  }
  const lines: Array<string> = [`seed ${plan.seed}, ${plan.processes === 1 ? "one process" : "two processes"}`]
  const time = (): string => `${(sinceMillis() / 1_000).toFixed(3).padStart(8)} s`
  return {
    step: (step) => void lines.push(`#${String(step.number).padStart(2)} ${time()}  ${told(step)}${hurried(step)}`),
    event: ({ envelope, hash, position }) =>
      void lines.push(
        `${" ".repeat(16)}journal ${position}: ${called(envelope.stream)} ${envelope.type} by ${envelope.actor.id} [${hash.slice(0, 8)}]`
      ),
    ran: (tool, actionId, text) =>
      void lines.push(`${" ".repeat(16)}world: ${tool} runs for ${names.get(actionId) ?? actionId}: ${text}`),
    answer: (number, line) => void lines.push(`${" ".repeat(16)}answer to #${number}: ${line}`),
    named: (text) => [...names].reduce((said, [id, name]) => said.replaceAll(id, name), text),
    note: (line) => void lines.push(`   ${time()}  ${line}`),
    process: (index) => processNames[index] ?? `process ${index}`,
    lines: (digest) => [...lines, `journal ${digest}`]
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const processNames = ["left", "right"]

const hurried = ({ tasks }: Step): string => (tasks === null ? "" : ` (the next step comes after ${tasks} tasks)`)

const name = ({ by, key }: Made): string => `${by}.${key}`

const told = (step: Step): string => {
  if (step.deed === "pass") return `${step.millis} ms pass`
  const where = processNames[step.process] ?? ""
  switch (step.deed) {
    case "fault": {
      const millis = step.fault.startsWith("delay") ? ` by ${step.millis} ms` : ""
      return `${where}: the next append meets: ${step.fault}${millis}`
    }
    case "blind":
      return `${where}: the next ${step.reads} reads fail`
    case "slow":
      return `${where}: the next ${step.reads} reads take ${step.millis} ms`
    case "crash":
    case "start":
    case "stop":
      return `${where}: ${step.deed}`
    default:
      return `${where}: ${step.by} says ${step.deed}${whatOf(step)} (key ${step.key})`
  }
}

const whatOf = (step: Extract<Step, Made>): string => {
  switch (step.deed) {
    case "create":
      return ` a session of ${step.ttlMillis} ms, idle ${step.idleMillis} ms`
    case "touch":
    case "close":
    case "erase":
    case "look":
      return ` ${name(step.session)}`
    case "propose":
      return ` ${step.tool} for ${step.millis} ms in ${name(step.session)}: ${step.word}`
    case "approve":
      return ` ${name(step.action)}${step.word === null ? "" : `, but ${step.word}`}`
    case "turn":
      return ` in ${name(step.session)}: ${step.word}, ${step.tools.join(" and ") || "no tools"}`
    case "cancel":
      return ` ${name(step.turn)}`
    case "renew":
    case "report":
      return ` ${name(step.action)} under ${name(step.claim)}`
    case "halt":
      return step.cancelRunning ? " all, and stop what runs" : " all"
    case "declare":
    case "resume":
      return ""
    default:
      return ` ${name(step.action)}`
  }
}
