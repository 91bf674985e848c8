/**
 * What `docs/policies.md` shows, executed. Its code blocks are the regions of this file and the files in `policies/`.
 */
import { readFile, readdir } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Tool from "effect/ai/Tool"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as CedarPolicyEngine from "#layers/policy-engine/CedarPolicyEngine.ts"
import { describe as describeTool, fromTools } from "#layers/policy-engine/CedarSchema.ts"
import * as VolatilePolicyEngine from "#layers/policy-engine/VolatilePolicyEngine.ts"
import * as StandardTools from "#layers/tool-executor/StandardTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import { PolicyEngine, type PolicyQuestion } from "#src/ports/PolicyEngine.ts"
import { ToolCatalog } from "#src/ports/ToolExecutor.ts"
import { actor } from "#test/kit/decider.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

// #region tool
const SendPayment = Tool.make("payment.send", {
  description: "Sends money.",
  parameters: Schema.Struct({
    amount: Schema.Finite,
    currency: Schema.Literals(["EUR", "CHF"]),
    country: Schema.optionalKey(Schema.String),
    purpose: Schema.Array(Schema.String),
    due: Schema.Union([Schema.Int, Schema.String])
  })
})
// #endregion

const samples = join(import.meta.dirname, "policies")
const text = (name: string) => readFile(join(samples, name), "utf8")

const world = Layer.unwrap(
  Effect.map(TemporaryFolder.make, (root) =>
    ToolRegistry.layerCatalog.pipe(
      Layer.provide(
        ToolRegistry.layerEffect(
          Effect.map(StandardTools.make({ workspace: { root } }), (tools) => [
            ...tools,
            ToolRegistry.register(SendPayment, () => Effect.void)
          ])
        )
      ),
      Layer.provideMerge(NodeDigest.layer)
    )
  )
)

const question = (tool: string, args: PolicyQuestion["arguments"]): PolicyQuestion => ({
  actor: actor("AGENT", "assistant"),
  roles: ["purchasing"],
  tool,
  arguments: args,
  sessionId: "ses_1",
  ownerId: "ann"
})

const payment = (amount: number, country?: string): PolicyQuestion =>
  question("payment.send", {
    amount,
    currency: "EUR",
    purpose: [],
    due: 0,
    ...(country === undefined ? {} : { country })
  })

const sample = (name: string) =>
  Effect.flatMap(
    Effect.promise(() => text(name)),
    (written) => Effect.map(Layer.build(VolatilePolicyEngine.layerText({ [name]: written })), Context.get(PolicyEngine))
  )

// #region layers
const fromFolder = CedarPolicyEngine.layer({ folder: "config/policies" })

const fromCode = VolatilePolicyEngine.layerText({
  "agents.cedar": `@id("agents-read") permit (principal is Agent, action == Action::"file.read", resource);`
})
// #endregion

describe("docs/policies.md", () => {
  it.effect("permits notes and forbids drafts", () =>
    Effect.gen(function* () {
      const { decide } = yield* sample("notes.cedar")
      const effects = yield* Effect.forEach(["notes/a.txt", "a.txt", "notes/draft.txt"], (path) =>
        Effect.map(decide(question("file.read", { path })), ({ effect, policies }) => [effect, ...policies])
      )
      assert.deepStrictEqual(effects, [["Run", "agents-read-notes"], ["Deny"], ["Deny", "no-drafts"]])
    }).pipe(Effect.provide(world))
  )

  it.effect("asks one person for small payments and two for large ones", () =>
    Effect.gen(function* () {
      const { decide } = yield* sample("payments.cedar")
      const small = yield* decide(payment(100, "DE"))
      assert.deepStrictEqual([small.effect, small.approvers], ["Ask", ["bookkeeper"]])
      const large = yield* decide(payment(100.01, "DE"))
      assert.deepStrictEqual([large.effect, large.approvers], ["AskTwo", ["bookkeeper", "treasurer"]])
      assert.strictEqual((yield* decide({ ...payment(100.01, "DE"), roles: [] })).effect, "Deny")
      for (const asked of [payment(1), payment(1, "XX")]) {
        assert.deepStrictEqual((yield* decide(asked)).policies, ["known-countries"])
      }
    }).pipe(Effect.provide(world))
  )

  it.effect("tells every mistake at once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(sample("broken.cedar"))
      assert(error._tag === "PolicyError")
      assert.strictEqual(`${error.message}\n`, yield* Effect.promise(() => text("broken.txt")))
    }).pipe(Effect.provide(world))
  )

  it.effect("lists what policies see of a tool", () =>
    Effect.gen(function* () {
      const tools = yield* (yield* ToolCatalog).tools
      const view = fromTools(tools).tools.get("payment.send")
      assert(view !== undefined)
      assert.strictEqual(`${describeTool(view).join("\n")}\n`, yield* Effect.promise(() => text("payment-send.txt")))
    }).pipe(Effect.provide(world))
  )

  it.effect("builds an engine from code, and refuses a folder that is not there", () =>
    Effect.gen(function* () {
      const inCode = Context.get(yield* Layer.build(fromCode), PolicyEngine)
      assert.strictEqual((yield* inCode.decide(question("file.read", { path: "x" }))).effect, "Run")
      const error = yield* Effect.flip(Layer.build(fromFolder))
      assert.include(error.message, "config/policies")
    }).pipe(Effect.provide(world))
  )

  it.effect("shows no code but what runs here or ships", () =>
    Effect.promise(async () => {
      const read = (path: string) => readFile(path, "utf8")
      const source = await read(join(import.meta.dirname, "policies.test.ts"))
      const regions = [...source.matchAll(/^\/\/ #region .*\n([^]*?)^\/\/ #endregion$/gm)].map((found) => found[1]!)
      const files = await Promise.all((await readdir(samples)).map(text))
      const allowed = new Set([...regions, ...files])
      const blocks = [...(await read(join(samples, "../../policies.md"))).matchAll(/^```\w*\n([^]*?)^```$/gm)]
      assert.deepStrictEqual(
        blocks.map((found) => found[1]!).filter((block) => !allowed.has(block)),
        []
      )
      assert.strictEqual(new Set(blocks.map((found) => found[1])).size, allowed.size)
    })
  )
})
