/**
 * The JSON Schema (draft 2020-12) of a declared tool's arguments: what it must be, and how much of it is taken.
 *
 * Owns what a schema comes to once every reference is written out, and what holding arguments against it comes to. Does
 * not own the keywords (`InputKeywords`) nor the check itself (`ToolCatalog`).
 *
 * Invariants: both are counted before anything is expanded or checked, and the count itself is bounded; a schema that
 * leads back to itself is refused, so there is an end to each.
 */
import { escapeToken, parseUriFragment } from "effect/JsonPointer"
import * as Bounds from "../kernel/Bounds.ts"
import * as Canonical from "../kernel/Canonical.ts"
import type { Json } from "../kernel/Canonical.ts"
import * as InputKeywords from "./InputKeywords.ts"
import { isNode, type Node, type Path } from "./InputKeywords.ts"

/** What is wrong, and where in the schema. */
export interface Fault {
  readonly path: Path
  readonly detail: string
}

/** The first fault; null where the schema can be declared. */
export const fault = (schema: Json): Fault | null => {
  if (!isNode(schema)) return atRoot("is not an object")
  if (schema["type"] !== "object") return atRoot('does not say "type": "object"')
  if (schema["additionalProperties"] !== false) return atRoot('does not say "additionalProperties": false')
  if (Canonical.encode(schema).length > Bounds.toolSchemaTextMax) {
    return atRoot(`holds more than ${Bounds.toolSchemaTextMax} characters`)
  }
  const definitions = isNode(schema["$defs"]) ? schema["$defs"] : {}
  const walk: Walk = { definitions, sizes: new Map(), fault: null }
  visit(walk, schema, [], 0)
  for (const name of Object.keys(definitions)) sizeOf(walk, name, 0)
  return walk.fault
}

/** RFC 6901. */
export const pointer = ({ path }: Fault): string => path.map((step) => `/${escapeToken(String(step))}`).join("")

/** Whether arguments can be held against a schema within `Bounds.toolCheckStepsMax`. Without recursion. */
export const isWithinSteps = (schema: Json, args: Json): boolean => {
  const definitions = isNode(schema) && isNode(schema["$defs"]) ? schema["$defs"] : {}
  const waiting: Array<Pair> = [[schema, args]]
  let steps = 0
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    const [node, value] = pair
    steps += 1 + (isNode(node) && isNode(value) && isNode(node["properties"]) ? size(node["properties"]) : 0)
    if (steps > Bounds.toolCheckStepsMax) return false
    for (const next of heldAgainst(node, value, definitions)) waiting.push(next)
  }
  return true
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const atRoot = (detail: string): Fault => ({ path: [], detail })

/** What a part comes to with references written out: parts in all, and levels of them. */
interface Size {
  readonly parts: number
  readonly levels: number
}

interface Walk {
  readonly definitions: Node
  /** Of definitions; null while one is being looked at. */
  readonly sizes: Map<string, Size | null>
  fault: Fault | null
}

const one: Size = { parts: 1, levels: 1 }

const refuse = (walk: Walk, path: Path, detail: string): Size => {
  walk.fault ??= { path, detail }
  return one
}

const visit = (walk: Walk, node: Json | undefined, path: Path, depth: number): Size => {
  if (walk.fault !== null || !isNode(node)) return one
  if (depth >= Bounds.toolSchemaDepthMax) return refuse(walk, path, tooDeep)
  const wrong = InputKeywords.fault(node, path.length === 0)
  if (wrong !== null) return refuse(walk, [...path, ...wrong.path], wrong.detail)
  let { levels, parts } = one
  let largest = { parts: 0, at: path }
  const add = (size: Size, at: Path) => {
    parts += size.parts
    levels = Math.max(levels, size.levels + 1)
    if (size.parts > largest.parts) largest = { parts: size.parts, at }
    if (parts > Bounds.toolSchemaPartsMax) refuse(walk, largest.at, tooLarge)
  }
  for (const [steps, child] of InputKeywords.children(node)) {
    const at = [...path, ...steps]
    add(visit(walk, child, at, depth + 1), at)
    if (walk.fault !== null) return one
  }
  const reference = node["$ref"]
  if (reference === undefined) return { parts, levels }
  const at = [...path, "$ref"]
  const name = nameOf(reference)
  if (reference === "#") return refuse(walk, at, recursive)
  if (name === undefined || !Object.hasOwn(walk.definitions, name)) return refuse(walk, at, nowhere)
  const size = sizeOf(walk, name, depth + 1)
  if (size === null) return refuse(walk, at, recursive)
  add(size, at)
  if (depth + levels > Bounds.toolSchemaDepthMax) return refuse(walk, at, tooDeep)
  return { parts, levels }
}

/** Looked at once, however often it is referred to. Null where it is being looked at: it leads back to itself. */
const sizeOf = (walk: Walk, name: string, depth: number): Size | null => {
  const known = walk.sizes.get(name)
  if (known !== undefined) return known
  walk.sizes.set(name, null)
  const size = visit(walk, walk.definitions[name], ["$defs", name], depth)
  walk.sizes.set(name, size)
  return size
}

const tooDeep = `is deeper than ${Bounds.toolSchemaDepthMax} levels, with every $ref written out`
const tooLarge = `brings the schema to more than ${Bounds.toolSchemaPartsMax} parts, with every $ref written out`
const recursive = "is recursive: it leads back to a schema that it stands in"
const nowhere = 'leads nowhere: a reference is "#/$defs/<name>", with the definition at the root'

/** `#/$defs/<name>` alone. */
const nameOf = (reference: Json): string | undefined => {
  const tokens = typeof reference === "string" && reference.startsWith("#") ? parseUriFragment(reference) : undefined
  return tokens?.length === 2 && tokens[0] === "$defs" ? tokens[1] : undefined
}

/** A part of the schema and the value that is held against it. */
type Pair = readonly [node: Json | undefined, value: Json]

/** What is not said of a member or element admits all: that is walked through too. */
const heldAgainst = (node: Json | undefined, value: Json, definitions: Node): ReadonlyArray<Pair> => {
  if (!isNode(node)) return node === false ? [] : members(value).map((member) => [true, member])
  const name = node["$ref"] === undefined ? undefined : nameOf(node["$ref"])
  const same = [...list(node["allOf"]), ...list(node["anyOf"]), ...list(node["oneOf"])]
  if (name !== undefined && Object.hasOwn(definitions, name)) same.push(definitions[name] as Json)
  const held = same.map((other): Pair => [other, value])
  if (Array.isArray(value)) {
    if (!admits(node["type"], "array")) return held
    const first = list(node["prefixItems"])
    return [...held, ...value.map((element, index): Pair => [first[index] ?? node["items"], element])]
  }
  if (!isNode(value) || !admits(node["type"], "object")) return held
  const properties = isNode(node["properties"]) ? node["properties"] : {}
  const named = node["propertyNames"]
  return [
    ...held,
    ...Object.entries(value).map(([key, member]): Pair => [
      Object.hasOwn(properties, key) ? properties[key] : node["additionalProperties"],
      member
    ]),
    ...(named === undefined ? [] : Object.keys(value).map((key): Pair => [named, key]))
  ]
}

const admits = (type: Json | undefined, name: string): boolean =>
  typeof type === "string" ? type === name : !Array.isArray(type) || type.includes(name)

const members = (value: Json): ReadonlyArray<Json> =>
  typeof value === "object" && value !== null ? Object.values(value) : []

const size = (node: Node): number => Object.keys(node).length

const list = (value: Json | undefined): Array<Json> => (Array.isArray(value) ? [...value] : [])
