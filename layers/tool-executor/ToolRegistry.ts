/**
 * The tools an app has: an Effect AI `Tool` each, with the handler that runs it.
 *
 *   Tool.make(...) + handler -> register -> make / layer -> ToolCatalog (descriptors, `check`)
 *                                                       \-> GuardedToolExecutor (the only caller of `run`)
 *
 * Owns what may be registered, the descriptor and its hash, and the two codecs between text and handler.
 * Does not own who may run a tool, nor time and size limits of a run.
 *
 * Invariants: arguments with a property that the schema does not name are refused; `check` gives a value that
 * `check` gives back unchanged; a tool whose name, description, schema or version changes has another hash.
 */
import type * as Tool from "effect/ai/Tool"
import * as Ai from "effect/ai/Tool"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import type { ActionId, PermitId, SessionId } from "#src/kernel/Ids.ts"
import type { Actor } from "#src/kernel/Stamp.ts"
import { Digest } from "#src/ports/Digest.ts"
import { type ArgumentsInvalid, ToolCatalog, type ToolDescriptor, ToolFailed } from "#src/ports/ToolExecutor.ts"
import * as Arguments from "./Arguments.ts"

/** What a handler may know of the permit it runs under. */
export interface ToolContext {
  readonly permitId: PermitId
  readonly actionId: ActionId
  readonly sessionId: SessionId
  /** The one who proposed the action. */
  readonly actor: Actor
  /** The people who allowed it; empty where the policy did. */
  readonly approvedBy: ReadonlyArray<Actor>
  /** When the run will be interrupted, in epoch milliseconds. */
  readonly deadlineMillis: number
}

/** Runs a tool. Must be interruptible, and put what it starts into the scope: the scope closes with the permit. */
export type Handler<Args, Output> = (args: Args, context: ToolContext) => Effect.Effect<Output, ToolFailed, Scope.Scope>

export interface RegisterOptions {
  /** Part of the hash: change it when the handler does something else under the same schema. Default `1`. */
  readonly version?: string
  /** Longest run, in milliseconds, 1 to `Bounds.toolMillisMax`. Default `Bounds.toolMillis`. */
  readonly timeoutMillis?: number
}

/** An Effect AI tool whose schemas need no services. */
export type AnyTool<Parameters extends Codec, Success extends Codec> = Tool.Tool<
  string,
  {
    readonly parameters: Parameters
    readonly success: Success
    readonly failure: Schema.Top
    readonly failureMode: Tool.FailureMode
  }
>

type Codec = Schema.Codec<unknown, unknown>

/** A tool and its handler, their types put away. Made by `register`; nothing else makes one. */
export interface RegisteredTool {
  readonly tool: Tool.Any
  readonly version: string
  readonly timeoutMillis: number
  readonly decode: (args: Canonical.Json) => Effect.Effect<unknown, Schema.SchemaError>
  readonly encode: (decoded: unknown) => Effect.Effect<Canonical.Json, Schema.SchemaError>
  readonly handle: (decoded: unknown, context: ToolContext) => Effect.Effect<Canonical.Json, ToolFailed, Scope.Scope>
}

/** A tool that can't be registered, found at start. `detail` says what to mend. */
export class ToolInvalid extends Schema.TaggedError<ToolInvalid>()("ToolInvalid", {
  tool: Schema.String,
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return `tool ${this.tool}: ${this.detail}`
  }
}

/** A registered tool as the executor sees it. */
export interface Entry {
  readonly descriptor: ToolDescriptor
  readonly timeoutMillis: number
  /** The arguments in their canonical form. */
  readonly check: (args: Canonical.Json) => Effect.Effect<Canonical.Json, ArgumentsInvalid>
  /** Decodes and runs. For the executor alone, after it has spent a permit. */
  readonly run: (
    args: Canonical.Json,
    context: ToolContext
  ) => Effect.Effect<Canonical.Json, ToolFailed | ArgumentsInvalid, Scope.Scope>
}

export class ToolRegistry extends Context.Service<
  ToolRegistry,
  {
    /** By name, in code unit order. */
    readonly descriptors: ReadonlyArray<ToolDescriptor>
    readonly find: (name: string) => Entry | undefined
  }
>()("keelson/tool-executor/ToolRegistry") {}

/** Joins an Effect AI tool and its handler. Checked by `make`, where a mistake has a place to be told. */
export const register = <Parameters extends Codec, Success extends Codec>(
  tool: AnyTool<Parameters, Success>,
  handler: Handler<Parameters["Type"], Success["Type"]>,
  options: RegisterOptions = {}
): RegisteredTool => {
  const parameters = Schema.toCodecJson(tool.parametersSchema)
  const decode = Schema.decodeUnknownEffect(parameters, Arguments.strict)
  const encode = Schema.encodeUnknownEffect(parameters, Arguments.strict)
  const encodeOutput = Schema.encodeUnknownEffect(Schema.toCodecJson(tool.successSchema))
  return {
    tool,
    version: options.version ?? "1",
    timeoutMillis: options.timeoutMillis ?? Bounds.toolMillis,
    decode,
    encode,
    handle: (decoded, context) =>
      handler(decoded, context).pipe(
        Effect.flatMap((output) =>
          encodeOutput(output).pipe(
            Effect.mapError(() => failed(tool.name, "OutputInvalid", "gave a result that its own schema refuses"))
          )
        )
      )
  }
}

