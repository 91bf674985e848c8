/**
 * A tool that runs here and is permitted there: an Effect AI `Tool` and the handler that runs it.
 *
 *   serve: declare -> look for approved actions, at once where the service says so -> claim -> handler, with heartbeats -> report
 *
 * Owns the agent's side of a remote tool (docs/http.md, "Tools that run elsewhere"). Needs the token of an AGENT.
 *
 * Invariants: the handler runs once per claim, on the arguments that the claim answered; a claim of an earlier life of
 * this process is never run again (it becomes `Unknown`, for a person or the tool's own check to settle); a handler is
 * interrupted where a person stops everything, and before the lease ends at the service; of a run whose lease was lost
 * no outcome is claimed.
 */
import type * as Tool from "effect/ai/Tool"
import * as Ai from "effect/ai/Tool"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type ActionId, ClaimId, type PrincipalId } from "#src/kernel/Ids.ts"
import * as JsonText from "#src/kernel/JsonText.ts"
import * as Client from "./Client.ts"
import * as ToolSchema from "./ToolSchema.ts"

/** The tool says that it failed. `code` is stable, `detail` is for people and models. */
export class Failed extends Schema.TaggedError<Failed>()("RemoteToolFailed", {
  code: Schema.String.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u)),
  detail: Schema.String
}) {
  override get message() {
    return `${this.code}: ${this.detail}`
  }
}

/**
 * The service refuses the agent (401, 403), or a tool as it is declared, for good: what its problem (RFC 9457) said.
 * `tool` is null where it is the agent.
 */
export class ServeRefused extends Schema.TaggedError<ServeRefused>()("RemoteServeRefused", {
  tool: Schema.NullOr(Schema.String),
  status: Schema.Int,
  code: Schema.String,
  detail: Schema.String,
  errors: Schema.Array(Schema.Struct({ pointer: Schema.String, detail: Schema.String }))
}) {
  override get message() {
    const whom = this.tool === null ? "this agent" : `the tool ${this.tool}`
    const means = this.status === 401 ? " (was its key revoked?)" : ""
    const flaws = this.errors.map(({ detail, pointer }) => `; ${pointer}: ${detail}`).join("")
    return `the service refuses ${whom}${means}: ${this.code}, ${this.detail}${flaws}`
  }
}

/** What a handler knows of the run. */
export interface Run {
  readonly actionId: ActionId
  readonly claimId: ClaimId
}

type Codec = Schema.Codec<unknown, unknown>

export type AnyTool<Parameters extends Codec, Success extends Codec> = Tool.Tool<
  string,
  {
    readonly parameters: Parameters
    readonly success: Success
    readonly failure: Schema.Top
    readonly failureMode: Tool.FailureMode
  }
>

/** A tool and its handler, their types put away. */
export interface RemoteTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: Schema.Json
  readonly idempotent: boolean
  readonly leaseMillis: number
  readonly runMillisMax: number | undefined
  readonly run: (args: unknown, run: Run) => Effect.Effect<Schema.Json, Failed>
  /** Null where the tool has none. */
  readonly check: ((args: unknown, run: Run) => Effect.Effect<Schema.Json | null, Failed>) | null
}

export interface Limits {
  /** How long a claim lasts without a heartbeat: 5 s to 5 minutes, 30 s unless told. One is sent every third of it. */
  readonly leaseMillis?: number | undefined
  /** How long a run may take: 5 s to an hour, 10 minutes unless told. */
  readonly runMillisMax?: number | undefined
}

export interface Options<Args, Success> extends Limits {
  /**
   * Looks what became of a run whose outcome is unknown, such as one that this machine's crash cut off: what it gave, or
   * `Failed`, or null where nobody can tell from here. Asked once for each in a life of the process, beside the runs and
   * as one of them; has a minute; must change nothing.
   */
  readonly check?: ((args: Args, run: Run) => Effect.Effect<Success | null, Failed>) | undefined
}

