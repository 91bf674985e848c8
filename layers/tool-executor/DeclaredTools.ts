/**
 * The tools that this service runs, and those that agents declared and run elsewhere, as one catalog.
 *
 * Owns the look-up of declared tools in the journal's rows and the check of arguments against their JSON Schemas. Does
 * not own declaring (`gateway/DeclaredTool`).
 *
 * Invariants: a tool of the service is never shadowed; a schema that can't be checked whole (a keyword that is not
 * understood, a pattern, which may run for ever) is not admitted, so no part of it is silently skipped; what a schema
 * and a check come to is counted before either is begun (`gateway/InputSchema`).
 */
import * as Effect from "effect/Effect"
import * as JsonSchema from "effect/JsonSchema"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import * as InputSchema from "#src/gateway/InputSchema.ts"
import * as Questions from "#src/gateway/Questions.ts"
import type { Rows } from "#src/ports/EventStore.ts"
import { ToolCatalog, type ToolDescriptor } from "#src/ports/ToolExecutor.ts"
import * as Arguments from "./Arguments.ts"

export const make = Effect.gen(function* () {
  const own = yield* ToolCatalog
  const questions = yield* Questions.make
  const checkers = new Map<string, Checker>()

  /** A definition never changes under its hash, so neither does its checker. */
  const checkerOf = (tool: Questions.ToolRow): Checker => {
    const known = checkers.get(tool.hash)
    if (known !== undefined) return known
    const made = checking(tool.name, Canonical.decode(tool.inputSchemaText))
    checkers.set(tool.hash, made)
    return made
  }

  /** Bounded by what may be declared. */
  const declared = Effect.gen(function* () {
    const found: Array<Questions.ToolRow> = []
    let after: Questions.PageRequest["after"] = undefined
    for (;;) {
      const page: Questions.Page<Questions.ToolRow> = yield* questions.tools({}, { limit: Bounds.pageMax, after })
      found.push(...page.items)
      if (page.next === null) return found.filter(({ status }) => status === "Declared").map(describe)
      after = page.next
    }
  })

  const standing = (name: string) =>
    Effect.map(questions.tool(name), (row) => (row?.status === "Declared" ? row : null))

  return ToolCatalog.of({
    tools: Effect.gen(function* () {
      const all = [...(yield* own.tools), ...(yield* declared)]
      return all.sort((a, b) => (a.name < b.name ? -1 : 1))
    }),
    find: Effect.fnUntraced(function* (name) {
      const mine = yield* own.find(name)
      if (mine !== null) return mine
      const row = yield* standing(name)
      return row === null ? null : describe(row)
    }),
    check: Effect.fnUntraced(function* (name, args) {
      if ((yield* own.find(name)) !== null) return yield* own.check(name, args)
      const row = yield* standing(name)
      return yield* row === null ? own.check(name, args) : checkerOf(row).check(args)
    }),
    admits: (name, inputSchema) =>
      Effect.map(own.admits(name, inputSchema), (refused) => refused ?? faultOf(inputSchema))
  })
})

/** Replaces the catalog it stands on by one that knows the journal's tools too. */
export const layer: Layer.Layer<ToolCatalog, never, ToolCatalog | Rows> = Layer.effect(ToolCatalog, make)

/**
 * The tools that a service elsewhere told of, and no others, over a catalog whose own checks hold for the very same
 * tool. Of the others, those of an app may have a schema that can't be checked here: they take no arguments.
 */
export const layerTold = (told: ReadonlyArray<ToolDescriptor>): Layer.Layer<ToolCatalog, never, ToolCatalog> =>
  Layer.effect(
    ToolCatalog,
    Effect.gen(function* () {
      const own = yield* ToolCatalog
      const tools = new Map(told.map((tool) => [tool.name, tool]))
      return ToolCatalog.of({
        ...own,
        tools: Effect.succeed(told),
        find: (name) => Effect.succeed(tools.get(name) ?? null),
        check: Effect.fnUntraced(function* (name, args) {
          const tool = tools.get(name)
          if (tool === undefined) return yield* Arguments.invalid(name, "there is no such tool")
          if ((yield* own.find(name))?.hash === tool.hash) return yield* own.check(name, args)
          const fault = faultOf(tool.inputSchema)
          if (fault !== null) return yield* Arguments.invalid(name, fault)
          return yield* checking(name, tool.inputSchema).check(args)
        })
      })
    })
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Checker = Pick<ReturnType<typeof Arguments.checker>, "check">

/** Also for a schema that was declared when less was refused: what it comes to is counted with every check. */
const checking = (name: string, inputSchema: Canonical.Json): Checker => {
  const { check } = Arguments.checker(name, codecOf(inputSchema))
  return {
    check: (args) =>
      InputSchema.isWithinSteps(inputSchema, args)
        ? check(args)
        : Effect.fail(Arguments.invalid(name, "too many to be held against all that the tool's schema says of them"))
  }
}

const describe = (row: Questions.ToolRow): ToolDescriptor => ({
  name: row.name,
  description: row.description,
  inputSchema: Canonical.decode(row.inputSchemaText),
  hash: row.hash,
  idempotent: row.idempotent,
  executor: { principalId: row.executorId, leaseMillis: row.leaseMillis, runMillisMax: row.runMillisMax }
})

/** Throws where Effect's importer does not understand the schema whole. */
const codecOf = (inputSchema: Canonical.Json): Arguments.Codec => {
  const document = JsonSchema.fromSchemaDraft2020_12(inputSchema as JsonSchema.JsonSchema)
  const schema = SchemaRepresentation.fromJsonSchemaDocument(document) as Schema.Codec<Canonical.Json, Canonical.Json>
  return {
    decode: Schema.decodeUnknownEffect(schema, Arguments.strict),
    encode: Schema.encodeUnknownEffect(schema, Arguments.strict)
  }
}

const faultOf = (inputSchema: Canonical.Json): string | null => {
  const fault = InputSchema.fault(inputSchema)
  if (fault !== null) {
    const at = InputSchema.pointer(fault)
    return at === "" ? `its schema ${fault.detail}` : `its schema at ${Arguments.plain(at)}: ${fault.detail}`
  }
  try {
    codecOf(inputSchema)
    return null
  } catch (cause) {
    return `its schema can't be checked: ${Arguments.plain(cause instanceof Error ? cause.message : String(cause))}`
  }
}
