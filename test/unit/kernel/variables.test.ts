/** The variables of the environment that are no settings: what each must look like, and what a wrong one is told. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Variables from "#src/kernel/Variables.ts"

const refusal = (name: Variables.Name, text: string) => {
  const found = Variables.judged({ [name]: text }, name)
  return Result.isFailure(found) ? found.failure : assert.fail(`${name} takes ${JSON.stringify(text)}`)
}

describe("a variable beside the settings", () => {
  it("is refused with its name and what was expected, and a secret is not repeated", () => {
    const wrong = "\u001b[2J "
    for (const [name, { expected, form, secret }] of Object.entries(Variables.variables)) {
      assert.isTrue(Variables.isDeclared(name))
      if (!Variables.isDeclared(name) || form.test(wrong)) continue
      const shown = secret === true ? "" : `, but is ${JSON.stringify(wrong)}`
      assert.strictEqual(refusal(name, wrong), `${name}: expected ${expected}${shown}`)
    }
    assert.notInclude(refusal("KEELSON_TOKEN", "hunter2 and more"), "hunter2")
    assert.isBelow(refusal("KEELSON_URL", "x".repeat(500)).length, 200)
  })

  it("takes what an address, a count, a word and pairs may look like", () => {
    for (const url of ["http://127.0.0.1:7717", "https://keelson.example/x?y", "http://[::1]:80/", "HTTP://a"]) {
      assert.strictEqual(Variables.given({ KEELSON_URL: url }, "KEELSON_URL"), url)
      assert.isTrue(Result.isSuccess(Variables.judged({ KEELSON_URL: url }, "KEELSON_URL")), url)
    }
    for (const url of ["127.0.0.1:7717", "ftp://x", "http://", "http:// x", "http://[x]", "http://x:port"]) {
      refusal("KEELSON_URL", url)
    }
    for (const text of ["0", "-1", "1.5", "1e3", "soon"]) refusal("OTEL_BSP_SCHEDULE_DELAY", text)
    refusal("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    for (const text of ["a=b", "a=b, c=d=e", " api-key = x%20y "]) {
      assert.isTrue(Result.isSuccess(Variables.judged({ OTEL_RESOURCE_ATTRIBUTES: text }, "OTEL_RESOURCE_ATTRIBUTES")))
    }
    for (const text of ["a", "=b", "a=b,c"]) refusal("OTEL_RESOURCE_ATTRIBUTES", text)
  })

  it("counts as unset where it is empty", () => {
    assert.isNull(Variables.given({ KEELSON_URL: "" }, "KEELSON_URL"))
    assert.deepStrictEqual(Variables.judged({ KEELSON_URL: "" }, "KEELSON_URL"), Result.succeed(null))
    assert.deepStrictEqual(Variables.wrong({ KEELSON_URL: "", OTEL_BSP_EXPORT_TIMEOUT: "x", OTHER: "x" }), [
      'OTEL_BSP_EXPORT_TIMEOUT: expected a whole number from 1 on, but is "x"'
    ])
  })
})
