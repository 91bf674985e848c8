/**
 * Arguments as Cedar values, led by the types of `CedarSchema`: exact, or not at all.
 *
 * Owns the conversion. Whatever can't be said exactly (a whole number that a double rounds, a fifth digit after
 * the point, half a surrogate pair, a value of another type, a name the tool's schema lacks) is refused with a
 * sentence, because a policy must not judge something else than what will run.
 *
 * Invariant: what this gives is valid under the schema, so deciding needs no second check by Cedar (a property
 * test has Cedar's own request validation confirm it), and no argument can pose as an entity or an extension.
 */
import type { CedarValueJson, Context } from "@cedar-policy/cedar-wasm/nodejs"
import * as Result from "effect/Result"
import type { Json } from "#src/kernel/Canonical.ts"
import type { RecordShape, Shape } from "./CedarSchema.ts"

/** The request's context, or one clause that says what can't be put to the policies. */
export const fromArguments = (shape: RecordShape, args: Json): Result.Result<Context, string> => {
  const value = convert(shape, args, "arguments")
  return value instanceof Inexpressible
    ? Result.fail(`${value.path} ${value.why}`)
    : Result.succeed({ arguments: value })
}

/** True for text that Cedar can hold: no half of a surrogate pair. */
export const isWhole = (text: string): boolean => !/\p{Surrogate}/u.test(text)

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

class Inexpressible {
  readonly path: string
  readonly why: string
  constructor(path: string, why: string) {
    this.path = path
    this.why = why
  }
}

const convert = (shape: Shape, value: Json, path: string): CedarValueJson | Inexpressible => {
  switch (shape._tag) {
    case "String":
      if (typeof value !== "string") return wrongType(path, "text", value)
      return isWhole(value) ? value : new Inexpressible(path, "holds half a surrogate pair")
    case "Bool":
      return typeof value === "boolean" ? value : wrongType(path, "true or false", value)
    case "Long":
      if (typeof value !== "number") return wrongType(path, "a whole number", value)
      if (!Number.isInteger(value)) return new Inexpressible(path, "is not a whole number")
      if (!Number.isSafeInteger(value)) return new Inexpressible(path, "is too large to be judged exactly")
      return value === 0 ? 0 : value
    case "Decimal":
      return typeof value === "number" ? decimal(value, path) : wrongType(path, "a number", value)
    case "Set":
      return isArray(value) ? convertElements(shape.element, value, path) : wrongType(path, "an array", value)
    case "Record":
      if (typeof value !== "object" || value === null || isArray(value)) return wrongType(path, "an object", value)
      return convertRecord(shape, value, path)
  }
}

const convertElements = (
  element: Shape,
  values: ReadonlyArray<Json>,
  path: string
): Array<CedarValueJson> | Inexpressible => {
  const converted: Array<CedarValueJson> = []
  for (const [index, value] of values.entries()) {
    const one = convert(element, value, `${path}[${index}]`)
    if (one instanceof Inexpressible) return one
    converted.push(one)
  }
  return converted
}

const convertRecord = (
  shape: RecordShape,
  value: { readonly [key: string]: Json },
  path: string
): { [key: string]: CedarValueJson } | Inexpressible => {
  if (!shape.open) {
    const stranger = Object.keys(value).find((name) => !shape.fields.has(name) && !shape.unseen.has(name))
    if (stranger !== undefined) return new Inexpressible(path, "holds a name that the tool's schema does not have")
  }
  const converted: { [key: string]: CedarValueJson } = {}
  for (const [name, field] of shape.fields) {
    const member = Object.hasOwn(value, name) ? value[name] : undefined
    if (member === undefined) {
      if (!field.optional) return new Inexpressible(`${path}.${name}`, "is missing")
    } else if (member !== null || !field.nullable) {
      const one = convert(field.shape, member, `${path}.${name}`)
      if (one instanceof Inexpressible) return one
      converted[name] = one
    }
  }
  return converted
}

/** Cedar's decimal: 64 bits with four digits after the point. The digits are those of the JSON text. */
const decimal = (value: number, path: string): CedarValueJson | Inexpressible => {
  const text = String(value)
  if (Math.abs(value) > 922_337_203_685_476) return new Inexpressible(path, "is too large to be judged exactly")
  if (!/^-?\d+(\.\d{1,4})?$/.test(text)) {
    return new Inexpressible(path, "has more than four digits after the point, so it can't be judged exactly")
  }
  return { __extn: { fn: "decimal", arg: text.includes(".") ? text : `${text}.0` } }
}

const wrongType = (path: string, expected: string, value: Json) =>
  new Inexpressible(path, `is ${kindOf(value)} where the tool's schema has ${expected}`)

const kindOf = (value: Json): string => {
  if (value === null) return "null"
  if (isArray(value)) return "an array"
  const kinds: { readonly [type: string]: string } = { object: "an object", string: "text", number: "a number" }
  return kinds[typeof value] ?? "true or false"
}

const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)