/** Joins an Effect AI tool and the handler that runs it. The handler must end within a second of its interruption. */
export const make = <Parameters extends Codec, Success extends Codec>(
  tool: AnyTool<Parameters, Success>,
  handler: (args: Parameters["Type"], run: Run) => Effect.Effect<Success["Type"], Failed>,
  { check, ...limits }: Options<Parameters["Type"], Success["Type"]> = {}
): RemoteTool => {
  const decodeArgs = Schema.decodeUnknownEffect(Schema.toCodecJson(tool.parametersSchema))
  const encodeOutput = Schema.encodeUnknownEffect(Schema.toCodecJson(tool.successSchema))
  const decode = (args: unknown) =>
    Effect.mapError(decodeArgs(args), () => failed("ArgumentsInvalid", "the arguments are not what the tool takes"))
  const encode = (output: Success["Type"]) =>
    Effect.mapBoth(encodeOutput(output), {
      onFailure: () => failed("OutputInvalid", "gave a result that its own schema refuses"),
      onSuccess: (encoded) => encoded as Schema.Json
    })
  return {
    name: tool.name,
    description: Ai.getDescription(tool) ?? "",
    inputSchema: ToolSchema.of(tool.parametersSchema),
    idempotent: Context.get(tool.annotations, Ai.Idempotent),
    leaseMillis: limits.leaseMillis ?? 30_000,
    runMillisMax: limits.runMillisMax,
    run: (args, run) =>
      decode(args).pipe(
        Effect.flatMap((decoded) => handler(decoded, run)),
        Effect.flatMap(encode)
      ),
    check:
      check === undefined
        ? null
        : (args, run) =>
            decode(args).pipe(
              Effect.flatMap((decoded) => check(decoded, run)),
              Effect.flatMap((found) => (found === null ? Effect.succeed(null) : encode(found)))
            )
  }
}

export const failed = (code: string, detail: string): Failed => new Failed({ code, detail })

export interface ServeOptions {
  /** Runs and checks at once: at least 1, 4 unless told. */
  readonly concurrency?: number | undefined
  /**
   * Milliseconds between two looks for work that nothing announced, and before what failed is tried again: 1,000 unless
   * told.
   */
  readonly pauseMillis?: number | undefined
}

/**
 * Declares the tools and runs what is approved, for ever. Whoever interrupts it interrupts the handlers. An outage is
 * waited out, and logged when it begins and when it is over. Fails with `ServeRefused` where the service refuses the
 * agent (401, 403), or a tool as it is declared.
 */
export const serve = Effect.fnUntraced(function* (
  client: Client.Client,
  tools: ReadonlyArray<RemoteTool>,
  { concurrency = 4, pauseMillis = 1_000 }: ServeOptions = {}
) {
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  const runs = yield* FiberMap.make<ActionId>()
  const checks = tools.some(({ check }) => check !== null)
  /** Unknown outcomes that the tool's own check was asked about. */
  const asked = new Set<ActionId>()

  let declaring: string | null = null
  const declare = Effect.gen(function* () {
    declaring = null
    const { id } = yield* client.service.whoami()
    for (const { description, idempotent, inputSchema, leaseMillis, name, runMillisMax } of tools) {
      const limits = { leaseMillis, ...(runMillisMax === undefined ? {} : { runMillisMax }) }
      const payload = { name, description, inputSchema, idempotent, ...limits }
      declaring = name
      yield* client.tools.declare({ headers: Client.fresh(), payload })
    }
    return id
  }).pipe(Effect.timeout(answerMillisMax))
  const executorId = yield* Effect.mapError(outlast(declare, "Declaring the tools", isFinal, pauseMillis), (problem) =>
    refusedBy(problem, refusesAgent(problem) ? null : declaring)
  )

  const look = Effect.gen(function* () {
    const room = concurrency - (yield* FiberMap.size(runs))
    const mine = ({ actionId, tool }: Approved) => byName.has(tool) && !FiberMap.hasUnsafe(runs, actionId)
    for (const { actionId, tool: name } of yield* approved(client, executorId, mine, room)) {
      const tool = byName.get(name)!
      const claim = yield* claimed(client, tool, actionId)
      if (claim !== null) yield* FiberMap.run(runs, actionId, perform(client, tool, claim, pauseMillis))
    }
    if (!checks) return
    const open = yield* unknowns(client, executorId)
    for (const id of asked) if (!open.some(({ actionId }) => actionId === id)) asked.delete(id)
    for (const unknown of open) {
      const check = byName.get(unknown.tool)?.check ?? null
      if (check === null || asked.has(unknown.actionId) || FiberMap.hasUnsafe(runs, unknown.actionId)) continue
      if ((yield* FiberMap.size(runs)) >= concurrency) return
      asked.add(unknown.actionId)
      yield* FiberMap.run(runs, unknown.actionId, settle(client, check, unknown, pauseMillis))
    }
  })
  const news = Latch.makeUnsafe(false)
  yield* Effect.forkScoped(listening(client, executorId, news.open, pauseMillis))
  return yield* news.close.pipe(
    Effect.andThen(outlast(look, "Looking for work", refusesAgent, pauseMillis)),
    Effect.mapError((problem) => refusedBy(problem, null)),
    Effect.andThen(Effect.raceFirst(news.await, Effect.sleep(pauseMillis))),
    Effect.forever
  )
}, Effect.scoped)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** A look or a declaration that is not answered by then has failed. */
const answerMillisMax = 60_000
/** Kept back at the end of a lease, to stop the handler in. */
const stopMillis = 1_000
/** A check that has not told by then could not. */
const checkMillisMax = 60_000
/** For so long an outcome is offered to a service that does not take it. */
const reportMillisMax = 3_600_000

