/** A reader of server-sent events. */
import * as Effect from "effect/Effect"
import { request } from "node:http"
import * as Kit from "./http-kit.ts"

export interface Message {
  readonly id: number
  readonly event: string
  readonly data: any
}

export interface Followed {
  readonly status: number
  readonly contentType: string
  /** Everything that was received. */
  readonly messages: Array<Message>
  /** Resolves once a message holds; fails where the stream ends before. */
  readonly until: (holds: (message: Message) => boolean) => Promise<Message>
  readonly ended: Promise<void>
  readonly close: () => void
}

/** Reads server-sent events as the standard says: lines, blank line, dispatch. */
const follow = (port: number, path: string, headers: { readonly [name: string]: string }) =>
  new Promise<Followed>((done, failed) => {
    const outgoing = request({ host: "127.0.0.1", port, path, headers, agent: false })
    outgoing.on("error", failed)
    outgoing.on("response", (incoming) => {
      const messages: Array<Message> = []
      const waiting = new Set<() => void>()
      let over = false
      let text = ""
      const wake = () => {
        for (const one of waiting) one()
      }
      incoming.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
        for (let at = text.indexOf("\n\n"); at >= 0; at = text.indexOf("\n\n")) {
          const fields = new Map(
            text
              .slice(0, at)
              .split("\n")
              .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()])
          )
          text = text.slice(at + 2)
          messages.push({
            id: Number(fields.get("id")),
            event: fields.get("event") ?? "message",
            data: JSON.parse(fields.get("data") ?? "null")
          })
        }
        wake()
      })
      const ended = new Promise<void>((end) =>
        incoming.once("close", () => {
          over = true
          wake()
          end()
        })
      )
      const until = async (holds: (message: Message) => boolean): Promise<Message> => {
        for (;;) {
          const found = messages.find(holds)
          if (found !== undefined) return found
          if (over) throw new Error(`the stream ended before: ${JSON.stringify(messages.at(-1))}`)
          await new Promise<void>((resume) => {
            const one = () => {
              waiting.delete(one)
              resume()
            }
            waiting.add(one)
          })
        }
      }
      incoming.once("error", wake)
      done({
        status: incoming.statusCode ?? 0,
        contentType: String(incoming.headers["content-type"]),
        messages,
        until,
        ended,
        close: () => outgoing.destroy()
      })
    })
    outgoing.end()
  })

/** A stream that ends with its scope. */
export const following = Effect.fnUntraced(function* (
  query: string,
  { as = "owner", headers = {}, token }: { as?: Kit.Name; headers?: { [name: string]: string }; token?: string } = {}
) {
  const { port } = yield* Kit.Caller
  const authorization = as === "nobody" ? {} : { authorization: `Bearer ${token ?? Kit.tokenOf(as)}` }
  return yield* Effect.acquireRelease(
    Effect.promise(() => follow(port, `/v1/events/stream${query}`, { ...authorization, ...headers })),
    ({ close }) => Effect.sync(close)
  )
})

export const wait = (followed: Followed, holds: (message: Message) => boolean) =>
  Effect.promise(() => followed.until(holds))
