/**
 * What policies can see: a Cedar schema made from the tools there are.
 *
 *   principal  Agent | Person | System, each in Role
 *   action     Action::"<tool>"
 *   resource   Session, with owner: Person
 *   context    { arguments: what the tool's JSON Schema says }
 *
 * | JSON Schema (draft 2020-12)                        | Cedar                                             |
 * | string; enum or const of strings                   | String                                            |
 * | integer; number with an enum of whole numbers      | Long                                              |
 * | number                                             | decimal: at most four digits after the point      |
 * | boolean                                            | Bool                                              |
 * | array whose elements are all of one type           | Set: no order, no duplicates                      |
 * | object with properties                             | Record                                            |
 * | not required; null or one of the above             | optional, and absent where null                   |
 * | anything else; names that begin with two underlines | left out, and named with the reason in `leftOut` |
 *
 * Owns the types. Does not own values (`CedarContext`) nor policies. Pure: the same tools give the same schema.
 */
import type { NamespaceDefinition, SchemaJson, Type, TypeOfAttribute } from "@cedar-policy/cedar-wasm/nodejs"
import * as Bounds from "#src/kernel/Bounds.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import type { ToolDescriptor } from "#src/ports/ToolExecutor.ts"

/** The type of one argument, as far as policies see it. */
export type Shape =
  | { readonly _tag: "String" | "Long" | "Decimal" | "Bool" }
  | { readonly _tag: "Set"; readonly element: Shape }
  | RecordShape

export interface RecordShape {
  readonly _tag: "Record"
  readonly fields: ReadonlyMap<string, Field>
  /** Names the tool's schema has, but policies can't see. */
  readonly unseen: ReadonlySet<string>
  /** Whether the tool's schema asks for more names than it lists. */
  readonly open: boolean
}

export interface Field {
  readonly shape: Shape
  readonly optional: boolean
  /** Null is admitted, and means absent. */
  readonly nullable: boolean
}

/** An argument that policies can't see: where (`arguments.a.b`) and why not. */
export interface LeftOut {
  readonly path: string
  readonly why: string
}

export interface ToolView {
  readonly tool: string
  readonly arguments: RecordShape
  readonly leftOut: ReadonlyArray<LeftOut>
}

export interface Vocabulary {
  readonly schema: SchemaJson<string>
  readonly tools: ReadonlyMap<string, ToolView>
}

export const principalTypes = { HUMAN: "Person", AGENT: "Agent", SYSTEM: "System" } as const

export const fromTools = (tools: ReadonlyArray<ToolDescriptor>): Vocabulary => {
  const sorted = [...tools].sort((a, b) => (a.name < b.name ? -1 : 1))
  const views = new Map(sorted.map((tool) => [tool.name, viewOf(tool)]))
  const principals = Object.values(principalTypes)
  const namespace: NamespaceDefinition<string> = {
    entityTypes: {
      Role: {},
      ...Object.fromEntries(principals.map((type) => [type, { memberOfTypes: ["Role"] }])),
      Session: { shape: { type: "Record", attributes: { owner: { type: "Entity", name: "Person" } } } }
    },
    actions: Object.fromEntries(
      [...views.values()].map((view) => [
        view.tool,
        {
          appliesTo: {
            principalTypes: principals,
            resourceTypes: ["Session"],
            context: { type: "Record", attributes: { arguments: typeOf(view.arguments) } }
          }
        }
      ])
    )
  }
  return { schema: { "": namespace }, tools: views }
}

/** One line per argument of a tool: what a policy writes, its type, and what it can't see. */
export const describe = (view: ToolView): ReadonlyArray<string> => [
  ...describeRecord(view.arguments, "context.arguments"),
  ...view.leftOut.map(({ path, why }) => `context.${path}: left out, ${why}`)
]

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Node = { readonly [key: string]: Json }

/** A type, or why there is none. */
type Derived = { readonly shape: Shape; readonly nullable: boolean } | { readonly why: string }

/** What one tool's derivation shares: definitions to refer to, what was left out, how much was looked at. */
interface Derivation {
  readonly definitions: Node
  readonly leftOut: Array<LeftOut>
  visits: number
}

