/** The description of WebSockets: served, valid, and nothing else than what is read. */
import asyncApiSchema from "@asyncapi/specs/schemas/3.0.0.json" with { type: "json" }
import { assert, layer } from "@effect/vitest"
import { Ajv } from "ajv"
import * as Effect from "effect/Effect"
import * as AsyncApi from "#layers/edge/AsyncApi.ts"
import * as Frames from "#layers/edge/api/Frames.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

const document = JSON.parse(JSON.stringify(AsyncApi.document()))

const options = { strict: false, validateFormats: false, allErrors: true }

const reader = new Ajv(options).addSchema({ $id: "urn:keelson:frames", ...document })
const takes = (name: string, frame: unknown): boolean =>
  reader.validate(`urn:keelson:frames#/components/schemas/${name}`, frame) as boolean

layer(Kit.serve(World.make()))("the description of WebSockets", (it) => {
  it.effect("is served without a token, and is an AsyncAPI 3 document", () =>
    Effect.gen(function* () {
      const { call, get } = yield* Kit.Caller
      const served = yield* get("/asyncapi.json", { as: "nobody" })
      assert.strictEqual(served.status, 200)
      assert.deepStrictEqual(served.json, document)
      assert.strictEqual((yield* call("POST", "/asyncapi.json", { as: "nobody" })).headers["allow"], "GET, HEAD")
      // AsyncAPI's schema brings draft 07 with it.
      const judge = new Ajv({ ...options, meta: false, validateSchema: false }).compile(asyncApiSchema)
      assert.isTrue(judge(document), JSON.stringify(judge.errors?.slice(0, 3)))
      const broken = structuredClone(document)
      delete broken.info.title
      broken.operations["turn.start"].action = "shout"
      assert.isFalse(judge(broken), "the judge itself")
    })
  )

  it.effect("names an operation for every frame, and resolves all that it refers to", () =>
    Effect.sync(() => {
      assert.sameMembers(Object.keys(document.operations), [
        ...Object.keys(Frames.asked),
        ...Object.keys(Frames.pushed)
      ])
      const at = (pointer: string) =>
        pointer
          .slice(2)
          .split("/")
          .reduce((part, step) => part?.[step], document)
      const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref!)
      assert.isAbove(refs.length, 100)
      for (const ref of refs) assert.isDefined(at(ref), ref)
    })
  )

  it.effect("takes what the service takes, and refuses what it refuses", () =>
    Effect.sync(() => {
      const sessionId = `ses_${"1".repeat(26)}`
      const start = { type: "turn.start", id: "1", key: "k", params: { sessionId }, body: { input: "hello" } }
      assert.isTrue(takes("TurnStartFrame", start))
      for (const wrong of [
        { ...start, more: 1 },
        { ...start, params: { sessionId: "ses_1" } },
        { ...start, body: {} },
        { ...start, id: "" },
        { type: "turn.start", id: "1" }
      ]) {
        assert.isFalse(takes("TurnStartFrame", wrong), JSON.stringify(wrong))
      }
    })
  )
})
