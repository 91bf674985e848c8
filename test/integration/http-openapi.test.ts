import { assert, layer } from "@effect/vitest"
import { Validator } from "@seriousme/openapi-schema-validator"
import * as Effect from "effect/Effect"
import { definitionOf, codes } from "#layers/edge/Problems.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const operations = Object.entries(Kit.description.paths).flatMap(([path, methods]) =>
  Object.entries(methods as { [method: string]: any }).map(([method, operation]) => ({ path, method, operation }))
)

const valid = (document: { readonly [member: string]: unknown }) =>
  Effect.promise(() => new Validator().validate(structuredClone(document)))

layer(Kit.serve(World.make()), { excludeTestServices: true })("the description of the API", (it) => {
  it.effect("is served without a token, and is an OpenAPI 3.1 document", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const served = yield* get("/openapi.json", { as: "nobody" })
      assert.deepStrictEqual(served.json, JSON.parse(JSON.stringify(Kit.description)))
      assert.strictEqual(served.json.openapi, "3.1.0")
      const result = yield* valid(served.json)
      assert.isTrue(result.valid, JSON.stringify(result.errors))
      const broken = structuredClone(served.json)
      delete broken.info.title
      assert.isFalse((yield* valid(broken)).valid, "the judge itself")
    })
  )

  it.effect("says of every operation what it is for, and of every member what it holds", () =>
    Effect.sync(() => {
      for (const { method, operation, path } of operations) {
        assert.isAbove(operation.summary?.length ?? 0, 5, `${method} ${path}`)
        if (method === "post") {
          const names = operation.parameters.map((parameter: any) => parameter.name)
          assert.include(names, "idempotency-key", path)
          assert.isDefined(operation.requestBody, path)
        }
        const open = path === "/health" || path === "/ready"
        assert.deepStrictEqual(operation.security, open ? [] : [{ token: [] }], path)
      }
      assert.lengthOf(operations, 46)
    })
  )

  it.effect("knows the shape of every id", () =>
    Effect.sync(() => {
      const { properties } = Kit.description.components.schemas["Session"] as any
      assert.strictEqual(properties.sessionId.pattern, "^ses_[0-9a-hjkmnp-tv-z]{26}$")
      assert.isUndefined(Object.keys(Kit.description.components.schemas).find((name) => /_\d+$/.test(name)))
    })
  )

  it.effect("holds every code of a problem, each under its status", () =>
    Effect.sync(() => {
      const schemas = Kit.description.components.schemas as { [name: string]: any }
      for (const code of codes) {
        assert.include(schemas[`Problem${definitionOf(code).status}`].properties.code.enum, code)
      }
    })
  )

  it.effect("judges answers, and would notice a wrong one", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const good = yield* get("/v1/whoami")
      Kit.conforms("GET", "/v1/whoami", good)
      const worse: ReadonlyArray<Partial<Kit.Answer>> = [
        { json: { ...good.json, extra: 1 } },
        { json: { ...good.json, kind: "GHOST" } },
        { json: { kind: "HUMAN", id: "x" } },
        { status: 418 },
        { status: 404 },
        { headers: { ...good.headers, "cache-control": "public" } },
        { headers: { ...good.headers, "content-type": "text/html" } },
        { headers: { ...good.headers, "access-control-allow-origin": "*" } }
      ]
      for (const change of worse) {
        const judge = () => Kit.conforms("GET", "/v1/whoami", { ...good, ...change })
        assert.throws(judge)
      }
    })
  )

  it.effect("has a page that loads nothing from anywhere, and may talk to this service alone", () =>
    Effect.gen(function* () {
      const { get } = yield* Kit.Caller
      const page = yield* get("/docs", { as: "nobody" })
      assert.strictEqual(page.status, 200)
      assert.match(page.headers["content-type"] ?? "", /^text\/html/)
      assert.notMatch(page.text, /<(script|link|img|iframe)[^>]+(src|href)=/i)
      assert.include(page.text, "/v1/confirmations/{confirmationId}/approve")
      const policy = page.headers["content-security-policy"] ?? ""
      assert.include(policy, "default-src 'none'")
      assert.include(policy, "connect-src 'self'")
      assert.notMatch(policy, /https?:|\*|unsafe-eval/)
      const other = yield* get("/health")
      assert.strictEqual(other.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'")
    })
  )
})
