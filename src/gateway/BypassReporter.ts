/**
 * Writes down every refused permit: one event, one count, before the refusal is answered.
 */
import * as Effect from "effect/Effect"
import { Actors } from "../ports/Actors.ts"
import { Digest } from "../ports/Digest.ts"
import { Stamps } from "../ports/Stamps.ts"
import type { Bypasses } from "../ports/ToolExecutor.ts"
import type { RecordBypass } from "./Bypass.ts"
import { system } from "./System.ts"

export const make = Effect.gen(function* () {
  const actors = yield* Actors
  const digest = yield* Digest
  const stamps = yield* Stamps

  const report: Bypasses["Service"]["report"] = Effect.fnUntraced(
    function* ({ reason, permitId, actionId }) {
      const key = yield* stamps.freshKey
      const stamp = yield* stamps.stamp({ actor: system, key: `bypass/${key}` })
      const command: RecordBypass = { _tag: "RecordBypass", reason, permitId, actionId }
      yield* actors.send("bypass", digest.derive("byp", stamp.commandId), command, stamp)
    },
    (recording, { reason }) =>
      Effect.catch(recording, (error) => Effect.logError(`a refused permit (${reason}) could not be recorded`, error))
  )
  return { report }
})