interface Approved {
  readonly actionId: ActionId
  readonly tool: string
}

interface Claim extends Run {
  readonly arguments: unknown
  readonly leaseUntil: string | null
  /** When the handler is told to stop, on this machine's clock that never goes back. */
  readonly stopAtMillis: number
}

/** Nobody may say what came of the run: the service takes it for lost, or soon will. */
class LeaseLost extends Schema.TaggedError<LeaseLost>()("RemoteLeaseLost", { cause: Schema.Defect() }) {
  override get message() {
    return "the lease was not renewed"
  }
}

/**
 * Wakes whenever one of the agent's actions was approved, and once it began to listen, for what came before. It is no
 * more than a bell: where it can't listen, the looks go on by themselves.
 */
const listening = (
  client: Client.Client,
  executorId: PrincipalId,
  wake: Effect.Effect<unknown>,
  pauseMillis: number
): Effect.Effect<never> =>
  client.stream.events({ headers: {}, query: { executorId, type: "action.permitted" } }).pipe(
    Effect.flatMap(Stream.runForEach(() => wake)),
    Effect.catchIf(isFinal, () => Effect.never),
    Effect.ignore,
    Effect.andThen(Effect.sleep(pauseMillis)),
    Effect.forever
  )

/** Actions that were approved and are `mine`, as many as there is `room` for; of those found the first approved first. */
const approved = Effect.fnUntraced(function* (
  client: Client.Client,
  executorId: PrincipalId,
  mine: (action: Approved) => boolean,
  room: number
) {
  const query = { executorId, status: "Approved", limit: 200 } as const
  const list = (from: { readonly after?: string }) =>
    Effect.timeout(client.actions.list({ query: { ...query, ...from } }), answerMillisMax)
  let page = yield* list({})
  const found = page.items.filter(mine)
  while (page.next !== null && found.length < room) {
    page = yield* list({ after: page.next })
    found.push(...page.items.filter(mine))
  }
  // The list is newest first.
  return found.reverse().slice(0, Math.max(0, room))
})

/** The newest runs of this agent's tools of which nobody knows what became of them. */
const unknowns = Effect.fnUntraced(function* (client: Client.Client, executorId: PrincipalId) {
  const query = { executorId, status: "Unknown", limit: 200 } as const
  const { items } = yield* Effect.timeout(client.actions.list({ query }), answerMillisMax)
  return items.flatMap((item) => {
    const { actionId, claimId, tool } = item
    return claimId === null ? [] : [{ actionId, args: argumentsOf(item), tool, claimId: ClaimId.make(claimId) }]
  })
})

/** Reports what the tool's own check found, as a late outcome; says nothing where it could not tell. */
const settle = Effect.fnUntraced(
  function* (
    client: Client.Client,
    check: NonNullable<RemoteTool["check"]>,
    { actionId, args, claimId }: Run & { readonly args: unknown; readonly tool: string },
    pauseMillis: number
  ) {
    const found = yield* check(args, { actionId, claimId }).pipe(
      Effect.timeout(checkMillisMax),
      Effect.map((output) => (output === null ? null : { outcome: "Executed" as const, output })),
      Effect.catchTag("RemoteToolFailed", ({ code, detail }) =>
        Effect.succeed({ outcome: "Failed" as const, code, output: { code, detail } })
      )
    )
    if (found === null) return
    const payload = { claimId, ...found }
    const report = client.actions.outcome({ params: { actionId }, headers: Client.fresh(), payload })
    yield* Effect.timeout(outlast(report, `Settling ${actionId}`, isFinal, pauseMillis), reportMillisMax)
  },
  (settled, _client, _check, { actionId, tool }) =>
    Effect.catchCause(settled, (cause) => Effect.logWarning(`${tool} ${actionId} was not settled from here`, cause))
)

/** Spends the permit. Null where the service does not give it: another was first, or it lapsed. */
const claimed = Effect.fnUntraced(function* (client: Client.Client, tool: RemoteTool, actionId: ActionId) {
  const leaseMillis = leaseMillisOf(tool)
  // The service's lease begins later than this.
  const stopAtMillis = (yield* nowMillis) + leaseMillis - stopMillis
  // A key of its own, so that no claim made before is answered. Later than a third, too little of the lease is left.
  return yield* client.actions.claim({ params: { actionId }, headers: Client.fresh(), payload: {} }).pipe(
    Effect.timeout(leaseMillis / 3),
    Effect.map(({ body }): Claim | null => ({ ...body, arguments: argumentsOf(body), stopAtMillis })),
    Effect.catchIf(isFinal, (problem) =>
      Effect.as(Effect.logInfo(`${tool.name} ${actionId} was not this process's to run`, problem), null)
    )
  )
})

