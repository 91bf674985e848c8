/**
 * Arguments held against a tool's schema: strictly, bounded, and in one canonical form.
 *
 * Owns the check and the words for what is wrong. Serves tools that are registered and tools that are declared alike.
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Canonical from "#src/kernel/Canonical.ts"
import { ArgumentsInvalid } from "#src/ports/ToolExecutor.ts"

/** How arguments are decoded: nothing unknown in them. */
export const strict = { onExcessProperty: "error", errors: "all" } as const

export interface Codec {
  readonly decode: (args: Canonical.Json) => Effect.Effect<unknown, Schema.SchemaError>
  readonly encode: (decoded: unknown) => Effect.Effect<Canonical.Json, Schema.SchemaError>
}

export const checker = (name: string, codec: Codec) => {
  const refuse = (error: Schema.SchemaError) => invalid(name, explain(error))
  const decode = (args: Canonical.Json) =>
    deeperThan(args, Bounds.argumentsDepthMax)
      ? Effect.fail(invalid(name, `nested deeper than ${Bounds.argumentsDepthMax} levels`))
      : Effect.mapError(codec.decode(args), refuse)
  return {
    decode,
    /** The arguments in their canonical form: checked again, they stay as they are. */
    check: (args: Canonical.Json) =>
      decode(args).pipe(
        Effect.flatMap((decoded) => Effect.mapError(codec.encode(decoded), refuse)),
        Effect.flatMap((encoded) => canonical(name, encoded))
      )
  }
}

export const invalid = (tool: string, detail: string) =>
  new ArgumentsInvalid({ tool: plain(tool), detail: detail.slice(0, Bounds.reasonTextMax), retryable: false })

/** Control, format and other invisible characters made visible as `?`, so that no error can paint over a terminal. */
export const plain = (text: string) => text.slice(0, 200).replace(/\p{C}|\p{Zl}|\p{Zp}/gu, "?")

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Written and read back, so that what is shown, digested and run can't differ in key order or in `-0`. */
const canonical = (tool: string, encoded: Canonical.Json) =>
  Effect.try({
    try: () => Canonical.encode(encoded),
    catch: () => invalid(tool, "hold something that JSON has no form for, such as half a surrogate pair")
  }).pipe(
    Effect.filterOrFail(
      (text) => text.length <= Bounds.argumentsTextMax,
      (text) => invalid(tool, `${text.length} characters of arguments; at most ${Bounds.argumentsTextMax}`)
    ),
    Effect.map(Canonical.decode)
  )

const standardIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** The first problems, each with the path to it. */
const explain = (error: Schema.SchemaError): string => {
  const { issues } = standardIssues(error.issue)
  const told = issues.slice(0, 3).map(({ path = [], message }) => {
    const at = path.map((part) => segment(typeof part === "object" ? part.key : part)).join("")
    return `${at === "" ? "arguments" : at.replace(/^\./, "")}: ${plain(message)}`
  })
  return issues.length > told.length ? `${told.join("; ")}; and ${issues.length - told.length} more` : told.join("; ")
}

const segment = (key: PropertyKey): string => (typeof key === "number" ? `[${key}]` : `.${plain(String(key))}`)

/** Without recursion: what is measured may be deeper than the stack. */
const deeperThan = (value: Canonical.Json, levels: number): boolean => {
  let containers: ReadonlyArray<object> = isContainer(value) ? [value] : []
  for (let depth = 0; containers.length > 0; depth++) {
    if (depth === levels) return true
    containers = containers.flatMap((container) => Object.values(container).filter(isContainer))
  }
  return false
}

const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null
