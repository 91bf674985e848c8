/** What a tool of Effect AI is declared as, and what its handler is given. */
import { assert, describe, it } from "@effect/vitest"
import * as Tool from "effect/ai/Tool"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Client from "#layers/client/Client.ts"
import * as RemoteTool from "#layers/client/RemoteTool.ts"
import * as InputSchema from "#src/gateway/InputSchema.ts"

const declared = (fields: { readonly [name: string]: Schema.Codec<unknown, unknown> }) =>
  RemoteTool.make(
    Tool.make("far", { description: "Far.", parameters: Schema.Struct(fields), success: Schema.Void }),
    () => Effect.void
  ).inputSchema

const Variant = Schema.Union([Schema.Struct({ a: Schema.Literal(1) }), Schema.Struct({ b: Schema.Literal("x") })], {
  mode: "oneOf"
})

describe("a tool's parameters", () => {
  it("are declared in words that the service takes", () => {
    const inputSchema = declared({
      text: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200)),
      count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }), Schema.isInt32()),
      number: Schema.Number,
      share: Schema.Finite.check(Schema.isMultipleOf(0.5), Schema.isGreaterThan(0)),
      either: Schema.optional(Schema.NullOr(Schema.Literals(["a", "b"]))),
      pair: Schema.Tuple([Schema.String, Schema.Boolean]),
      several: Schema.NonEmptyArray(Schema.String).check(Schema.isUnique()),
      variant: Variant.annotate({ identifier: "Variant", title: "t", description: "d" }),
      names: Schema.Record(Schema.String, Schema.Finite).check(Schema.isMinProperties(1)),
      maybe: Schema.Option(Schema.String),
      when: Schema.DateFromString,
      never: Schema.optionalKey(Schema.Never),
      any: Schema.Json,
      again: Variant
    })
    assert.isNull(InputSchema.fault(inputSchema))
  })

  it("promise nothing there that is checked here alone", () => {
    const Mail = Schema.String.annotate({ identifier: "Mail", format: "email", contentMediaType: "text/plain" })
    const inputSchema = declared({ bytes: Schema.Uint8ArrayFromBase64, mail: Mail, format: Schema.String })
    assert.isNull(InputSchema.fault(inputSchema))
    assert.deepInclude(inputSchema, {
      properties: { bytes: { type: "string" }, mail: { $ref: "#/$defs/Mail" }, format: { type: "string" } },
      $defs: { Mail: { type: "string" } }
    })
  })
})

describe("a handler", () => {
  it.effect("is given the arguments as the text says them that people saw", () =>
    Effect.gen(function* () {
      const given = yield* Deferred.make<unknown>()
      const parameters = Schema.Record(Schema.String, Schema.Finite)
      const tool = RemoteTool.make(Tool.make("far", { parameters, success: Schema.Void }), (args) =>
        Deferred.succeed(given, args)
      )
      // As a reader gives it that takes one name for another.
      const claim = {
        actionId: "a",
        claimId: "c",
        arguments: { "\\": 2 },
        argumentsText: '{"\\n":2}',
        leaseUntil: null
      }
      const client = {
        service: { whoami: () => Effect.succeed({ id: "robot" }) },
        tools: { declare: () => Effect.void },
        actions: {
          list: () => Effect.succeed({ items: [{ actionId: "a", tool: "far" }], next: null }),
          claim: () => Effect.succeed({ body: claim }),
          heartbeat: () => Effect.never,
          outcome: () => Effect.void
        },
        stream: { events: () => Effect.never }
      } as unknown as Client.Client
      yield* Effect.forkScoped(RemoteTool.serve(client, [tool]))
      assert.deepStrictEqual(yield* Deferred.await(given), { "\n": 2 })
    }).pipe(Effect.scoped)
  )
})
