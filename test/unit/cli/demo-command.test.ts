import * as Effect from "effect/Effect"
import { assert, describe, it } from "@effect/vitest"
import { keelson } from "./kit.ts"

describe("keelson demo", () => {
  it.effect("says at once why a program that brings a responder of its own can't play it, and what can", () =>
    Effect.gen(function* () {
      const { err, exitCode } = yield* keelson(["demo"], { demoUnplayable: "It brings another responder." })
      assert.strictEqual(exitCode, 1)
      assert.match(
        err.replace(/\s+/g, " "),
        /^keelson demo: It brings another responder\. Play it by the plain program:/
      )
    })
  )
})
