import { assert, describe, it } from "@effect/vitest"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { failed, register } from "#layers/tool-executor/ToolRegistry.ts"
import type { ActionId, ClaimId, IncarnationId, SubjectId } from "#src/kernel/Ids.ts"
import { Permit, type PermitFields, redeem } from "#src/kernel/Permit.ts"
import { ToolExecutor, type PermitRefused } from "#src/ports/ToolExecutor.ts"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import { actor, claim, layer, makeWorld, type World } from "./world.ts"

const Echo = Tool.make("echo", {
  description: "Says it again",
  parameters: Schema.Struct({ words: Schema.String }),
  success: Schema.Struct({ words: Schema.String })
})

/** A world with one tool that counts its runs. */
const counting = () => {
  const world = makeWorld()
  const ran: Array<string> = []
  const echo = register(Echo, ({ words }) => {
    ran.push(words)
    return Effect.succeed({ words })
  })
  return { world, ran, tools: layer(world, [echo]) }
}

const execute = (permit: Permit) => Effect.flatMap(ToolExecutor, (executor) => executor.execute(permit))

const later = <A>(prefix: Parameters<typeof NodeDigest.derive>[0], text: string) => NodeDigest.derive(prefix, text) as A

/** Offers the permit; it must be refused for `reason`, run nothing, and be reported once. */
const refused = Effect.fnUntraced(function* (
  { world, ran }: { readonly world: World; readonly ran: ReadonlyArray<string> },
  permit: Permit,
  reason: PermitRefused["reason"]
) {
  const [ranBefore, reportedBefore] = [ran.length, world.bypasses.length]
  const error = yield* Effect.flip(execute(permit))
  assert.strictEqual(error._tag, "PermitRefused")
  assert.strictEqual(error._tag === "PermitRefused" && error.reason, reason)
  assert.strictEqual(ran.length, ranBefore)
  assert.deepStrictEqual(
    world.bypasses.slice(reportedBefore).map((bypass) => bypass.reason),
    [reason]
  )
})

/** One field of the claim changed before it is redeemed, and how that is found. */
const changes: ReadonlyArray<
  readonly [title: string, changed: Partial<PermitFields>, reason: PermitRefused["reason"]]
> = [
  ["of a later life of the process", { incarnation: later<IncarnationId>("inc", "next") }, "Stale"],
  ["past its expiry", { expiresAtMillis: 0 }, "Expired"],
  ["past its lease", { leaseUntilMillis: 0 }, "Expired"],
  ["for a tool that changed", { toolHash: NodeDigest.sha256("older") }, "ToolChanged"],
  ["for a tool that is gone", { tool: "echo.old" }, "ToolChanged"],
  ["for other arguments", { argumentsText: '{"words":"other"}' }, "DigestMismatch"],
  ["for the same arguments spelt otherwise", { argumentsText: '{"words": "hello"}' }, "DigestMismatch"],
  ["for another actor", { actor: { ...actor, kind: "HUMAN" } }, "DigestMismatch"],
  ["under another subject's key", { subject: "session:ses_two" as SubjectId }, "DigestMismatch"],
  ["with a digest of another length", { digest: "00" as PermitFields["digest"] }, "DigestMismatch"]
]

