/** The same key after a restart, on every journal that outlives one: nothing but the journal and the keys is carried over. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import * as PgliteEventStore from "#layers/event-store/PgliteEventStore.ts"
import * as VolatileEventStore from "#layers/event-store/VolatileEventStore.ts"
import * as FileKeyRing from "#layers/key-ring/FileKeyRing.ts"
import * as VolatileKeyRing from "#layers/key-ring/VolatileKeyRing.ts"
import * as VolatilePolicyEngine from "#layers/policy-engine/VolatilePolicyEngine.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as Core from "#layers/profiles/Core.ts"
import { defaults } from "#layers/profiles/Settings.ts"
import * as NoneRecollection from "#layers/recollection/NoneRecollection.ts"
import * as CommandResponder from "#layers/responder/CommandResponder.ts"
import * as NodeStamps from "#layers/stamps/NodeStamps.ts"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"
import * as GatewayRows from "#src/gateway/Rows.ts"
import type { EventStore, Rows } from "#src/ports/EventStore.ts"
import type { KeyRing } from "#src/ports/KeyRing.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"
import * as World from "#test/kit/world.ts"
import * as Kit from "./http-kit.ts"

type Kept<E> = Layer.Layer<EventStore | Rows | KeyRing, E>

const policies = { "test.cedar": '@id("note") @gate("human") permit (principal, action == Action::"note", resource);' }

interface Write {
  readonly path: string
  readonly key: string
  readonly body: unknown
  /** Another body that the path takes; null where it takes none. */
  readonly other: unknown
  readonly answer: Kit.Answer
}

const note = (text: string) => ({ tool: "note", arguments: { text } })

/** One life of the service over what is kept. */
const life = <E>(kept: Kept<E>) =>
  Kit.doorOver(
    Core.layer(defaults).pipe(
      Layer.provideMerge(VolatilePolicyEngine.layerText(policies)),
      Layer.provideMerge(ToolRegistry.layerCatalog),
      Layer.provideMerge(ToolRegistry.layer([World.note("note", () => Effect.succeed(1))])),
      Layer.provideMerge(Layer.mergeAll(kept, NodeStamps.layer)),
      Layer.provideMerge(Layer.mergeAll(NodeDigest.layer, NoneRecollection.layer, CommandResponder.layer))
    )
  )

const journals = {
  "in memory": Effect.map(
    Layer.build(Layer.mergeAll(VolatileEventStore.layer, VolatileKeyRing.layer)),
    (context) => (): Kept<never> => Layer.succeedContext(context)
  ),
  "on PGlite": Effect.map(
    TemporaryFolder.make,
    (folder) => (first: boolean) =>
      FileKeyRing.layer({ folder: `${folder}/keys`, createIfEmpty: first }).pipe(
        Layer.provide(NodePrivateFiles.layer),
        Layer.merge(
          PgliteEventStore.layer({ folder: `${folder}/journal`, rowIndexes: GatewayRows.indexes }).pipe(
            Layer.provide(NodeDigest.layer)
          )
        )
      )
  )
}

for (const [name, journal] of Object.entries(journals)) {
  it.live(
    `the same key gives the same answer after a restart (${name})`,
    () =>
      Effect.gen(function* () {
        const kept = yield* journal
        const writes: Array<Write> = []

        yield* Effect.gen(function* () {
          const { get, post } = yield* Kit.Caller
          const write = Effect.fnUntraced(function* (path: string, key: string, body: unknown, other: unknown) {
            const answer = yield* post(path, { key, body })
            writes.push({ path, key, body, other, answer })
            return answer.json
          })
          const { sessionId } = yield* write("/v1/sessions", "s", { title: "kept" }, { title: "other" })
          const actions = `/v1/sessions/${sessionId}/actions`
          yield* write(`/v1/sessions/${sessionId}/touch`, "t", {}, null)
          const one = yield* write(actions, "a1", note("one"), note("other"))
          const two = yield* write(actions, "a2", note("two"), note("other"))
          yield* write(`/v1/confirmations/${one.confirmationId}/approve`, "d1", {}, { arguments: { text: "other" } })
          yield* write(`/v1/confirmations/${two.confirmationId}/deny`, "d2", { reason: "no" }, { reason: "other" })
          yield* write(`/v1/confirmations/${two.confirmationId}/approve`, "d3", {}, { arguments: { text: "other" } })
          const turn = yield* write(`/v1/sessions/${sessionId}/turns`, "n", { input: "hello" }, { input: "other" })
          yield* get(`/v1/turns/${turn.turnId}?waitMillis=20000`)
          yield* get(`/v1/actions/${one.actionId}?waitMillis=20000`)
          yield* write(`/v1/turns/${turn.turnId}/cancel`, "c", {}, { reason: "other" })
          yield* write(`/v1/sessions/${sessionId}/close`, "z", { reason: "done" }, { reason: "other" })
        }).pipe(Effect.provide(life(kept(true))))

        yield* Effect.gen(function* () {
          const { get, post } = yield* Kit.Caller
          const head = Effect.map(get("/v1/events?limit=200"), ({ json }) => json.next as number)
          const before = yield* head
          for (const { path, key, body, other, answer } of writes) {
            const again = yield* post(path, { key, body })
            const { instance: _, ...rest } = answer.json
            assert.strictEqual(again.status, answer.status, path)
            assert.deepInclude(again.json, rest, path)
            assert.strictEqual(again.headers["idempotent-replayed"], "true", path)
            if (other !== null) {
              assert.deepInclude(
                (yield* post(path, { key, body: other })).json,
                { status: 422, code: "KeyReused" },
                path
              )
            }
            const elsewhere = yield* post("/v1/sessions", { key, body: { title: "elsewhere" } })
            assert.deepInclude(elsewhere.json, { status: 422, code: "KeyReused" }, path)
          }
          assert.strictEqual(yield* head, before, "nothing happened")
        }).pipe(Effect.provide(life(kept(false))))
      }),
    60_000
  )
}
