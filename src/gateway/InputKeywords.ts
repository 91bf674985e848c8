/**
 * The keywords of JSON Schema (draft 2020-12) that a declared tool may use, and what each of them takes.
 *
 * Owns the vocabulary of one schema. Does not own what schemas come to together (`InputSchema`) nor the check of
 * arguments by them (`ToolCatalog`).
 *
 * Invariant: what stands here is held against every argument or promises nothing. Anything else is refused, misspelt
 * words and values of a wrong type too: who wrote a limit believes that it holds.
 */
import type { Json } from "../kernel/Canonical.ts"

export type Node = { readonly [key: string]: Json }
export type Path = ReadonlyArray<string | number>

export const isNode = (value: Json | undefined): value is Node =>
  typeof value === "object" && value !== null && !Array.isArray(value)

type Child = readonly [steps: Path, child: Json]

/** The schemas in one schema, where they stand. Definitions are among them only where they are asked for. */
export const children = (node: Node, definitions = false): ReadonlyArray<Child> =>
  Object.entries(node).flatMap(([keyword, value]): ReadonlyArray<Child> => {
    switch (keyword === "$defs" && !definitions ? undefined : keywords.get(keyword)?.takes) {
      case "schema":
        return [[[keyword], value]]
      case "schemas":
        return Array.isArray(value) ? value.map((child: Json, index) => [[keyword, index], child]) : []
      case "named schemas":
        return isNode(value) ? Object.entries(value).map(([name, child]) => [[keyword, name], child]) : []
      default:
        return []
    }
  })

/** What is wrong with the keywords of one schema, not of those in it. */
export const fault = (node: Node, isRoot: boolean): { readonly path: Path; readonly detail: string } | null => {
  for (const [name, value] of Object.entries(node)) {
    const detail = faultOf(name, value, node, isRoot)
    if (detail !== null) return { path: [name], detail }
  }
  return null
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const types = ["null", "boolean", "integer", "number", "string", "array", "object"] as const
type Type = (typeof types)[number]

/** What a value must be, in the words that refuse another one. */
const takes = {
  anything: () => true,
  schema: (value: Json) => typeof value === "boolean" || isNode(value),
  schemas: (value: Json) => Array.isArray(value) && value.length > 0 && value.every(takes.schema),
  "named schemas": (value: Json) => isNode(value) && Object.values(value).every(takes.schema),
  "true or false": (value: Json) => typeof value === "boolean",
  "a number": (value: Json) => typeof value === "number",
  "a number above 0": (value: Json) => typeof value === "number" && value > 0,
  "a whole number from 0": (value: Json) => Number.isSafeInteger(value) && Number(value) >= 0,
  "a list of names": (value: Json) => Array.isArray(value) && value.every((name) => typeof name === "string"),
  "text, a number, true, false or null": (value: Json) => typeof value !== "object" || value === null,
  "a list of texts, numbers, true, false or null": (value: Json) =>
    Array.isArray(value) && value.length > 0 && value.every(takes["text, a number, true, false or null"]),
  "a type, or a list of different ones": (value: Json) => {
    const named: ReadonlyArray<Json> = Array.isArray(value) ? value : [value]
    // One that stood twice would be expanded twice.
    return named.length > 0 && new Set(named).size === named.length && named.every((name) => isOneOf(types, name))
  },
  "a text": (value: Json) => typeof value === "string",
  "{} alone": (value: Json) => isNode(value) && Object.keys(value).length === 0,
  "https://json-schema.org/draft/2020-12/schema": (value: Json) =>
    value === "https://json-schema.org/draft/2020-12/schema"
}

interface Keyword {
  readonly takes: keyof typeof takes
  /** The types that it says something of; without them it says something of all. */
  readonly of?: ReadonlyArray<Type>
  readonly atRoot?: true
}

const numbers = ["number", "integer"] as const

const keywords: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ["type", { takes: "a type, or a list of different ones" }],
  ["enum", { takes: "a list of texts, numbers, true, false or null" }],
  ["const", { takes: "text, a number, true, false or null" }],
  ["$ref", { takes: "a text" }],
  ["$defs", { takes: "named schemas", atRoot: true }],
  ["allOf", { takes: "schemas" }],
  ["anyOf", { takes: "schemas" }],
  ["oneOf", { takes: "schemas" }],
  ["not", { takes: "{} alone" }],
  ["properties", { takes: "named schemas", of: ["object"] }],
  ["required", { takes: "a list of names", of: ["object"] }],
  ["additionalProperties", { takes: "schema", of: ["object"] }],
  ["propertyNames", { takes: "schema", of: ["object"] }],
  ["minProperties", { takes: "a whole number from 0", of: ["object"] }],
  ["maxProperties", { takes: "a whole number from 0", of: ["object"] }],
  ["items", { takes: "schema", of: ["array"] }],
  ["prefixItems", { takes: "schemas", of: ["array"] }],
  ["minItems", { takes: "a whole number from 0", of: ["array"] }],
  ["maxItems", { takes: "a whole number from 0", of: ["array"] }],
  ["uniqueItems", { takes: "true or false", of: ["array"] }],
  ["minLength", { takes: "a whole number from 0", of: ["string"] }],
  ["maxLength", { takes: "a whole number from 0", of: ["string"] }],
  ["minimum", { takes: "a number", of: numbers }],
  ["maximum", { takes: "a number", of: numbers }],
  ["exclusiveMinimum", { takes: "a number", of: numbers }],
  ["exclusiveMaximum", { takes: "a number", of: numbers }],
  ["multipleOf", { takes: "a number above 0", of: numbers }],
  // These promise nothing.
  ["$schema", { takes: "https://json-schema.org/draft/2020-12/schema", atRoot: true }],
  ["$id", { takes: "a text", atRoot: true }],
  ["$comment", { takes: "anything" }],
  ["title", { takes: "anything" }],
  ["description", { takes: "anything" }],
  ["default", { takes: "anything" }],
  ["examples", { takes: "anything" }],
  ["deprecated", { takes: "anything" }],
  ["readOnly", { takes: "anything" }],
  ["writeOnly", { takes: "anything" }]
])

/** Words of the standard that are known, and why they are not taken. */
const refusals: ReadonlyMap<string, string> = new Map([
  ["format", "is not checked, so it would promise what does not hold"],
  ["pattern", "is not taken: a pattern can run for ever"],
  ["patternProperties", "is not taken: a pattern can run for ever"]
])

const faultOf = (name: string, value: Json, node: Node, isRoot: boolean): string | null => {
  const keyword = keywords.get(name)
  if (keyword === undefined) return refusals.get(name) ?? `${told(name)} is not understood, so it would not hold`
  if (keyword.atRoot && !isRoot) return "stands at the root alone"
  if (!takes[keyword.takes](value)) return `takes ${words[keyword.takes] ?? keyword.takes}`
  const { type } = node
  const named: ReadonlyArray<Json> = Array.isArray(type) ? type : [type ?? null]
  return type === undefined || keyword.of === undefined || keyword.of.some((one) => named.includes(one))
    ? null
    : "says nothing of the type that stands beside it"
}

const words: { readonly [T in Keyword["takes"]]?: string } = {
  schema: "a schema: an object, true or false",
  schemas: "a list of schemas, one at least",
  "named schemas": "an object of schemas"
}

const isOneOf = (all: ReadonlyArray<Json>, one: Json): boolean => all.includes(one)

/** The caller's own word, where it can do nothing to a terminal. */
const told = (name: string): string => (/^[!-~]{1,40}$/.test(name) ? `"${name}"` : "this keyword")
