/** Thousands of frames made up from the description of WebSockets: each answered once, as it says, and never by a bug. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as AsyncApi from "#layers/edge/AsyncApi.ts"
import * as SocketDoor from "#layers/edge/socket/SocketDoor.ts"
import * as FromSchema from "#test/kit/fromSchema.ts"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"
import * as Sockets from "./socket-kit.ts"

const frames = Number(process.env["KEELSON_FUZZ_FRAMES"] ?? 5_000)
const seed = Number(process.env["KEELSON_FUZZ_SEED"] ?? 1)

const root = JSON.parse(JSON.stringify(AsyncApi.document()))
const asked: ReadonlyArray<string> = Object.values<any>(root.operations)
  .filter(({ action }) => action === "receive")
  .map(({ messages }) => messages[0].$ref.split("/").at(-1))

// What is made up is often nonsense; here that is no reason to end.
const limits = {
  requestsPerSecondMax: 1_000_000,
  sockets: { ...SocketDoor.defaults, nonsenseMax: 1_000_000 }
}

it.live(
  `${frames} frames made up from the description (KEELSON_FUZZ_FRAMES, KEELSON_FUZZ_SEED) are each answered once`,
  () =>
    Effect.gen(function* () {
      const chance = SeededScheduler.chance(seed)
      const vocabulary = ["note", "look", "far", "owner", "robot", "k1", `clm_${"0".repeat(26)}`]
      let words: ReadonlyArray<string> = vocabulary
      const clients = [
        yield* Sockets.client(),
        yield* Sockets.client({ as: "bob" }),
        yield* Sockets.client({ as: "agent" })
      ]
      const seen = new Map<string, number>()
      for (let round = 0; round < frames; round++) {
        if (round % 200 === 0) {
          const { sessionId } = (yield* clients[0]!.ask({ type: "session.create", id: "s", key: `s-${round}` })).body
          const { actionId, confirmationId } = (yield* clients[0]!.ask({
            type: "action.propose",
            id: "a",
            key: `a-${round}`,
            params: { sessionId },
            body: { tool: "note", arguments: { text: "x" } }
          })).body
          words = [...vocabulary, sessionId, actionId, confirmationId]
        }
        const name = asked[round % asked.length]!
        const made: any = FromSchema.value(root.components.schemas[name], { root, words, chance })
        const whole = { ...made, ...("key" in made ? { key: chance() < 0.1 ? "again" : `f${round}` } : {}) }
        const frame: any = chance() < 0.3 ? FromSchema.damaged(whole, chance) : whole
        const id = `f${round}`
        const told = yield* FromSchema.pick(chance, clients).ask({ ...frame, id })
        const where = `seed ${seed} round ${round}: ${JSON.stringify(frame)} ${JSON.stringify(told)}`.slice(0, 2_000)
        if (told.type === "problem") assert.isBelow(told.problem.status, 500, where)
        const outcome = `${name} ${told.type}`
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
      }
      for (const { frames } of clients) {
        const ids = frames.flatMap(({ id, type }) => (type === "answer" || type === "problem" ? [id] : []))
        const made = ids.filter((id) => /^f\d/.test(id))
        assert.strictEqual(new Set(made).size, made.length, "answered twice")
      }
      const answered = asked.filter((name) => seen.has(`${name} answer`))
      console.log(`${frames} frames of ${asked.length} types, ${answered.length} of them answered at least once`)
      assert.isAtLeast(answered.length, 15)
    }).pipe(Effect.scoped, Effect.provide(Kit.serve(World.make(), { limits }))),
  120_000
)
