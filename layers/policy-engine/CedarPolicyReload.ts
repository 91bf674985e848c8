/**
 * The policy engine on Cedar over a folder that people change while the service runs.
 *
 *   something happened in the folder, or time passed -> quiet for a moment -> read -> validate -> take | refuse
 *
 * Owns when the folder is looked at, and which set is in force. Does not own reading (`PolicyFolder`), validating
 * (`CedarPolicySet`) nor judging (`CedarPolicyEngine`).
 *
 * Invariants: a set is validated whole before it is taken; it is taken between two decisions, never within one; a
 * refused one changes nothing but what `refused` and the log say; the same mistake is logged once, unless somebody asks.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Digest } from "#src/ports/Digest.ts"
import type { EventStoreError } from "#src/ports/EventStore.ts"
import { PolicyEngine, type PolicyError, type PolicySet } from "#src/ports/PolicyEngine.ts"
import { ToolCatalog } from "#src/ports/ToolExecutor.ts"
import * as CedarPolicyEngine from "./CedarPolicyEngine.ts"
import type { PolicyFile } from "./CedarPolicyText.ts"
import { readFolder } from "./PolicyFolder.ts"

export interface Options {
  readonly folder: string
  /** Time without a change before the folder is read. Default: `Bounds.policyQuietMillis`. */
  readonly quietMillis?: number
  /** The folder is looked at this often even where the system tells of no change. Default: `Bounds.policyLookMillis`. */
  readonly lookMillis?: number
}

/** Fails where the folder can't be used at the start; later ones that can't are refused. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { folder } = options
  const { sha256 } = yield* Digest
  const dependencies = yield* Effect.context<Digest | ToolCatalog | FileSystem.FileSystem>()
  const lifetime = yield* Effect.scope
  const turns = yield* Semaphore.make(1)
  const sets = yield* PubSub.bounded<PolicySet>({ capacity: Bounds.policyChangesWaitingMax, replay: 1 })

  const read = Effect.provide(readFolder(folder), dependencies)

  /** A set with a scope of its own, so that it can be dropped before the engine is. */
  const open = Effect.fnUntraced(function* (files: ReadonlyArray<PolicyFile>) {
    const scope = yield* Scope.fork(lifetime)
    const { judge, set } = yield* CedarPolicyEngine.open(files).pipe(
      // Inside, or the engine's own scope would keep every set until the end.
      Scope.provide(scope),
      Effect.provide(dependencies),
      Effect.catchTag("PolicyError", (error) => Effect.fail(CedarPolicyEngine.inFolder(folder, error))),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    return { judge, set, drop: Scope.close(scope, Exit.void) }
  })

  const first = yield* read
  let current = yield* open(first)
  let refused: PolicyError | null = null
  /** What was found last, so that only a change is judged and logged. */
  let found: string | null = sha256(JSON.stringify(first))
  yield* PubSub.publish(sets, current.set)

  const take = Effect.fnUntraced(function* (next: typeof current) {
    const before = current
    refused = null
    if (next.set.hash === before.set.hash) {
      yield* next.drop
      return yield* Effect.logInfo(`the policies are as in force, set ${next.set.hash.slice(0, 12)}`)
    }
    current = next
    yield* before.drop
    yield* Effect.logInfo(
      `other policies are in force: ${next.set.policies.length} of set ${next.set.hash.slice(0, 12)}`
    )
    yield* PubSub.publish(sets, next.set)
  }, Effect.uninterruptible)

  const refuse = (error: PolicyError | EventStoreError) => {
    if (error._tag === "EventStoreError") {
      // Nothing is known of the policies: the next look tries again.
      found = null
      return Effect.logWarning("the tools that policies speak of could not be read, so none were taken", error)
    }
    refused = error
    const inForce = current.set.hash.slice(0, 12)
    return Effect.logError(`changed policies were refused, so set ${inForce} stays in force:\n${error.message}`)
  }

  /** `asked`: a person wants to know, so what was found before is judged and told again. */
  const look = (asked: boolean) =>
    turns.withPermit(
      Effect.gen(function* () {
        const files = yield* Effect.result(read)
        const seen = sha256(JSON.stringify(Result.isSuccess(files) ? files.success : files.failure.problems))
        if (seen === found && !asked) return yield* Effect.logDebug("the policy folder holds nothing new")
        found = seen
        yield* Effect.fromResult(files).pipe(
          Effect.flatMap(open),
          Effect.matchEffect({ onFailure: refuse, onSuccess: take }),
          Effect.uninterruptible
        )
      })
    )

  yield* Effect.forkScoped(watch(options, yield* FileSystem.FileSystem, look(false)))

  return PolicyEngine.of({
    decide: CedarPolicyEngine.deciding((question) => current.judge(question)),
    set: Effect.sync(() => current.set),
    sets: Stream.fromPubSub(sets),
    refused: Effect.sync(() => refused),
    reload: look(true)
  })
})

export const layer = (
  options: Options
): Layer.Layer<PolicyEngine, PolicyError | EventStoreError, ToolCatalog | Digest> =>
  Layer.effect(PolicyEngine, make(options)).pipe(Layer.provide(NodeFileSystem.layer))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Looks whenever the folder has changed and come to rest, for ever. */
const watch = Effect.fnUntraced(function* (
  { folder, lookMillis = Bounds.policyLookMillis, quietMillis = Bounds.policyQuietMillis }: Options,
  fileSystem: FileSystem.FileSystem,
  look: Effect.Effect<void>
) {
  // Many changes are one reason to look.
  const reasons = yield* Queue.sliding<"look">(1)

  /**
   * One watch, for a while: a folder that was moved away and replaced keeps its old watch, so each is given up for a
   * new one. What changed in between is seen by the look that comes with the new one.
   */
  const notice = fileSystem.watch(folder, { onReady: () => void Queue.offerUnsafe(reasons, "look") }).pipe(
    Stream.runForEach(() => Queue.offer(reasons, "look")),
    // Where the system can't watch, time alone is a reason to look.
    Effect.ignore,
    Effect.andThen(Effect.never),
    Effect.timeoutOption(Duration.millis(lookMillis)),
    Effect.andThen(Queue.offer(reasons, "look"))
  )

  /** Whoever writes on and on does not put it off for ever. */
  const rest = Effect.gen(function* () {
    yield* Queue.take(reasons)
    const untilMillis = (yield* Clock.currentTimeMillis) + Bounds.policyUnrestMillisMax
    while ((yield* Clock.currentTimeMillis) < untilMillis) {
      const more = yield* Effect.timeoutOption(Queue.take(reasons), Duration.millis(quietMillis))
      if (more._tag === "None") return
    }
  })

  const again = Effect.andThen(rest, look).pipe(
    Effect.catchDefect((defect) => Effect.logError("a look at the policy folder broke", defect))
  )
  return yield* Effect.all([Effect.forever(notice), Effect.forever(again)], { concurrency: 2, discard: true })
})