const nothing: RecordShape = { _tag: "Record", fields: new Map(), unseen: new Set(), open: true }

const viewOf = (tool: ToolDescriptor): ToolView => {
  const root = isNode(tool.inputSchema) ? tool.inputSchema : {}
  const definitions = isNode(root["$defs"]) ? root["$defs"] : {}
  const derivation: Derivation = { definitions, leftOut: [], visits: 0 }
  const derived = derive(root, "arguments", 0, derivation)
  if ("shape" in derived && derived.shape._tag === "Record") {
    const leftOut = new Map(derivation.leftOut.map((one) => [one.path, one]))
    return { tool: tool.name, arguments: derived.shape, leftOut: [...leftOut.values()] }
  }
  const why = "why" in derived ? derived.why : "its schema is not an object"
  return { tool: tool.name, arguments: nothing, leftOut: [{ path: "arguments", why }] }
}

const derive = (node: Json | undefined, path: string, depth: number, derivation: Derivation): Derived => {
  derivation.visits += 1
  if (derivation.visits > Bounds.policyArgumentNodesMax) return { why: "the tool's schema is too large" }
  if (depth > Bounds.policyArgumentDepthMax) return { why: `deeper than ${Bounds.policyArgumentDepthMax} levels` }
  if (!isNode(node)) return { why: "its schema says nothing about it" }
  const reference = node["$ref"]
  if (typeof reference === "string") return derive(resolve(reference, derivation), path, depth + 1, derivation)
  const alternatives = node["type"] === undefined ? (node["anyOf"] ?? node["oneOf"]) : undefined
  if (Array.isArray(alternatives)) return deriveAlternatives(alternatives, path, depth, derivation)
  const types = typesOf(node)
  const type = types.find((name) => name !== "null")
  if (type === undefined) return { why: types.length > 0 ? "it is always null" : "its schema names no type" }
  if (types.some((name) => name !== "null" && name !== type)) return { why: severalTypes }
  const shape = shapeOf(type, node, path, depth, derivation)
  return "why" in shape ? shape : { shape, nullable: types.includes("null") }
}

/** One type beside null is that type; several are none. */
const deriveAlternatives = (
  alternatives: ReadonlyArray<Json>,
  path: string,
  depth: number,
  derivation: Derivation
): Derived => {
  const isNull = (one: Json) => isNode(one) && one["type"] === "null"
  const others = alternatives.filter((one) => !isNull(one))
  if (others.length !== 1) return { why: severalTypes }
  const derived = derive(others[0], path, depth + 1, derivation)
  return "why" in derived || others.length === alternatives.length ? derived : { ...derived, nullable: true }
}

const severalTypes = "it may be of several types"

const shapeOf = (
  type: string,
  node: Node,
  path: string,
  depth: number,
  derivation: Derivation
): Shape | { readonly why: string } => {
  switch (type) {
    case "string":
      return { _tag: "String" }
    case "integer":
      return { _tag: "Long" }
    case "number":
      return { _tag: isEnumOfIntegers(node) ? "Long" : "Decimal" }
    case "boolean":
      return { _tag: "Bool" }
    case "array":
      return setOf(node, path, depth, derivation)
    case "object":
      return recordOf(node, path, depth, derivation)
    default:
      return { why: "its type is unknown to JSON Schema" }
  }
}

const setOf = (node: Node, path: string, depth: number, derivation: Derivation): Shape | { readonly why: string } => {
  const first = Array.isArray(node["prefixItems"]) ? node["prefixItems"] : []
  const elements = isNode(node["items"]) ? [...first, node["items"]] : first
  let element: Shape | undefined
  for (const one of elements) {
    const derived = derive(one, `${path}[]`, depth + 1, derivation)
    if ("why" in derived) return { why: `of its elements: ${derived.why}` }
    if (derived.nullable) return { why: "of its elements: they may be null" }
    if (element !== undefined && !same(element, derived.shape)) return { why: "its elements are of several types" }
    element = derived.shape
  }
  return element === undefined ? { why: "its schema says nothing about its elements" } : { _tag: "Set", element }
}

