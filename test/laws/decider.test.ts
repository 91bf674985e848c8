/** The laws hold for a good decider, and each of them catches a decider that breaks it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { laws, violations } from "./decider.ts"
import { bad, good, trial } from "./notebooks.ts"
import { deepFrozen, plainProblem, unworldly } from "./worldless.ts"

laws("a notebook", trial(good))

describe("the laws catch a decider that", () => {
  it.effect.each(bad)("%s (%s)", ([, law, make]) =>
    Effect.map(violations(trial(make())), (found) => {
      assert.include([...found.keys()], law)
    })
  )

  it.effect("breaks none of them for the good one", () =>
    Effect.map(violations(trial(good)), (found) => assert.deepStrictEqual([...found], []))
  )
})

describe("the instruments of the laws", () => {
  it("take clock and chance away, and give them back", () => {
    const reaches: ReadonlyArray<() => unknown> = [
      () => Math.random(),
      () => Date.now(),
      () => new Date(),
      () => performance.now(),
      () => crypto.randomUUID()
    ]
    for (const reach of reaches) assert.throws(() => unworldly("it", reach), /it threw: it reached for/)
    assert.strictEqual(
      unworldly("it", () => new Date(5).getTime()),
      5
    )
    assert.isNumber(Math.random() + Date.now() + performance.now())
    assert.isString(crypto.randomUUID())
  })

  it("freeze all the way down", () => {
    const value = deepFrozen({ a: [{ b: 1 }] })
    assert.throws(() => Object.assign(value.a[0]!, { b: 2 }))
    assert.throws(() => value.a.push({ b: 3 }))
  })

  it("tell plain data from anything else, and where", () => {
    assert.isUndefined(plainProblem({ a: [1, "x", null, undefined, { b: true }] }))
    assert.strictEqual(plainProblem({ a: [new Map()] }), "state.a.0 is a Map, not plain data")
    assert.strictEqual(plainProblem({ a: () => 1 }), "state.a is a function")
  })
})
