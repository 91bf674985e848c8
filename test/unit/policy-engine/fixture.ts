/** Tools, questions and engines for the tests of the policy engine. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CedarPolicyEngine from "#layers/policy-engine/CedarPolicyEngine.ts"
import { layerText } from "#layers/policy-engine/VolatilePolicyEngine.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import { PolicyEngine, type PolicyError, type PolicyQuestion } from "#src/ports/PolicyEngine.ts"
import { ToolCatalog, type ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import { actor } from "#test/kit/decider.ts"

export const tool = (name: string, inputSchema: Json): ToolDescriptor => ({
  name,
  description: "",
  inputSchema,
  hash: NodeDigest.sha256(name),
  idempotent: false,
  executor: null
})

export const object = (properties: { readonly [name: string]: Json }, required = Object.keys(properties)): Json => ({
  type: "object",
  properties,
  required,
  additionalProperties: false
})

const text = { type: "string" }

export const tools: ReadonlyArray<ToolDescriptor> = [
  tool("file.read", object({ path: text })),
  tool("file.list", object({ path: text })),
  tool("file.write", object({ path: text, content: text, mode: text }, ["path", "content"])),
  tool("shell.run", object({ command: text, arguments: { type: "array", items: text } })),
  tool("pay", object({ amount: { type: "number" }, times: { type: "integer" }, to: text }))
]

export const catalog = (descriptors: ReadonlyArray<ToolDescriptor> = tools) =>
  Layer.succeed(ToolCatalog, {
    tools: Effect.succeed(descriptors),
    find: (name) => Effect.succeed(descriptors.find((one) => one.name === name) ?? null),
    check: (_name, args) => Effect.succeed(args),
    admits: () => Effect.succeed(null)
  })

const world = (descriptors?: ReadonlyArray<ToolDescriptor>) => Layer.merge(catalog(descriptors), NodeDigest.layer)

/** An engine over texts, for as long as the test's scope lives. */
export const engine = (texts: { readonly [file: string]: string }, descriptors?: ReadonlyArray<ToolDescriptor>) =>
  Effect.map(Layer.build(Layer.provide(layerText(texts), world(descriptors))), Context.get(PolicyEngine))

/** An engine over a folder. */
export const folderEngine = (folder: string, descriptors?: ReadonlyArray<ToolDescriptor>) =>
  Effect.map(
    Layer.build(Layer.provide(CedarPolicyEngine.layer({ folder }), world(descriptors))),
    Context.get(PolicyEngine)
  )

/** Where the set is refused: `file:line` and detail of each problem. */
export const problems = (texts: { readonly [file: string]: string }, descriptors?: ReadonlyArray<ToolDescriptor>) =>
  Effect.scoped(engine(texts, descriptors)).pipe(Effect.flip, Effect.map(problemsOf))

export const problemsOf = (error: PolicyError | EventStoreError) => {
  if (error._tag === "EventStoreError") throw error
  return error.problems
}

export const agent = actor("AGENT", "assistant")
export const person = actor("HUMAN", "ann")

export const question = (tool: string, args: Json, more: Partial<PolicyQuestion> = {}): PolicyQuestion => ({
  actor: agent,
  roles: [],
  tool,
  arguments: args,
  sessionId: "ses_1",
  ownerId: "ann",
  ...more
})

/** One decision of one engine. */
export const decide = (texts: { readonly [file: string]: string }, asked: PolicyQuestion) =>
  Effect.scoped(Effect.flatMap(engine(texts), ({ decide }) => decide(asked)))

export const read = question("file.read", { path: "notes.txt" })
export const write = question("file.write", { path: "notes.txt", content: "hello" })
