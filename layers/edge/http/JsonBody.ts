/**
 * Bytes to one JSON object, strictly: valid UTF-8, bounded in size, depth and time, and nothing in it that the
 * journal's encoding has no words for. What passes here can be encoded canonically.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { escapeToken } from "effect/JsonPointer"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Stream from "effect/Stream"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as JsonText from "#src/kernel/JsonText.ts"
import * as Problems from "../Problems.ts"

export interface Limits {
  readonly bodyBytesMax: number
  readonly bodyMillis: number
}

/** The text of the body, `{}` where there is none. */
export const read = Effect.fnUntraced(function* (
  request: HttpServerRequest,
  limits: Limits
): Effect.fn.Return<string, Problems.Problem> {
  const declared = request.headers["content-length"]
  if (declared !== undefined && Number(declared) > limits.bodyBytesMax) {
    return yield* Problems.bodyTooLarge(limits.bodyBytesMax)
  }
  if (declared === "0" || (declared === undefined && request.headers["transfer-encoding"] === undefined)) return "{}"
  yield* mediaType(request)
  const bytes = yield* collect(request, limits.bodyBytesMax).pipe(
    Effect.timeoutOrElse({
      duration: Duration.millis(limits.bodyMillis),
      orElse: () => Effect.fail(Problems.make("RequestTimeout", `a body has ${limits.bodyMillis} milliseconds to come`))
    })
  )
  if (bytes.byteLength === 0) return "{}"
  const text = decode(bytes)
  if (text === null) return yield* Problems.make("InvalidJson", "the body is not valid UTF-8")
  // The body is one level around the arguments, which have their own bound.
  yield* encodable(yield* objectOf(text), Bounds.argumentsDepthMax + 1)
  return text
})

/** A JSON object, whatever is in it. */
export interface JsonObject {
  readonly [member: string]: unknown
}

/** The JSON object that the text is. */
export const objectOf = (text: string, whole = "the body"): Effect.Effect<JsonObject, Problems.Problem> => {
  const value = parse(text)
  if (value === undefined) return Effect.fail(Problems.make("InvalidJson", `${whole} is not JSON`))
  return value === null || typeof value !== "object" || Array.isArray(value)
    ? Effect.fail(invalid("", "Expected a JSON object", whole))
    : Effect.succeed(value as JsonObject)
}

/** Refuses what the journal's encoding has no words for. */
export const encodable = (object: JsonObject, depthMax: number): Effect.Effect<void, Problems.Problem> => {
  const flaw = walk(object, "", 0, depthMax)
  return flaw === null ? Effect.void : Effect.fail(invalid(flaw.pointer, flaw.detail))
}

/** `errors` of `InvalidBody`: one flaw, of what is called `whole`. */
export const invalid = (pointer: string, detail: string, whole = "the body"): Problems.Problem =>
  Problems.make("InvalidBody", `${pointer === "" ? whole : pointer}: ${detail}`, { errors: [{ pointer, detail }] })

/** One step of an RFC 6901 pointer. */
export const step = (key: PropertyKey): string => `/${escapeToken(String(key))}`

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const mediaType = (request: HttpServerRequest): Effect.Effect<void, Problems.Problem> => {
  const coding = request.headers["content-encoding"]
  if (coding !== undefined && coding.toLowerCase() !== "identity") {
    return Effect.fail(Problems.make("UnsupportedMediaType", "send the body as it is, without a content coding"))
  }
  const type = request.headers["content-type"]
  if (type !== undefined && /^application\/json[ \t]*(;[ \t]*charset[ \t]*=[ \t]*"?utf-8"?[ \t]*)?$/i.test(type)) {
    return Effect.void
  }
  return Effect.fail(Problems.make("UnsupportedMediaType", "the body needs `Content-Type: application/json`, in UTF-8"))
}

/** Counts what really comes. By the stream, since a reading given up must leave the connection whole for the answer. */
const collect = (request: HttpServerRequest, maximum: number): Effect.Effect<Buffer, Problems.Problem> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let length = 0
    return request.stream.pipe(
      Stream.mapError(() => Problems.make("MalformedRequest", "the body broke off")),
      Stream.runForEachArray((arrived) => {
        for (const chunk of arrived) {
          length += chunk.byteLength
          if (length > maximum) return Effect.fail(Problems.bodyTooLarge(maximum))
          chunks.push(chunk)
        }
        return Effect.void
      }),
      Effect.map(() => Buffer.concat(chunks))
    )
  })

const utf8 = new TextDecoder("utf-8", { fatal: true })

const decode = (bytes: Uint8Array): string | null => {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

const parse = (text: string): unknown => {
  try {
    return JsonText.parse(text)
  } catch {
    return undefined
  }
}

interface Flaw {
  readonly pointer: string
  readonly detail: string
}

/** Recursion is bounded by the depth it refuses. */
const walk = (value: unknown, pointer: string, depth: number, depthMax: number): Flaw | null => {
  if (typeof value === "string") return halfSurrogate.test(value) ? { pointer, detail: halfPair } : null
  if (typeof value === "number") return Number.isFinite(value) ? null : { pointer, detail: "Expected a finite number" }
  if (value === null || typeof value !== "object") return null
  if (depth >= depthMax) return { pointer, detail: `Expected at most ${depthMax} levels` }
  for (const [key, member] of Object.entries(value)) {
    if (halfSurrogate.test(key)) return { pointer, detail: halfPair }
    const flaw = walk(member, pointer + step(key), depth + 1, depthMax)
    if (flaw !== null) return flaw
  }
  return null
}

/** With the flag `u` a whole pair is one code point, so only a lone half matches. */
const halfSurrogate = /\p{Surrogate}/u
const halfPair = "Expected well-formed Unicode: half a surrogate pair stands here"
