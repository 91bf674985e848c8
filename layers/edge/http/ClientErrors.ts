/**
 * Requests that never became one: what the parser refuses, headers that are too large or too slow.
 *
 * They reach no handler, so the problem is written to the socket here, by hand.
 */
import { randomUUID } from "node:crypto"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as Problems from "../Problems.ts"

export const attach = (server: Server): void => {
  // A socket whose answer has begun can't take another.
  const answers = new WeakMap<object, ServerResponse>()
  const seen = (request: IncomingMessage, response: ServerResponse) => answers.set(request.socket, response)
  server.on("request", seen)
  server.on("checkContinue", seen)
  server.on("checkExpectation", ({ socket }: IncomingMessage) => {
    socket.end(text(Problems.make("MalformedRequest", "the only expectation that is met here is 100-continue")))
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const answer = answers.get(socket)
    const free = answer === undefined || answer.writableFinished || !answer.headersSent
    if (error.code === "ECONNRESET" || !socket.writable || !free) {
      socket.destroy()
      return
    }
    socket.end(text(Problems.make(codeOf(error))))
    // A caller that never reads must not keep the socket.
    setTimeout(() => socket.destroy(), graceMillis).unref()
  })
  server.on("dropRequest", (_request: IncomingMessage, socket: Socket) => socket.destroy())
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const graceMillis = 500

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

const text = (problem: Problems.Problem): string => {
  const { status, title } = Problems.definitionOf(problem.code)
  const requestId = randomUUID()
  const body = JSON.stringify(Problems.document(problem, `urn:uuid:${requestId}`))
  return [
    `HTTP/1.1 ${status} ${title}`,
    "connection: close",
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "cache-control: no-store",
    "x-content-type-options: nosniff",
    `x-request-id: ${requestId}`,
    "",
    body
  ].join("\r\n")
}