/** Runs and reports. Without a lease it says nothing of the outcome: that is `Unknown` at the service then. */
const perform = Effect.fnUntraced(
  function* (client: Client.Client, tool: RemoteTool, claim: Claim, pauseMillis: number) {
    const { actionId, arguments: args, claimId } = claim
    const outcome = yield* tool.run(args, { actionId, claimId }).pipe(
      Effect.map((output) => ({ outcome: "Executed" as const, output })),
      Effect.catchDefect(() => Effect.fail(failed("Defect", "failed unexpectedly"))),
      Effect.raceFirst(alive(client, tool, claim, pauseMillis)),
      Effect.catchTag("RemoteToolFailed", ({ code, detail }) =>
        Effect.succeed({ outcome: "Failed" as const, code, output: { code, detail } })
      )
    )
    const payload = { claimId, ...outcome }
    const report = client.actions.outcome({ params: { actionId }, headers: Client.fresh(), payload })
    const reported = outlast(report, `Reporting ${tool.name} ${actionId}`, isFinal, pauseMillis)
    yield* Effect.timeout(reported, reportMillisMax)
  },
  (performed, _client, tool, { actionId }) =>
    Effect.catchCause(performed, (cause) =>
      Effect.logWarning(`${tool.name} ${actionId} has no outcome from here`, cause)
    )
)

/** Signs of life until the run is over. Fails where it must stop, at the latest `stopMillis` before the lease ends. */
const alive = Effect.fnUntraced(function* (
  client: Client.Client,
  tool: RemoteTool,
  { actionId, claimId, leaseUntil, stopAtMillis }: Claim,
  pauseMillis: number
): Effect.fn.Return<never, Failed | LeaseLost> {
  for (;;) {
    const beat = client.actions.heartbeat({ params: { actionId }, headers: Client.fresh(), payload: { claimId } })
    const { body } = yield* beat.pipe(
      Effect.retry({ while: (error) => !isFinal(error), schedule: Schedule.spaced(pauseMillis) }),
      Effect.delay(leaseMillisOf(tool) / 3),
      Effect.timeout(stopAtMillis - (yield* nowMillis)),
      Effect.mapError((cause) => new LeaseLost({ cause }))
    )
    if (body.cancel) return yield* failed("Cancelled", "a person stopped everything")
    // Both times are the service's: what was gained holds here too, however its clock is set.
    if (body.leaseUntil !== null && leaseUntil !== null) {
      stopAtMillis += Date.parse(body.leaseUntil) - Date.parse(leaseUntil)
      leaseUntil = body.leaseUntil
    }
  }
})

/** As the text says them that people saw and policies judged, read by the reader that the service reads it with. */
const argumentsOf = (said: { readonly arguments: unknown; readonly argumentsText: unknown }): unknown =>
  typeof said.argumentsText === "string" ? JsonText.parse(said.argumentsText) : said.arguments

/** A run's end is the end of its lease. */
const leaseMillisOf = ({ leaseMillis, runMillisMax = leaseMillis }: RemoteTool) => Math.min(leaseMillis, runMillisMax)

const nowMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** Does it until it is done, or fails in a way that `ends` it. Says once that it fails, and once that it came through. */
const outlast = Effect.fnUntraced(function* <A, E, R>(
  deed: Effect.Effect<A, E, R>,
  what: string,
  ends: (error: unknown) => error is Problem,
  pauseMillis: number
): Effect.fn.Return<A, Problem, R> {
  for (let failing = false; ; failing = true) {
    const done = yield* Effect.result(deed)
    if (done._tag === "Success") {
      if (failing) yield* Effect.logInfo(`${what} came through`)
      return done.success
    }
    const error: unknown = done.failure
    if (ends(error)) return yield* Effect.fail(error)
    if (!failing) yield* Effect.logWarning(`${what} failed, and is tried again`, done.failure)
    yield* Effect.sleep(pauseMillis)
  }
})

/** Said by the service itself, and no proxy before it. */
const Problem = Schema.Struct({
  status: Schema.Int,
  code: Schema.String,
  detail: Schema.String,
  retryable: Schema.Boolean,
  errors: Schema.optionalKey(ServeRefused.fields.errors)
})

type Problem = typeof Problem.Type

const isProblem = Schema.is(Problem)

const refusedBy = ({ code, detail, errors = [], status }: Problem, tool: string | null) =>
  new ServeRefused({ tool, status, code, detail, errors })

const refusesAgent = (error: unknown): error is Problem =>
  isProblem(error) && (error.status === 401 || error.status === 403)

/** The same request will be refused for ever. */
const isFinal = (error: unknown): error is Problem => isProblem(error) && error.status < 500 && !error.retryable
