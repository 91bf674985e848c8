/** What `docs/remote-tools.md` shows: an agent waits, in each of the three ways, for people to approve its work. */
// #region wait
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Client from "#layers/client/Client.ts"
import * as Live from "#layers/client/Live.ts"

const program = Effect.gen(function* () {
  const url = yield* Config.String("KEELSON_URL")
  const token = yield* Config.Redacted("KEELSON_TOKEN")
  const client = yield* Client.make({ url, token })
  const live = yield* Live.make({ url, token })
  const { id: executorId } = yield* client.service.whoami()

  const { items } = yield* client.actions.list({ query: { executorId, status: "Pending" } })

  // Over a WebSocket: the events of all its work, from the beginning, each once, whatever breaks.
  const bySocket = live.work(executorId, 0).pipe(
    Stream.filter(({ event }) => event.type === "action.permitted"),
    Stream.take(1),
    Stream.runForEach(({ event, sequence }) =>
      Effect.log(`over a WebSocket: ${event.stream} (after=${sequence} goes on)`)
    )
  )

  // As server-sent events: the same, from the position that `after` or `last-event-id` names.
  const bySse = Stream.unwrap(
    client.stream.events({ headers: {}, query: { executorId, after: 0, type: "action.permitted" } })
  ).pipe(
    Stream.filter(({ event }) => event === "message"),
    Stream.take(1),
    Stream.runForEach(({ data, id }) => {
      const event = JSON.parse(data) as { readonly stream: string }
      return Effect.log(`as an event: ${event.stream} (last-event-id: ${id} goes on)`)
    })
  )

  // By a long poll, where one action waits for people: answered once that is decided, at the latest after 30 seconds.
  const byPoll = Effect.gen(function* () {
    for (const { confirmationId } of items) {
      const params = { confirmationId: confirmationId! }
      const { actionId, status } = yield* client.confirmations.get({ params, query: { waitMillis: 30_000 } })
      yield* Effect.log(`by a long poll: action:${actionId} (${status})`)
    }
  })

  yield* Effect.log(`waiting for ${items.length}`)
  yield* Effect.all([bySocket, bySse, byPoll], { concurrency: "unbounded" })
})

const layers = Layer.merge(NodeHttpClient.layerUndici, Live.layerWebSocket)
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layers)))
// #endregion wait
