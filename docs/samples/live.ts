/** What `docs/websocket.md` shows: the same by the typed client, which connects again and resumes by itself. */
// #region live
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Live from "#layers/client/Live.ts"

const program = Effect.gen(function* () {
  const url = yield* Config.String("KEELSON_URL")
  const token = yield* Config.Redacted("KEELSON_TOKEN")
  const { ask, events } = yield* Live.make({ url, token })
  const { sessionId } = (yield* ask("session.create", {})).body
  yield* ask("turn.start", { params: { sessionId }, body: { input: "list" } })
  // Each event once and in order, whatever breaks.
  yield* events(sessionId, 0).pipe(
    Stream.takeUntil(({ event }) => event.type === "turn.completed"),
    Stream.runForEach(({ event, sequence }) => Effect.log(sequence, event.type))
  )
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Live.layerWebSocket)))
// #endregion live
