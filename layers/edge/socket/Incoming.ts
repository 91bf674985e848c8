/**
 * A frame as it comes, read strictly: one JSON object in text, of a type that there is, exactly as its schema says.
 *
 * Owns the reading of frames and the wording of what is wrong with them, and counting what means nothing.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Frames from "../api/Frames.ts"
import * as Flaws from "../http/Flaws.ts"
import * as JsonBody from "../http/JsonBody.ts"
import * as Problems from "../Problems.ts"

export type Frame = Frames.ClientFrame
export type SubscribeFrame = (typeof Frames.controls.subscribe)["Type"]
export type UnsubscribeFrame = (typeof Frames.controls.unsubscribe)["Type"]
export type WorkSubscribeFrame = (typeof Frames.controls)["work.subscribe"]["Type"]
export type WorkUnsubscribeFrame = (typeof Frames.controls)["work.unsubscribe"]["Type"]

type Deed =
  | (typeof Frames.commands)[Frames.CommandType]["Type"]
  | (typeof Frames.questions)[Frames.QuestionType]["Type"]
/** A frame that is done by one of `Deeds`, without what only its own type knows. */
export type DeedFrame = Deed & { readonly params?: object; readonly body?: object }

/** What can't be read, with the id that it had, where it had one. */
export interface Unread {
  readonly frameId: string | null
  readonly problem: Problems.Problem
}

export const read: (raw: string | Uint8Array) => Effect.Effect<Frame, Unread> = Effect.fnUntraced(function* (raw) {
  if (typeof raw !== "string") return yield* unread(null, flaw("", "Expected text; this frame is binary"))
  const object = yield* Effect.mapError(JsonBody.objectOf(raw, whole), (problem) => ({ frameId: null, problem }))
  const frameId = isFrameId(object["id"]) ? object["id"] : null
  yield* Effect.mapError(JsonBody.encodable(object, depthMax), (problem) => ({ frameId, problem }))
  const type = object["type"]
  if (typeof type !== "string" || !Object.hasOwn(decoders, type)) {
    return yield* unread(frameId, flaw("/type", `Expected one of ${Object.keys(decoders).join(", ")}`))
  }
  return yield* Effect.mapError(decoders[type as Frames.AskedType](object), (error) => {
    const errors = Flaws.of(error.issue)
    const [first] = errors
    const detail = first === undefined ? "not understood" : `${first.pointer}: ${first.detail}`
    return { frameId, problem: Problems.make("InvalidBody", detail, { errors }) }
  })
})

/** One flaw of a frame. */
export const flaw = (pointer: string, detail: string): Problems.Problem => JsonBody.invalid(pointer, detail, whole)

/** Takes the time at which something came that means nothing; true once that was too much. */
export type Nonsense = (nowMillis: number) => boolean

/** Counts what means nothing: true once it is more than `maximum` in a minute. */
export const nonsense = (maximum: number): Nonsense => {
  let seen: ReadonlyArray<number> = []
  return (nowMillis) => {
    seen = [...seen.filter((at) => at > nowMillis - 60_000), nowMillis]
    return seen.length > maximum
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const whole = "the frame"

/** Arguments stand in a body, which stands in the frame. */
const depthMax = Bounds.argumentsDepthMax + 2

const isFrameId = Schema.is(Frames.FrameId)

const unread = (frameId: string | null, problem: Problems.Problem) => Effect.fail<Unread>({ frameId, problem })

const decoders = Object.fromEntries(
  Object.entries(Frames.asked).map(([type, schema]) => [
    type,
    Schema.decodeUnknownEffect(schema as Schema.Codec<Frame>, { onExcessProperty: "error", errors: "all" })
  ])
) as { readonly [Type in Frames.AskedType]: (value: unknown) => Effect.Effect<Frame, Schema.SchemaError> }
