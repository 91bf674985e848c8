/**
 * Values that a JSON Schema (2020-12) takes, as a seed has them; and values that it nearly takes.
 *
 * For callers that are made up from a description. Strings with a pattern come from `words`, where one matches.
 */
type Schema = { readonly [member: string]: any }

/** From 0, below 1. */
export type Chance = () => number

export interface Options {
  /** The document that `$ref` points into. */
  readonly root: Schema
  readonly words: ReadonlyArray<string>
  readonly chance: Chance
}

const below = (chance: Chance, limit: number): number => Math.floor(chance() * limit)

export const pick = <A>(chance: Chance, choices: ReadonlyArray<A>): A => choices[below(chance, choices.length)]!

const resolved = (schema: Schema, { root }: Options): Schema =>
  typeof schema["$ref"] === "string"
    ? schema["$ref"]
        .slice(2)
        .split("/")
        .reduce((part: Schema, step: string) => part[step.replaceAll("~1", "/").replaceAll("~0", "~")], root)
    : schema

/** One that the schema takes, as far as patterns allow. */
export const value = (given: Schema, options: Options, depth = 0): unknown => {
  const schema = resolved(given, options)
  const { chance } = options
  if (schema["const"] !== undefined) return schema["const"]
  if (Array.isArray(schema["enum"])) return pick(chance, schema["enum"])
  const choices: ReadonlyArray<Schema> | undefined = schema["anyOf"] ?? schema["oneOf"]
  if (choices !== undefined) return value(pick(chance, choices), options, depth)
  switch (schema["type"]) {
    case "string":
      return text(schema, options)
    case "integer":
    case "number": {
      const [least, most] = [schema["minimum"] ?? -10, schema["maximum"] ?? 100_000]
      return Math.round(least + chance() * Math.min(most - least, 100_000))
    }
    case "boolean":
      return chance() < 0.5
    case "null":
      return null
    case "array":
      return Array.from({ length: below(chance, 3) }, () => value(schema["items"] ?? {}, options, depth + 1))
    case "object":
      return members(schema, options, depth)
    default:
      // Anything at all.
      if (Array.isArray(schema["examples"]) && chance() < 0.5) return pick(chance, schema["examples"])
      return depth > 2 ? null : pick(chance, [null, true, 1, "text", ["a"], { text: "x" }])
  }
}

const members = (schema: Schema, options: Options, depth: number): unknown => {
  const required = new Set<string>(schema["required"] ?? [])
  return Object.fromEntries(
    Object.entries<Schema>(schema["properties"] ?? {})
      .filter(([name]) => required.has(name) || options.chance() < 0.5)
      .map(([name, member]) => [name, value(member, options, depth + 1)])
  )
}

const text = (schema: Schema, { chance, words }: Options): string => {
  const patterns = [schema, ...(schema["allOf"] ?? [])].flatMap(({ pattern }: Schema) =>
    typeof pattern === "string" ? [new RegExp(pattern, "u")] : []
  )
  const fitting = [...(schema["examples"] ?? []), ...words].filter(
    (word) =>
      typeof word === "string" &&
      patterns.every((pattern) => pattern.test(word)) &&
      word.length >= (schema["minLength"] ?? 0) &&
      word.length <= (schema["maxLength"] ?? 1_000_000)
  )
  return fitting.length === 0 ? "x".repeat(schema["minLength"] ?? 1) : pick(chance, fitting)
}

/** The same with one thing wrong, often enough. */
export const damaged = (whole: unknown, chance: Chance): unknown => {
  if (whole === null || typeof whole !== "object" || Array.isArray(whole)) return pick(chance, [null, -1, "x", [], {}])
  const entries = Object.entries(whole)
  const at = below(chance, entries.length + 1)
  switch (below(chance, 4)) {
    case 0:
      return Object.fromEntries(entries.filter((_, index) => index !== at))
    case 1:
      return { ...whole, unknown: 1 }
    case 2:
      return Object.fromEntries(
        entries.map(([name, member], index) => [
          name,
          index === at ? pick(chance, [null, -1, "x", [], {}, "y".repeat(70_000)]) : member
        ])
      )
    default:
      return Object.fromEntries(
        entries.map(([name, member], index) => [name, index === at ? damaged(member, chance) : member])
      )
  }
}
