/**
 * Requests that ask for another protocol: one path has one to give, everywhere else the wish is ignored (RFC 9110
 * section 7.8) and the request is one like any other, with its turn, its body and its limits.
 *
 * Owns which requests those are. Does not own the handshake (`SocketDoor`).
 *
 * Invariants: whoever asked and got none has asked for the last time on that connection, for Node loses what was sent
 * behind such a request in the same piece, and would take the rest for the beginning of another one; a connection that
 * asked and was refused is gone soon, whatever its peer does.
 *
 * A Node before 24.9 can't ignore it. There such a request skips the turns of its connection, and is its only one.
 */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { socketPath } from "../Api.ts"

export const make = () => {
  const ignored = new WeakSet<object>()
  return {
    /** For Node's server: whether it hands the connection over. */
    shouldUpgradeCallback: (request: IncomingMessage): boolean => {
      const hasOne = request.method === "GET" && request.url?.split("?", 1)[0] === socketPath
      if (!hasOne) ignored.add(request)
      return hasOne
    },
    /** Whether the answer to this request is the last one of its connection. */
    isLast: (request: object): boolean => ignored.has(request) || isHandedOver(request)
  }
}

/** As Node took it, whatever its headers say: the connection is none for HTTP from then on. */
export const isHandedOver = (request: object): boolean => "upgrade" in request && request.upgrade === true

/** A peer may take so long to hear an answer that is the last one. */
export const letGo = (socket: Duplex): void => {
  setTimeout(() => socket.destroy(), graceMillis).unref()
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const graceMillis = 500
