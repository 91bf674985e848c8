/**
 * The only `ToolExecutor`: every permit is judged again, then spent, then the tool runs.
 *
 *   genuine? -> this life? -> in time? -> tool unchanged? -> digest true? -> claim committed? -> spend -> run
 *    Forged      Stale         Expired     ToolChanged       DigestMismatch   Unclaimed/Foreign   Spent
 *
 * Owns the judgement and the limits of a run: time and size. Does not own the decision, the claim, how many run at once
 * (`gateway/Lines`), or what becomes of the outcome (room `gateway`).
 *
 * A halt is met last, before the permit is spent: it is no bypass, so it is told as a failure that ran nothing.
 *
 * Invariants: a refused permit runs nothing, is not spent and is reported once; a permit that can't be judged,
 * because the journal or the key does not answer, runs nothing; nothing stands between spending and running;
 * when `execute` has answered, the run's scope is closed.
 */
import { timingSafeEqual } from "node:crypto"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { digestInput, isGenuine, type Permit, type PermitFields, spend } from "#src/kernel/Permit.ts"
import * as Series from "#src/kernel/Series.ts"
import { Rows } from "#src/ports/EventStore.ts"
import { HaltSwitch } from "#src/ports/HaltSwitch.ts"
import { Stamps } from "#src/ports/Stamps.ts"
import { Bypasses, PermitRefused, type ToolCatalog, ToolExecutor, ToolFailed } from "#src/ports/ToolExecutor.ts"
import { Vault } from "#src/ports/Vault.ts"
import { type Entry, failed, layerCatalog, ToolRegistry } from "./ToolRegistry.ts"

/** Codes of `ToolFailed` that the executor itself gives. Tools add their own. */
export const Codes = {
  /** The journal or the key ring did not answer, so the permit could not be judged. Nothing ran. */
  Unverified: "Unverified",
  /** Too little of the lease is left to run it in, and to stop it. Nothing ran. */
  LeaseSpent: "LeaseSpent",
  /** The schema refuses what was claimed. Nothing ran. */
  ArgumentsInvalid: "ArgumentsInvalid",
  /** Stopped at its time limit; it may have done part of its work. */
  TimedOut: "TimedOut",
  /** A person stopped all actions before it began. Nothing ran. */
  Halted: "Halted",
  /** A person stopped what runs; it may have done part of its work. */
  Cancelled: "Cancelled",
  /** A bug in the tool; it may have done part of its work. */
  Defect: "Defect",
  /** It ran, but what it gave is not JSON as its schema says. */
  OutputInvalid: "OutputInvalid",
  /** It ran, but gave more than `Bounds.resultTextMax`. */
  OutputTooLarge: "OutputTooLarge"
} as const

export const permitsRefused = Metric.counter("permits_refused_total", {
  description: "Bypass attempts: permits that opened nothing, by reason, since this process started.",
  incremental: true
})
export const runs = Metric.counter("tool_runs_total", {
  description: "Permits handed to the executor, by what became of them.",
  incremental: true
})

const runsOf = Series.of(runs, "outcome")