describe("a permit", () => {
  it.effect("runs its tool once and gives what the tool gave", () => {
    const { world, ran, tools } = counting()
    return Effect.gen(function* () {
      const permit = redeem(yield* claim(world, "echo", { words: "hello" }))
      assert.deepStrictEqual(yield* execute(permit), { output: { words: "hello" } })
      assert.deepStrictEqual(ran, ["hello"])
      assert.deepStrictEqual(world.bypasses, [])
    }).pipe(Effect.provide(tools))
  })

  for (const [title, changed, reason] of changes) {
    it.effect(`${title} runs nothing and is reported as ${reason}`, () => {
      const setting = counting()
      return Effect.gen(function* () {
        const fields = yield* claim(setting.world, "echo", { words: "hello" }, changed)
        yield* refused(setting, redeem(fields), reason)
        assert.strictEqual(setting.world.bypasses[0]?.permitId, fields.permitId)
        assert.strictEqual(setting.world.bypasses[0]?.actionId, fields.actionId)
      }).pipe(Effect.provide(setting.tools))
    })
  }

  it.effect("that was not redeemed, or is a copy of one that was, runs nothing and is reported as Forged", () => {
    const setting = counting()
    return Effect.gen(function* () {
      const fields = yield* claim(setting.world, "echo", { words: "hello" })
      const permit = redeem(fields)
      const forgeries: ReadonlyArray<unknown> = [
        { fields },
        { ...permit },
        structuredClone({ fields }),
        Object.create(Permit.prototype, { fields: { value: fields } }),
        new Proxy(permit, {}),
        null,
        undefined,
        fields.permitId
      ]
      // @ts-expect-error a literal with every field of a permit is not a Permit
      const literal: Permit = { fields }
      for (const forgery of [...forgeries, literal]) yield* refused(setting, forgery as Permit, "Forged")
      assert.strictEqual(setting.world.bypasses.length, 9)
      assert.isTrue(setting.world.bypasses.every((bypass) => bypass.permitId === null && bypass.actionId === null))
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(execute(permit))), "the real one still opens")
    }).pipe(Effect.provide(setting.tools))
  })

  it.effect("is spent by its run, and every later offer is reported as Spent", () => {
    const setting = counting()
    return Effect.gen(function* () {
      const permit = redeem(yield* claim(setting.world, "echo", { words: "hello" }))
      yield* execute(permit)
      yield* refused(setting, permit, "Spent")
      yield* refused(setting, permit, "Spent")
      assert.deepStrictEqual(setting.ran, ["hello"])
    }).pipe(Effect.provide(setting.tools))
  })

  it.effect("redeemed twice from one claim runs once", () => {
    const setting = counting()
    return Effect.gen(function* () {
      const fields = yield* claim(setting.world, "echo", { words: "hello" })
      yield* execute(redeem(fields))
      yield* refused(setting, redeem(fields), "Spent")
    }).pipe(Effect.provide(setting.tools))
  })

  it.effect("spent at one executor of the process is spent at another", () => {
    const setting = counting()
    const another = layer(setting.world, [])
    return Effect.gen(function* () {
      const fields = yield* claim(setting.world, "echo", { words: "hello" })
      const permit = redeem(fields)
      yield* execute(permit)
      const echo = register(Echo, ({ words }) =>
        Effect.sync(() => void setting.ran.push(words)).pipe(Effect.as({ words }))
      )
      yield* refused(setting, permit, "Spent").pipe(Effect.provide(layer(setting.world, [echo]), { local: true }))
      yield* refused(setting, redeem(fields), "ToolChanged").pipe(Effect.provide(another, { local: true }))
    }).pipe(Effect.provide(setting.tools))
  })

  it.effect("offered by a hundred callers at once runs once", () => {
    const { world, ran, tools } = counting()
    return Effect.gen(function* () {
      const permit = redeem(yield* claim(world, "echo", { words: "hello" }))
      const exits = yield* Effect.all(
        Array.from({ length: 100 }, () => Effect.exit(execute(permit))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
      assert.strictEqual(ran.length, 1)
      assert.deepStrictEqual(
        world.bypasses.map((bypass) => bypass.reason),
        Array.from({ length: 99 }, () => "Spent" as const)
      )
    }).pipe(Effect.provide(tools))
  })

  it.effect("whose claim the journal does not hold runs nothing and is reported as Unclaimed", () => {
    const setting = counting()
    return Effect.gen(function* () {
      const fields = yield* claim(setting.world, "echo", { words: "hello" })
      setting.world.claims.clear()
      yield* refused(setting, redeem(fields), "Unclaimed")
    }).pipe(Effect.provide(setting.tools))
  })

  it.effect("whose claim is another's runs nothing and is reported as Foreign", () => {
    const setting = counting()
    return Effect.gen(function* () {
      const fields = yield* claim(setting.world, "echo", { words: "hello" })
      const others: ReadonlyArray<Partial<PermitFields>> = [
        { claimId: later<ClaimId>("clm", "other") },
        { actionId: later<ActionId>("act", "other") }
      ]
      for (const other of others) yield* refused(setting, redeem({ ...fields, ...other }), "Foreign")
      const row = setting.world.claims.get(fields.permitId)
      assert.isDefined(row)
      setting.world.claims.set(fields.permitId, { ...row, body: { ...row.body, incarnation: later("inc", "next") } })
      yield* refused(setting, redeem(fields), "Foreign")
    }).pipe(Effect.provide(setting.tools))
  })

  it.effect("expires while it lies about", () => {
    const setting = counting()
    return Effect.gen(function* () {
      const permit = redeem(yield* claim(setting.world, "echo", { words: "hello" }))
      yield* TestClock.adjust(60_000)
      yield* refused(setting, permit, "Expired")
    }).pipe(Effect.provide(setting.tools))
  })

  it.effect("of a subject that was forgotten runs nothing", () => {
    const setting = counting()
    return Effect.gen(function* () {
      const permit = redeem(yield* claim(setting.world, "echo", { words: "hello" }))
      setting.world.key.destroy()
      yield* refused(setting, permit, "DigestMismatch")
    }).pipe(Effect.provide(setting.tools))
  })

  it.effect("that can't be judged because the journal is silent runs nothing, is no bypass and is not spent", () => {
    const { world, ran, tools } = counting()
    return Effect.gen(function* () {
      const permit = redeem(yield* claim(world, "echo", { words: "hello" }))
      world.unavailable = true
      const error = yield* Effect.flip(execute(permit))
      assert.deepStrictEqual(error._tag === "ToolFailed" && [error.code, error.retryable], ["Unverified", true])
      assert.deepStrictEqual([ran.length, world.bypasses.length], [0, 0])
      world.unavailable = false
      assert.deepStrictEqual(yield* execute(permit), { output: { words: "hello" } })
    }).pipe(Effect.provide(tools))
  })

  it.effect("gives its handler the very text that was digested, parsed", () => {
    const world = makeWorld()
    const seen: Array<unknown> = []
    const Any = Tool.make("any", { parameters: Schema.Struct({ value: Schema.Json }) })
    const any = register(Any, (args, context) => {
      seen.push(args, context.actor, context.deadlineMillis)
      return Effect.void
    })
    return Effect.gen(function* () {
      const args = { value: { "\u20ac": "e\u0301\u0000\u202e", "1": [0.1, -1e-7, 1e21, null, true, ""] } }
      const fields = yield* claim(world, "any", args)
      yield* execute(redeem(fields))
      assert.deepStrictEqual(seen, [JSON.parse(fields.argumentsText), actor, 10_000])
    }).pipe(Effect.provide(layer(world, [any])))
  })

  it.effect("counter-check: a tool that says it failed is no refusal", () => {
    const world = makeWorld()
    const no = register(Tool.make("no"), () => Effect.fail(failed("another", "Nope", "not today", true)))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(execute(redeem(yield* claim(world, "no", {}))))
      assert.deepStrictEqual({ ...error }, { ...failed("no", "Nope", "not today", true) })
      assert.deepStrictEqual(world.bypasses, [])
    }).pipe(Effect.provide(layer(world, [no])))
  })
})