/** A failure that a tool tells. `code` is stable; `detail` is for people and models and holds no secret. */
export const failed = (tool: string, code: string, detail: string, retryable = false): ToolFailed =>
  new ToolFailed({ tool, code, detail, retryable })

export const make = Effect.fnUntraced(function* (tools: ReadonlyArray<RegisteredTool>) {
  const digest = yield* Digest
  const entries = new Map<string, Entry>()
  for (const registered of tools) {
    const descriptor = yield* describe(registered, digest.sha256)
    if (entries.has(descriptor.name)) return yield* invalid(descriptor.name, "is registered twice")
    entries.set(descriptor.name, entry(registered, descriptor))
  }
  const descriptors = [...entries.values()].map((found) => found.descriptor)
  descriptors.sort((a, b) => (a.name < b.name ? -1 : 1))
  return ToolRegistry.of({ descriptors, find: (name) => entries.get(name) })
})

export const layer = (tools: ReadonlyArray<RegisteredTool>): Layer.Layer<ToolRegistry, ToolInvalid, Digest> =>
  Layer.effect(ToolRegistry, make(tools))

/** For tools that are made from resources, such as `FileTools.make`. */
export const layerEffect = <E, R>(
  tools: Effect.Effect<ReadonlyArray<RegisteredTool>, E, R>
): Layer.Layer<ToolRegistry, E | ToolInvalid, Digest | Exclude<R, Scope.Scope>> =>
  Layer.effect(ToolRegistry, Effect.flatMap(tools, make))

/** What everyone may know of the registry. */
export const layerCatalog: Layer.Layer<ToolCatalog, never, ToolRegistry> = Layer.effect(
  ToolCatalog,
  Effect.map(ToolRegistry, (registry) =>
    ToolCatalog.of({
      tools: Effect.succeed(registry.descriptors),
      find: (name) => Effect.succeed(registry.find(name)?.descriptor ?? null),
      check: (name, args) => {
        const found = registry.find(name)
        return found === undefined
          ? Effect.fail(Arguments.invalid(name, `there is no such tool; there are: ${listed(registry.descriptors)}`))
          : found.check(args)
      },
      admits: (name) =>
        Effect.succeed(registry.find(name) === undefined ? null : "this service has a tool of that name")
    })
  )
)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** No character of a name may end a line of `Permit.digestInput` or need quoting where people read it. */
const namePattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/

const invalid = (tool: string, detail: string) =>
  new ToolInvalid({ tool: Arguments.plain(tool), detail, retryable: false })

const listed = (descriptors: ReadonlyArray<ToolDescriptor>) => descriptors.map((tool) => tool.name).join(", ")

const describe = Effect.fnUntraced(function* (registered: RegisteredTool, sha256: Digest["Service"]["sha256"]) {
  const { tool, version, timeoutMillis } = registered
  const name = tool.name
  if (!namePattern.test(name)) {
    return yield* invalid(name, "a name is a letter and up to 63 letters, digits, dots, dashes or underscores")
  }
  if (!Ai.isUserDefined(tool)) {
    return yield* invalid(name, "is not made by Tool.make: no permit guards it, or no schema checks its arguments")
  }
  if (tool.needsApproval !== undefined && tool.needsApproval !== false) {
    return yield* invalid(name, "asks for approval itself; who must approve is for the policies to say")
  }
  if (!(Number.isInteger(timeoutMillis) && timeoutMillis >= 1 && timeoutMillis <= Bounds.toolMillisMax)) {
    return yield* invalid(name, `timeoutMillis is a whole number from 1 to ${Bounds.toolMillisMax}`)
  }
  const description = Ai.getDescription(tool) ?? ""
  const inputSchema = yield* jsonSchema(registered)
  return {
    name,
    description,
    inputSchema,
    hash: sha256(Canonical.encode({ name, description, inputSchema, version })),
    idempotent: Context.get(tool.annotations, Ai.Idempotent),
    executor: null
  } satisfies ToolDescriptor
})

/** Effect's own generation; `error` because `check` refuses what the schema does not name. */
const jsonSchema = Effect.fnUntraced(function* ({ tool }: RegisteredTool) {
  const document = yield* Effect.try({
    try: () => Schema.toJsonSchemaDocument(tool.parametersSchema, { onExcessProperty: "error" }),
    catch: () => invalid(tool.name, "its parameters have no JSON Schema")
  })
  const defs = Object.keys(document.definitions).length > 0 ? { $defs: document.definitions } : {}
  const schema = JSON.parse(JSON.stringify({ ...document.schema, ...defs })) as {
    readonly [key: string]: Canonical.Json
  }
  if (schema["type"] !== "object") return yield* invalid(tool.name, "its parameters are not an object")
  return schema
})

const entry = (registered: RegisteredTool, descriptor: ToolDescriptor): Entry => {
  const { check, decode } = Arguments.checker(descriptor.name, registered)
  return {
    descriptor,
    timeoutMillis: registered.timeoutMillis,
    check,
    run: (args, context) => Effect.flatMap(decode(args), (decoded) => registered.handle(decoded, context))
  }
}
