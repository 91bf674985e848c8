/**
 * One request and its answer, as the access log and a problem's `instance` know it.
 *
 * Owns nothing of what was said: no token, no header, no body ever stands here.
 */
import * as Context from "effect/Context"
import type { Actor } from "#src/kernel/Stamp.ts"
import type { Code } from "../Problems.ts"

export interface Exchange {
  /** Ours, fresh for every request; in every answer as `X-Request-Id`. */
  readonly requestId: string
  /** The path's template, once a route was found. */
  route: string | null
  /** The ids in the path. */
  ids: { readonly [name: string]: string }
  principal: Actor | null
  /** The problem that was answered, if one was. */
  problem: Code | null
}

export const make = (requestId: string): Exchange => ({
  requestId,
  route: null,
  ids: {},
  principal: null,
  problem: null
})

/** A reference, since it belongs to the request and not to what is built once; outside of one it is a blank. */
export const Current = Context.Reference<Exchange>("keelson/edge/Exchange", {
  defaultValue: () => make("00000000-0000-0000-0000-000000000000")
})

export const instance = ({ requestId }: Exchange): string => `urn:uuid:${requestId}`
