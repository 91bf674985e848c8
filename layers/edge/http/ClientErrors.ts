/**
 * Requests that never became one: what the parser refuses, headers that are too large or too slow, and a wish for a
 * tunnel.
 *
 * They reach no handler, so the problem is written to the socket here, by hand.
 */
import { randomUUID } from "node:crypto"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Problems from "../Problems.ts"
import * as Upgrades from "./Upgrades.ts"

export const attach = (server: Server): void => {
  // A socket whose answer has begun can't take another.
  const answers = new WeakMap<object, ServerResponse>()
  const seen = (request: IncomingMessage, response: ServerResponse) => answers.set(request.socket, response)
  server.on("request", seen)
  server.on("checkContinue", seen)
  server.on("checkExpectation", (_request: IncomingMessage, response: ServerResponse) => {
    const problem = Problems.make("MalformedRequest", "the only expectation that is met here is 100-continue")
    const { body, headers } = answer(problem)
    response.writeHead(Problems.definitionOf(problem.code).status, headers).end(body)
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const begun = answers.get(socket)
    const free = begun === undefined || begun.writableFinished || !begun.headersSent
    if (error.code === "ECONNRESET" || !socket.writable || !free) {
      socket.destroy()
      return
    }
    lastWord(socket, Problems.make(codeOf(error)))
  })
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => undefined)
    lastWord(socket, Problems.make("MethodNotAllowed", "there are no tunnels here", { allow: [] }))
  })
  server.on("dropRequest", (_request: IncomingMessage, socket: Socket) => socket.destroy())
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** A caller that never reads must not keep the socket. */
const lastWord = (socket: Duplex, problem: Problems.Problem): void => {
  socket.end(text(problem))
  Upgrades.letGo(socket)
}

const codeOf = (error: NodeJS.ErrnoException): Problems.Code => {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return "HeadersTooLarge"
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return "RequestTimeout"
    default:
      return "MalformedRequest"
  }
}

const answer = (problem: Problems.Problem) => {
  const requestId = randomUUID()
  const body = JSON.stringify(Problems.document(problem, `urn:uuid:${requestId}`))
  const headers = {
    connection: "close",
    "content-type": "application/problem+json",
    "content-length": String(Buffer.byteLength(body)),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": requestId,
    ...Problems.headers(problem)
  }
  return { body, headers }
}

const text = (problem: Problems.Problem): string => {
  const { status, title } = Problems.definitionOf(problem.code)
  const { body, headers } = answer(problem)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${title}`, ...lines, "", body].join("\r\n")
}