const recordOf = (
  node: Node,
  path: string,
  depth: number,
  derivation: Derivation
): Shape | { readonly why: string } => {
  const more = node["additionalProperties"]
  const open = more === true || isNode(more) || isNode(node["patternProperties"])
  const properties = isNode(node["properties"]) ? Object.entries(node["properties"]) : []
  if (properties.length === 0 && open) return { why: "its schema lists no names" }
  const required = Array.isArray(node["required"]) ? node["required"] : []
  const fields = new Map<string, Field>()
  const unseen = new Set<string>()
  for (const [name, property] of properties) {
    const at = `${path}.${name}`
    const derived = unspeakable(name) ?? derive(property, at, depth + 1, derivation)
    if ("why" in derived) {
      unseen.add(name)
      if (derivation.leftOut.length < Bounds.policyArgumentNodesMax) derivation.leftOut.push({ path: at, ...derived })
    } else {
      fields.set(name, { ...derived, optional: !required.includes(name) })
    }
  }
  return { _tag: "Record", fields, unseen, open }
}

/** Cedar reads `__entity` and `__extn` in values as escapes; JavaScript reads `__proto__` as another thing. */
const unspeakable = (name: string): { readonly why: string } | undefined => {
  if (name.startsWith("__")) return { why: "its name begins with two underlines" }
  return /\p{Surrogate}/u.test(name) ? { why: "its name is not whole Unicode text" } : undefined
}

const isNode = (value: Json | undefined): value is Node =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** `#/$defs/<name>` (RFC 6901); anything else is not followed. */
const resolve = (reference: string, derivation: Derivation): Json | undefined => {
  const name = /^#\/\$defs\/([^/]+)$/.exec(reference)?.[1]?.replaceAll("~1", "/").replaceAll("~0", "~")
  return name !== undefined && Object.hasOwn(derivation.definitions, name) ? derivation.definitions[name] : undefined
}

const typesOf = (node: Node): ReadonlyArray<string> => {
  const type = node["type"]
  if (typeof type === "string") return [type]
  if (Array.isArray(type)) return type.filter((name) => typeof name === "string")
  const values = Array.isArray(node["enum"]) ? node["enum"] : Object.hasOwn(node, "const") ? [node["const"]] : []
  return [...new Set(values.map(typeOfValue))]
}

const typeOfValue = (value: Json | undefined): string => {
  if (value === null || value === undefined) return "null"
  if (Array.isArray(value)) return "array"
  return typeof value
}

const isEnumOfIntegers = (node: Node): boolean => {
  const values = Array.isArray(node["enum"]) ? node["enum"] : Object.hasOwn(node, "const") ? [node["const"]] : []
  return values.length > 0 && values.every(Number.isSafeInteger)
}

const same = (a: Shape, b: Shape): boolean => JSON.stringify(typeOf(a)) === JSON.stringify(typeOf(b))

const typeOf = (shape: Shape): Type<string> => {
  switch (shape._tag) {
    case "String":
    case "Long":
      return { type: shape._tag }
    case "Bool":
      return { type: "Boolean" }
    case "Decimal":
      return { type: "Extension", name: "decimal" }
    case "Set":
      return { type: "Set", element: typeOf(shape.element) }
    case "Record": {
      const attributes = [...shape.fields].map(([name, field]): [string, TypeOfAttribute<string>] => [
        name,
        { ...typeOf(field.shape), required: !(field.optional || field.nullable) }
      ])
      return { type: "Record", attributes: Object.fromEntries(attributes) }
    }
  }
}

const describeRecord = (shape: RecordShape, path: string): ReadonlyArray<string> =>
  [...shape.fields].flatMap(([name, field]) => {
    const at = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`
    const maybe = field.optional || field.nullable ? ", may be absent" : ""
    const rest = field.shape._tag === "Record" ? describeRecord(field.shape, at) : []
    return [`${at}: ${nameOf(field.shape)}${maybe}`, ...rest]
  })

const nameOf = (shape: Shape): string => (shape._tag === "Set" ? `Set<${nameOf(shape.element)}>` : shape._tag)
