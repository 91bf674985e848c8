/** The tools that a service elsewhere told of, as the catalog of a program beside it. */
import { assert, describe, it } from "@effect/vitest"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as DeclaredTools from "#layers/tool-executor/DeclaredTools.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { ToolCatalog, type ToolDescriptor } from "#src/ports/ToolExecutor.ts"

/** Its pattern can be checked by this program alone. */
const Own = Tool.make("own", {
  description: "Runs here",
  parameters: Schema.Struct({ text: Schema.String.check(Schema.isPattern(/^a+$/u)) })
})

const catalog = ToolRegistry.layerCatalog.pipe(
  Layer.provide(ToolRegistry.layer([ToolRegistry.register(Own, () => Effect.void)])),
  Layer.provide(NodeDigest.layer)
)

const closed = (properties: Json) => ({ type: "object", properties, additionalProperties: false })

const tool = (name: string, inputSchema: Json): ToolDescriptor => ({
  name,
  description: "",
  inputSchema,
  hash: NodeDigest.sha256(name),
  idempotent: false,
  executor: null
})

/** What the check says where `own` is told as it is here, beside `others`; null where it takes the arguments. */
const told = (others: ReadonlyArray<ToolDescriptor>, withOwn: boolean, name: string, args: Json) =>
  Effect.gen(function* () {
    const own = yield* Effect.flatMap(ToolCatalog, ({ tools }) => tools)
    const all = withOwn ? [...own, ...others] : others
    const check = Effect.flatMap(ToolCatalog, (elsewhere) => elsewhere.check(name, args))
    return yield* check.pipe(
      Effect.provide(DeclaredTools.layerTold(all)),
      Effect.match({ onSuccess: () => null, onFailure: ({ message }) => message })
    )
  }).pipe(Effect.provide(catalog))

describe("the tools that a service told of", () => {
  it.effect("are checked by this program's own tool where it is the very same", () =>
    Effect.gen(function* () {
      assert.isNull(yield* told([], true, "own", { text: "aaa" }))
      assert.include(yield* told([], true, "own", { text: "b" }), "own: ")
    })
  )

  it.effect("are checked by the schema that was told where it is another one, of the same name too", () =>
    Effect.gen(function* () {
      const others = [tool("far", closed({ many: { type: "integer" } })), tool("own", closed({ b: {} }))]
      assert.isNull(yield* told(others, false, "far", { many: 1 }))
      assert.include(yield* told(others, false, "far", { many: "1" }), "far: ")
      assert.isNull(yield* told(others, false, "own", { b: 1 }))
      assert.include(yield* told(others, false, "own", { text: "aaa" }), "own: ")
    })
  )

  it.effect("take nothing where their schema can't be checked here, and are none where they were not told", () =>
    Effect.gen(function* () {
      const others = [tool("far", closed({ text: { type: "string", pattern: "(a+)+$" } }))]
      assert.include(yield* told(others, false, "far", { text: "a" }), "its schema at /properties/text/pattern")
      assert.include(yield* told(others, false, "own", { text: "aaa" }), "there is no such tool")
    })
  )
})