export const make = Effect.gen(function* () {
  const registry = yield* ToolRegistry
  const rows = yield* Rows
  const stamps = yield* Stamps
  const vault = yield* Vault
  const bypasses = yield* Bypasses
  const haltSwitch = yield* HaltSwitch
  const spendOnce = makeSpendOnce()

  const refuse = (reason: PermitRefused["reason"], fields: PermitFields | null) => {
    const ids = { permitId: fields?.permitId ?? null, actionId: fields?.actionId ?? null }
    return bypasses
      .report({ reason, ...ids })
      .pipe(
        Effect.andThen(Metric.update(Metric.withAttributes(permitsRefused, { reason }), 1)),
        Effect.uninterruptible,
        Effect.andThen(Effect.fail(new PermitRefused({ reason, ...ids, retryable: false })))
      )
  }

  /** True where the permit's digest is what the subject's key makes of its own fields; false once the key is gone. */
  const digestHolds = Effect.fnUntraced(function* (fields: PermitFields) {
    const key = yield* vault.key(fields.subject)
    if (key === null || key.destroyed()) return false
    const expected = key.hmac(digestInput(fields.actor, fields.tool, fields.toolHash, fields.argumentsText))
    return sameText(expected, fields.digest)
  })

  const claimStands = Effect.fnUntraced(function* (fields: PermitFields) {
    const row = yield* rows.get("claim", fields.permitId)
    if (row === null) return "Unclaimed"
    const { claimId, actionId, incarnation } = row.body
    const same = claimId === fields.claimId && actionId === fields.actionId && incarnation === fields.incarnation
    return same ? null : "Foreign"
  })

  /** Judges the permit but for its being spent; answers the tool. */
  const judge = Effect.fnUntraced(function* (fields: PermitFields) {
    if (fields.incarnation !== stamps.incarnation) return yield* refuse("Stale", fields)
    const now = yield* stamps.nowMillis
    if (now >= fields.expiresAtMillis || now >= fields.leaseUntilMillis) return yield* refuse("Expired", fields)
    const entry = registry.find(fields.tool)
    if (entry === undefined || !sameText(entry.descriptor.hash, fields.toolHash)) {
      return yield* refuse("ToolChanged", fields)
    }
    const holds = yield* Effect.mapError(digestHolds(fields), unverified(fields.tool))
    if (!holds) return yield* refuse("DigestMismatch", fields)
    const fault = yield* Effect.mapError(claimStands(fields), unverified(fields.tool))
    if (fault !== null) return yield* refuse(fault, fields)
    return entry
  })

  const admit = Effect.fnUntraced(function* (permit: Permit) {
    const { fields } = permit
    yield* Effect.annotateCurrentSpan("keelson.tool", fields.tool)
    const entry = yield* judge(fields)
    const now = yield* stamps.nowMillis
    const untilMillis = Math.min(fields.leaseUntilMillis, fields.expiresAtMillis) - Bounds.toolStopMillis
    const limitMillis = Math.min(entry.timeoutMillis, Bounds.toolMillisMax, untilMillis - now)
    if (limitMillis <= 0) return yield* leaseSpent(fields.tool)
    // Last before the start: nothing is waited for in between.
    const cancelled = haltSwitch.cancelled()
    if (haltSwitch.on()) return yield* halted(fields.tool)
    if (!spendOnce(permit, now)) return yield* refuse("Spent", fields)
    return yield* Effect.raceFirst(
      run(entry, fields, now, limitMillis),
      Effect.andThen(cancelled, stopped(fields.tool))
    )
  })

  return ToolExecutor.of({
    execute: (permit) =>
      Effect.suspend(() => (isGenuine(permit) ? admit(permit) : refuse("Forged", null))).pipe(
        Effect.onExit((exit) => Metric.update(runsOf(outcomeOf(exit)), 1)),
        Effect.withSpan("ToolExecutor.execute")
      )
  })
})

/** What the executor asks before it runs anything. */
type Judges = Rows | Stamps | Vault | Bypasses | HaltSwitch

export const layer: Layer.Layer<ToolExecutor, never, ToolRegistry | Judges> = Layer.effect(ToolExecutor, make)

/** Executor and catalog over one registry, which stays hidden: its handlers are reached through a permit alone. */
export const layerWithCatalog = <E, R>(
  registry: Layer.Layer<ToolRegistry, E, R>
): Layer.Layer<ToolExecutor | ToolCatalog, E, R | Judges> => Layer.provide(Layer.merge(layer, layerCatalog), registry)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/**
 * `spend` knows permits as values; this also knows them by id, so that a claim redeemed twice still runs once.
 * Ids are kept until their lease is over, when `Expired` takes over.
 */
const makeSpendOnce = () => {
  const leases = new Map<string, number>()
  return (permit: Permit, nowMillis: number): boolean => {
    for (const [permitId, untilMillis] of leases) {
      if (untilMillis > nowMillis) break
      leases.delete(permitId)
    }
    const { permitId, leaseUntilMillis } = permit.fields
    if (leases.has(permitId) || !spend(permit)) return false
    leases.set(permitId, leaseUntilMillis)
    return true
  }
}

