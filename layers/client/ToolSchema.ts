/** The JSON Schema of a tool's arguments, as the service takes it. */
import * as Schema from "effect/Schema"
import * as InputKeywords from "#src/gateway/InputKeywords.ts"

/** Closed to what it does not name, as the service asks. */
export const of = (parameters: Schema.Top): Schema.Json => {
  const document = Schema.toJsonSchemaDocument(parameters, { onExcessProperty: "error" })
  const defs = Object.keys(document.definitions).length > 0 ? { $defs: document.definitions } : {}
  const inputSchema = JSON.parse(JSON.stringify({ ...document.schema, ...defs })) as { [key: string]: Schema.Json }
  leaveOutUnchecked(inputSchema)
  return inputSchema
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** What the service does not check, it does not take: the tool's own schema holds to it, when arguments arrive. */
const unchecked = ["format", "contentEncoding", "contentMediaType", "contentSchema"]

/** In place: nobody else holds it. */
const leaveOutUnchecked = (schema: { [key: string]: Schema.Json }): void => {
  for (const keyword of unchecked) delete schema[keyword]
  for (const [, child] of InputKeywords.children(schema, true)) {
    if (InputKeywords.isNode(child)) leaveOutUnchecked(child as { [key: string]: Schema.Json })
  }
}
