import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as Problems from "#layers/edge/Problems.ts"
import { Refused } from "#src/gateway/Protocol.ts"
import { ActorError } from "#src/ports/Actors.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { Unauthenticated } from "#src/ports/Identity.ts"
import { KeyRingError, NotOpened } from "#src/ports/KeyRing.ts"

describe("the table of problems", () => {
  it("gives every code a type of its own, in lower case", () => {
    const types = Problems.codes.map(Problems.typeOf)
    assert.strictEqual(new Set(types).size, types.length)
    for (const type of types) assert.match(type, /^urn:keelson:problem:[a-z]+(-[a-z]+)*$/)
    assert.strictEqual(Problems.typeOf("SessionNotOpen"), "urn:keelson:problem:session-not-open")
  })

  it("has statuses of errors, and says when to come back exactly where coming back helps", () => {
    for (const code of Problems.codes) {
      const { remedy, retryAfterSeconds, retryable, status, title } = Problems.definitionOf(code)
      assert.isTrue(status >= 400 && status < 600, code)
      assert.isAbove(title.length, 10)
      assert.isAbove(remedy.length, 5)
      if (retryAfterSeconds !== null) assert.isTrue(retryable, code)
    }
    const never: ReadonlyArray<Problems.Code> = [
      "Forbidden",
      "KeyReused",
      "Erased",
      "Corrupt",
      "Isolated",
      "InvalidBody"
    ]
    for (const code of never) assert.isFalse(Problems.definitionOf(code).retryable, code)
  })

  it("stands in docs/http.md, row by row", () => {
    // The formatter lines the columns up.
    const page = readFileSync(new URL("../../../docs/http.md", import.meta.url), "utf8").replace(/ +\|/g, " |")
    const rows = Problems.codes.map((code) => {
      const { remedy, retryable, status, title } = Problems.definitionOf(code)
      return `| ${status} | \`${code}\` | ${title} | ${retryable ? "yes" : "no"} | ${remedy} |`
    })
    const start = page.indexOf("| status | code |")
    assert.isAbove(start, 0)
    const table = page.slice(start).split("\n\n")[0]!.split("\n").slice(2)
    assert.deepStrictEqual(table, rows)
  })
})

describe("a failure on its way out", () => {
  const secret = "password=hunter2"
  const failures: ReadonlyArray<readonly [Problems.Failure, Problems.Code]> = [
    [new ActorError({ reason: "Indeterminate", actor: "a", detail: secret, retryable: true }), "Indeterminate"],
    [new ActorError({ reason: "Malformed", actor: "a", detail: secret, retryable: false }), "InvalidBody"],
    [new EventStoreError({ reason: "Full", operation: "o", detail: secret, retryable: true }), "Full"],
    [new EventStoreError({ reason: "Corrupt", operation: "o", detail: secret, retryable: false }), "Corrupt"],
    [new NotOpened({ subject: "session:x", reason: "Damaged" }), "Corrupt"],
    [new KeyRingError({ reason: "Unavailable", subject: null, detail: secret, retryable: true }), "Unavailable"],
    [new Unauthenticated({ retryable: false }), "Unauthenticated"]
  ]

  it("becomes its problem, and leaves what the machine said behind", () => {
    for (const [failure, code] of failures) {
      const problem = Problems.from(failure)
      assert.strictEqual(problem.code, code)
      assert.notInclude(JSON.stringify(Problems.document(problem, "urn:uuid:x")), "hunter2")
    }
  })

  it("keeps the winner of a conflict, and that it had been told before", () => {
    const rejection = { _tag: "Conflict", kind: "action", id: "act_x", status: "Denied" } as const
    const problem = Problems.from(new Refused({ rejection, repeated: true, retryable: false }))
    assert.deepStrictEqual(Problems.document(problem, "urn:uuid:x"), {
      type: "urn:keelson:problem:conflict",
      title: "Somebody or something else was first",
      status: 409,
      detail: "action act_x is Denied",
      instance: "urn:uuid:x",
      code: "Conflict",
      retryable: false,
      kind: "action",
      id: "act_x",
      state: "Denied"
    })
    assert.deepStrictEqual(Problems.headers(problem), { "idempotent-replayed": "true" })
  })

  it("is cut where a tool or a policy said too much", () => {
    const rejection = { _tag: "Forbidden", detail: "x".repeat(10_000) } as const
    const problem = Problems.from(new Refused({ rejection, repeated: false, retryable: false }))
    const { detail } = Problems.document(problem, "urn:uuid:x")
    assert.strictEqual(detail, "x".repeat(2_000))
  })
})
