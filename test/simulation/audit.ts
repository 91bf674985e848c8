/**
 * What must hold after every step, judged from the journal and the tables beside it, never from an actor's memory.
 *
 * Owns its own small model of sessions, turns and actions, written apart from the rules of `src/gateway`, so that a
 * rule that is wrong does not judge itself. Rows are compared with the room's own fold; counters with both.
 */
import { hash as digestOf } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Rebuild from "#src/gateway/Rebuild.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { genesis, type StoredEvent } from "#src/kernel/Envelope.ts"
import { EventStore, Rows } from "#src/ports/EventStore.ts"
import * as Model from "./model.ts"
import { Violation } from "./violation.ts"

/** One run of a tool, as the world saw it. */
export interface Run {
  readonly permitId: string
  readonly actionId: string
  readonly tool: string
  readonly text: string
}

export interface Audit {
  /** Looks at every event since the last look. Throws `Violation`. */
  readonly look: () => void
  readonly model: Model.Model
  /** Judges a run of a tool, in the moment in which it happens. */
  readonly ran: (run: Run) => void
  /** Judges an answer, in the moment in which it is given: what is acknowledged is in the journal. */
  readonly acknowledged: (answer: {
    readonly principal: string
    readonly key: string
    readonly commandId: string
    readonly stream: string
    readonly repeated: boolean
    readonly deed: string
  }) => void
  /** Whether a command's answer was recorded. */
  readonly isRecorded: (principal: string, key: string) => boolean
  /** Every row and counter, and everything that is due. `lateMillis`: how long the timekeeper may take. */
  readonly whole: (nowMillis: number, lateMillis: number) => void
  /** SHA-256 of all that was stored, in order. */
  readonly digest: () => string
}

export const make = (
  context: Context.Context<EventStore | Rows>,
  isCalm: boolean,
  told: (event: StoredEvent) => void
): Audit => {
  const store = Context.get(context, EventStore)
  const rows = Context.get(context, Rows)
  const heads = new Map<string, { version: number; hash: string }>()
  const rebuild = Effect.runSync(Rebuild.make)
  const expected = new Map<string, { kind: string; key: string; body: string | null }>()
  const counters = new Map<string, number>()
  const commands = new Set<string>()
  const permits = new Set<string>()
  const model = Model.make(isCalm)
  let position = 0
  let digest = ""

  const take = (event: StoredEvent): void => {
    const { envelope, hash, text } = event
    chained(event, position, heads.get(envelope.stream))
    if (text.includes("~")) throw new Violation("clear words", `${envelope.type} holds words that are not sealed`)
    position = event.position
    heads.set(envelope.stream, { version: envelope.version, hash })
    commands.add(envelope.commandId)
    digest = digestOf("sha256", `${digest}${hash}`)
    told(event)
    model.take(event)
    for (const change of rebuild(event)) {
      if (change._tag === "Add") counters.set(change.counter, (counters.get(change.counter) ?? 0) + change.delta)
      else {
        const body = change._tag === "Put" ? Canonical.encode(change.body) : null
        expected.set(`${change.kind} ${change.key}`, { kind: change.kind, key: change.key, body })
        touched.add(`${change.kind} ${change.key}`)
      }
    }
  }

  const touched = new Set<string>()

  const compare = (name: string): void => {
    const { body, key, kind } = expected.get(name)!
    const row = Effect.runSync(rows.get(kind, key))
    const stored = row === null ? null : Canonical.encode(row.body)
    if (stored !== body) throw new Violation("rows differ", `the row ${name} is not what the events give`)
  }

  const look = (): void => {
    for (;;) {
      const events = Effect.runSync(store.readAll(position, 1_000))
      events.forEach(take)
      if (events.length < 1_000) break
    }
    if (touched.size === 0) return
    for (const name of touched) compare(name)
    touched.clear()
    for (const [name, value] of Effect.runSync(rows.counters(""))) {
      if (value !== (counters.get(name) ?? 0)) throw new Violation("rows differ", `the counter ${name} is ${value}`)
    }
    for (const [name, { value, maximum }] of model.counters()) {
      const stored = counters.get(name) ?? 0
      if (stored !== value) throw new Violation("quota wrong", `${name} is ${stored}, the events say ${value}`)
      if (stored > maximum) throw new Violation("quota passed", `${name} is ${stored} of ${maximum}`)
    }
  }

  const whole: Audit["whole"] = (nowMillis, lateMillis) => {
    look()
    for (const name of expected.keys()) compare(name)
    for (const [name, value] of counters) {
      const stored = Effect.runSync(rows.counter(name))
      if (stored !== value) throw new Violation("rows differ", `the counter ${name} is ${stored}, not ${value}`)
    }
    const made = counters.get(GatewayRows.confirmations("created")) ?? 0
    const ended = (["approved", "denied", "expired", "withdrawn"] as const).reduce(
      (sum, status) => sum + (counters.get(GatewayRows.confirmations(status)) ?? 0),
      counters.get(GatewayRows.pending) ?? 0
    )
    if (made !== ended)
      throw new Violation("quota wrong", `${made} confirmations were made, ${ended} are accounted for`)
    for (const late of model.late(nowMillis - lateMillis)) throw new Violation("left over", late)
  }

  return {
    look,
    model,
    whole,
    digest: () => digest,
    isRecorded: (principal, key) => Effect.runSync(store.receipt(principal as never, key as never)) !== null,
    ran: (run) => {
      look()
      if (permits.has(run.permitId))
        throw new Violation("ran twice", `the permit of ${run.actionId} ran ${run.tool} again`)
      permits.add(run.permitId)
      model.ran(run.actionId, run.permitId)
    },
    acknowledged: ({ commandId, deed, key, principal, repeated, stream }) => {
      look()
      const receipt = Effect.runSync(store.receipt(principal as never, key as never))
      const isHeld = commands.has(commandId)
      if (receipt === null) {
        throw new Violation("no receipt", `${deed} was acknowledged, but the journal holds no receipt of it`)
      }
      const head = heads.get(stream)?.version ?? 0
      if (receipt.stream !== stream || head < receipt.version) {
        throw new Violation("not durable", `${deed} was acknowledged, but ${stream} does not hold what it did`)
      }
      if (!repeated && !quiet.has(deed) && !isHeld) {
        throw new Violation("not durable", `${deed} was acknowledged, but no event in the journal is of it`)
      }
    }
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Deeds that may be heard without an event. */
const quiet: ReadonlySet<string> = new Set(["renew", "declare", "erase"])

const chained = (
  { envelope, hash, position, text }: StoredEvent,
  before: number,
  head: { readonly version: number; readonly hash: string } | undefined
): void => {
  const place = `${envelope.stream}#${envelope.version}`
  if (position !== before + 1) throw new Violation("hole", `position ${position} comes after ${before}`)
  if (envelope.version !== (head?.version ?? 0) + 1) {
    throw new Violation("hole", `${place} comes after version ${head?.version ?? 0}`)
  }
  if (envelope.prevHash !== (head?.hash ?? genesis)) throw new Violation("chain", `${place} does not join its stream`)
  if (digestOf("sha256", text) !== hash) throw new Violation("chain", `${place} does not have its hash`)
  if (Canonical.encode(envelope as never) !== text) throw new Violation("chain", `${place} is not its text`)
}
