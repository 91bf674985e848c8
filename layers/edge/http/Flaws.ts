/**
 * What is wrong with a value, in words that do not repeat it.
 */
import * as SchemaIssue from "effect/SchemaIssue"
import * as JsonBody from "./JsonBody.ts"

export interface Flaw {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

/** The first flaws, at most `flawsMax`. */
export const found = (issue: SchemaIssue.Issue): ReadonlyArray<Flaw> =>
  format(issue)
    .issues.slice(0, flawsMax)
    .map(({ path, message }) => ({
      path: (path ?? []).map((part) => (typeof part === "object" ? part.key : part)),
      message
    }))

/** As `errors` of a problem: RFC 6901 pointers, and what was expected there. */
export const of = (issue: SchemaIssue.Issue): ReadonlyArray<{ readonly pointer: string; readonly detail: string }> =>
  found(issue).map(({ path, message }) => ({ pointer: path.map(JsonBody.step).join(""), detail: message }))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Flaws named in one problem. */
const flawsMax = 10
