/** An OTLP collector on loopback that keeps what it is sent, as JSON. */
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface Received {
  readonly path: string
  readonly headers: { readonly [name: string]: unknown }
  readonly text: string
}

export interface Collector {
  readonly url: string
  readonly received: Array<Received>
  /** Spans of everything received. */
  readonly spans: () => ReadonlyArray<any>
}

/** `answer` gives the status for a path, or null to leave the request without one. */
export const make = (answer: (path: string) => number | null = () => 200) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly collector: Collector; readonly close: () => void }>((resolve) => {
          const received: Array<Received> = []
          const server = createServer((request, response) => {
            const chunks: Array<Buffer> = []
            request.on("data", (chunk: Buffer) => chunks.push(chunk))
            request.on("end", () => {
              const text = Buffer.concat(chunks).toString("utf8")
              received.push({ path: request.url ?? "", headers: request.headers, text })
              const status = answer(request.url ?? "")
              if (status !== null) response.writeHead(status, { "content-type": "application/json" }).end("{}")
            })
          })
          server.listen(0, "127.0.0.1", () => {
            const { port } = server.address() as AddressInfo
            const spans = () =>
              received
                .filter(({ path }) => path === "/v1/traces")
                .flatMap(({ text }) => JSON.parse(text).resourceSpans)
                .flatMap(({ scopeSpans }: any) => scopeSpans)
                .flatMap(({ spans }: any) => spans)
            resolve({
              collector: { url: `http://127.0.0.1:${port}`, received, spans },
              close: () => {
                server.closeAllConnections()
                server.close()
              }
            })
          })
        })
    ),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ collector }) => collector))
