/** Frames that mean nothing, counted. */
import { assert, it } from "@effect/vitest"
import * as Incoming from "#layers/edge/socket/Incoming.ts"

it("nonsense is too much where more than so many came in a minute, and forgotten after one", () => {
  const tooMuch = Incoming.nonsense(2)
  assert.deepStrictEqual([0, 1, 60_000, 60_001].map(tooMuch), [false, false, false, false])
  assert.isTrue(tooMuch(60_002))
})