const outcomeOf = (exit: Exit.Exit<unknown, ToolFailed | PermitRefused>): string => {
  if (Exit.isSuccess(exit)) return "Executed"
  const error = Cause.findErrorOption(exit.cause)
  return error._tag === "None" ? "Interrupted" : error.value._tag
}

const sameText = (a: string, b: string): boolean => {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}

const unverified = (tool: string) => (): ToolFailed =>
  failed(tool, Codes.Unverified, "the permit could not be checked against the journal; nothing was run", true)

const leaseSpent = (tool: string) =>
  Effect.fail(failed(tool, Codes.LeaseSpent, "too little of its claim's lease was left; nothing was run", true))

const halted = (tool: string) =>
  Effect.fail(failed(tool, Codes.Halted, "a person stopped all actions; nothing was run", true))

const stopped = (tool: string) =>
  Effect.fail(failed(tool, Codes.Cancelled, "was stopped by a person; what it had done by then stands"))

const run = (entry: Entry, fields: PermitFields, nowMillis: number, limitMillis: number) => {
  const { name } = entry.descriptor
  const context = {
    permitId: fields.permitId,
    actionId: fields.actionId,
    sessionId: fields.sessionId,
    actor: fields.actor,
    approvedBy: fields.approvedBy,
    deadlineMillis: nowMillis + limitMillis
  }
  return Effect.try({
    try: () => Canonical.decode(fields.argumentsText),
    catch: () => failed(name, Codes.ArgumentsInvalid, "the arguments are not JSON")
  }).pipe(
    Effect.flatMap((args) => entry.run(args, context)),
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: limitMillis,
      orElse: () => Effect.fail(failed(name, Codes.TimedOut, `was stopped after ${limitMillis} ms`))
    }),
    Effect.catchTag("ArgumentsInvalid", (error) => Effect.fail(failed(name, Codes.ArgumentsInvalid, error.detail))),
    Effect.flatMap((output) => bounded(name, output)),
    Effect.mapError((error) => tidy(name, error)),
    // An interruption from outside never comes here; one that the tool made itself is its bug.
    Effect.catchCause((cause) =>
      cause.reasons.every(Cause.isFailReason) ? Effect.failCause(cause) : defect(name, fields, cause)
    )
  )
}

const bounded = (tool: string, output: Canonical.Json) =>
  Effect.try({
    try: () => Canonical.encode(output),
    catch: () => failed(tool, Codes.OutputInvalid, "gave a result that JSON has no form for")
  }).pipe(
    Effect.filterOrFail(
      (text) => text.length <= Bounds.resultTextMax,
      () => failed(tool, Codes.OutputTooLarge, `gave a result of more than ${Bounds.resultTextMax} characters`)
    ),
    Effect.map((text) => ({ output: Canonical.decode(text) }))
  )

/** A tool speaks for itself only, and briefly. */
const tidy = (tool: string, error: ToolFailed) =>
  new ToolFailed({
    tool,
    code: error.code.slice(0, 64),
    detail: error.detail.slice(0, Bounds.reasonTextMax),
    retryable: error.retryable
  })

/** What a defect says may quote what people said, so the log gets its kind and its place alone. */
const defect = (tool: string, fields: PermitFields, cause: Cause.Cause<ToolFailed>) => {
  const error = cause.reasons.find(Cause.isDieReason)?.defect
  return Effect.logError("a tool failed unexpectedly").pipe(
    Effect.annotateLogs({
      tool,
      actionId: fields.actionId,
      kind: error instanceof Error ? error.constructor.name : error === undefined ? "interruption" : typeof error,
      place: error instanceof Error ? placeOf(error) : ""
    }),
    Effect.andThen(Effect.fail(failed(tool, Codes.Defect, "failed unexpectedly; the service's log says where")))
  )
}

/** The stack's frames; a stack starts with the message, which may itself have lines that look like frames. */
const placeOf = ({ message, stack = "" }: Error): string => {
  const start = stack.indexOf(message)
  const frames = start < 0 ? "" : stack.slice(start + message.length)
  return frames
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .join("\n")
}
