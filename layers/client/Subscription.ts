/**
 * How far one stream of `Live` is: what waits for it, and whether the service is asked for more.
 *
 *   live: frames come in  ->  too many wait: it leaves, and comes back after the last one once they are taken
 *
 * Invariants: a frame is given once, in order, and none that belongs to an earlier subscription; what waits is bounded.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** What is followed, as the frames say it that ask for it and leave it: their type, and whom it concerns. */
export interface Target {
  readonly subscribe: { readonly type: string; readonly [member: string]: string }
  readonly unsubscribe: { readonly type: string; readonly [member: string]: string }
}

export const make = <Frame extends { readonly sequence: number }, E>(target: Target, from: number | undefined) => {
  let waiting: Array<Frame> = []
  let after = from
  let frameId = ""
  let confirmed = false
  let live = true
  let failure: E | null = null
  const something = Latch.makeUnsafe(false)

  const subscribe = () => {
    live = true
    confirmed = false
    frameId = crypto.randomUUID()
    return JSON.stringify({ ...target.subscribe, id: frameId, ...(after === undefined ? {} : { after }) })
  }

  return {
    subscribe,
    frameId: () => frameId,
    isLive: () => live && failure === null,
    /** The service takes the subscription of that frame: what came before it belongs to an earlier one. */
    confirm: (id: string, at: number) => {
      if (id !== frameId) return
      confirmed = true
      after ??= at
    },
    give: (frame: Frame): "taken" | "full" => {
      if (!confirmed || !live || frame.sequence <= (after ?? -1)) return "taken"
      waiting.push(frame)
      after = frame.sequence
      something.openUnsafe()
      return waiting.length < framesWaitingMax ? "taken" : "full"
    },
    /** Nothing up to here is missing. */
    complete: (sequence: number) => {
      if (confirmed && live && after !== undefined) after = Math.max(after, sequence)
    },
    leave: () => {
      live = false
      return JSON.stringify({ ...target.unsubscribe, id: crypto.randomUUID() })
    },
    fail: (error: E) => {
      failure ??= error
      something.openUnsafe()
    },
    /** What waits, once there is any; asks for more where the stream had been left. */
    pull: (say: (text: string) => Effect.Effect<void>) =>
      Effect.gen(function* (): Effect.fn.Return<Arr.NonEmptyReadonlyArray<Frame>, E> {
        for (;;) {
          const [first, ...rest] = waiting
          waiting = []
          if (first !== undefined) return [first, ...rest]
          if (failure !== null) return yield* Effect.fail(failure)
          if (!live) yield* say(subscribe())
          yield* something.await
          something.closeUnsafe()
        }
      })
  }
}

export type Subscription<Frame extends { readonly sequence: number }, E> = ReturnType<typeof make<Frame, E>>

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Frames that wait for whoever takes them; beyond it the stream is left until they were taken. */
const framesWaitingMax = 256
