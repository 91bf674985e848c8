/**
 * A tool that runs here and is permitted there: an Effect AI `Tool` and the handler that runs it.
 *
 *   serve: declare -> look for approved actions -> claim -> handler, with heartbeats -> report
 *
 * Owns the agent's side of a remote tool (docs/http.md, "Tools that run elsewhere"). Needs the token of an AGENT.
 *
 * Invariants: the handler runs once per claim, on the arguments that the claim answered; a claim of an earlier life of
 * this process is never run again (it becomes `Unknown`, for a person or the tool's own check to settle); a handler is
 * interrupted where a person stops everything or the lease is lost.
 */
import type * as Tool from "effect/ai/Tool"
import * as Ai from "effect/ai/Tool"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as InputKeywords from "#src/gateway/InputKeywords.ts"
import type { ActionId, ClaimId } from "#src/kernel/Ids.ts"
import * as Client from "./Client.ts"

/** The tool says that it failed. `code` is stable, `detail` is for people and models. */
export class Failed extends Schema.TaggedError<Failed>()("RemoteToolFailed", {
  code: Schema.String.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u)),
  detail: Schema.String
}) {
  override get message() {
    return `${this.code}: ${this.detail}`
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
}

export interface Limits {
  /** How long a claim lasts without a heartbeat: 5 s to 5 minutes, 30 s unless told. Three heartbeats fit into it. */
  readonly leaseMillis?: number | undefined
  /** How long a run may take: at most an hour, 10 minutes unless told. */
  readonly runMillisMax?: number | undefined
}

/** Joins an Effect AI tool and the handler that runs it. The handler must be interruptible. */
export const make = <Parameters extends Codec, Success extends Codec>(
  tool: AnyTool<Parameters, Success>,
  handler: (args: Parameters["Type"], run: Run) => Effect.Effect<Success["Type"], Failed>,
  limits: Limits = {}
): RemoteTool => {
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(tool.parametersSchema))
  const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(tool.successSchema))
  return {
    name: tool.name,
    description: Ai.getDescription(tool) ?? "",
    inputSchema: inputSchemaOf(tool.parametersSchema),
    idempotent: Context.get(tool.annotations, Ai.Idempotent),
    leaseMillis: limits.leaseMillis ?? 30_000,
    runMillisMax: limits.runMillisMax,
    run: (args, run) =>
      decode(args).pipe(
        Effect.mapError(() => failed("ArgumentsInvalid", "the arguments are not what the tool takes")),
        Effect.flatMap((decoded) => handler(decoded, run)),
        Effect.flatMap((output) =>
          Effect.mapError(encode(output), () => failed("OutputInvalid", "gave a result that its own schema refuses"))
        ),
        Effect.map((output) => output as Schema.Json)
      )
  }
}

export const failed = (code: string, detail: string): Failed => new Failed({ code, detail })

export interface ServeOptions {
  /** Runs at once; 4 unless told. */
  readonly concurrency?: number | undefined
  /** Pause between two looks for work; 1 s unless told. */
  readonly pauseMillis?: number | undefined
}

/** Declares the tools and runs what is approved, for ever. Fails where the service refuses the agent itself. */
export const serve = Effect.fnUntraced(function* (
  client: Client.Client,
  tools: ReadonlyArray<RemoteTool>,
  { concurrency = 4, pauseMillis = 1_000 }: ServeOptions = {}
) {
  // A claim that an earlier life made must not be taken for one of this life.
  const life = crypto.randomUUID()
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  const { id: executorId } = yield* client.service.whoami()
  for (const { description, idempotent, inputSchema, leaseMillis, name, runMillisMax } of tools) {
    const limits = { leaseMillis, ...(runMillisMax === undefined ? {} : { runMillisMax }) }
    const payload = { name, description, inputSchema, idempotent, ...limits }
    yield* client.tools.declare({ headers: Client.key(`declare-${life}-${name}`), payload })
  }

  const look = Effect.gen(function* () {
    const { items } = yield* client.actions.list({ query: { executorId, status: "Approved" } })
    yield* Effect.forEach(
      items,
      ({ actionId, tool }) => {
        const known = byName.get(tool)
        return known === undefined ? Effect.void : perform(client, known, actionId, life)
      },
      { concurrency, discard: true }
    )
  })
  return yield* Effect.repeat(look, Schedule.spaced(Duration.millis(pauseMillis))).pipe(Effect.andThen(Effect.never))
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Claims, runs, reports. Whoever loses the claim does nothing; what can't be reported becomes `Unknown` there. */
const perform = Effect.fnUntraced(
  function* (client: Client.Client, tool: RemoteTool, actionId: ActionId, life: string) {
    const headers = (deed: string) => Client.key(`${deed}-${life}-${actionId}`)
    const claim = yield* client.actions.claim({ params: { actionId }, headers: headers("claim"), payload: {} })
    const { arguments: args, claimId } = claim.body
    const outcome = yield* tool.run(args, { actionId, claimId }).pipe(
      Effect.map((output) => ({ outcome: "Executed" as const, output })),
      Effect.catchDefect(() => Effect.fail(failed("Defect", "failed unexpectedly"))),
      Effect.raceFirst(alive(client, tool, actionId, claimId)),
      Effect.catchTag("RemoteToolFailed", ({ code, detail }) =>
        Effect.succeed({ outcome: "Failed" as const, code, output: { code, detail } })
      )
    )
    yield* client.actions.outcome({
      params: { actionId },
      headers: headers("outcome"),
      payload: { claimId, ...outcome }
    })
  },
  (performed, _client, tool, actionId) =>
    Effect.catch(performed, (error) =>
      Effect.logWarning(`${tool.name} ${actionId} did not come to its end here`, error)
    )
)

/** Signs of life until the run is over; fails where it must stop. */
const alive = Effect.fnUntraced(function* (
  client: Client.Client,
  tool: RemoteTool,
  actionId: ActionId,
  claimId: ClaimId
): Effect.fn.Return<never, Failed> {
  for (;;) {
    yield* Effect.sleep(Duration.millis(tool.leaseMillis / 3))
    const sign = yield* Effect.result(
      client.actions.heartbeat({ params: { actionId }, headers: Client.fresh(), payload: { claimId } })
    )
    if (sign._tag === "Failure") return yield* failed("LeaseLost", "the service did not renew the lease")
    if (sign.success.body.cancel) return yield* failed("Cancelled", "a person stopped everything")
  }
})

/** Closed to what it does not name, as the service asks. */
const inputSchemaOf = (parameters: Schema.Top): Schema.Json => {
  const document = Schema.toJsonSchemaDocument(parameters, { onExcessProperty: "error" })
  const defs = Object.keys(document.definitions).length > 0 ? { $defs: document.definitions } : {}
  const inputSchema = JSON.parse(JSON.stringify({ ...document.schema, ...defs })) as { [key: string]: Schema.Json }
  leaveOutUnchecked(inputSchema)
  return inputSchema
}

/** What the service does not check, it does not take: the tool's own schema holds to it, when arguments arrive. */
const unchecked = ["format", "contentEncoding", "contentMediaType", "contentSchema"]

/** In place: nobody else holds it. */
const leaveOutUnchecked = (schema: { [key: string]: Schema.Json }): void => {
  for (const keyword of unchecked) delete schema[keyword]
  for (const [, child] of InputKeywords.children(schema, true)) {
    if (InputKeywords.isNode(child)) leaveOutUnchecked(child as { [key: string]: Schema.Json })
  }
}
