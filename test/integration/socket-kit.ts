/** A WebSocket client that holds every frame against the protocol's own description. */
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Frames from "#layers/edge/api/Frames.ts"
import * as Kit from "./http-kit.ts"

/** A frame as it came; the tests' own business what is in it. */
export type Frame = any

export type Halt = (typeof Frames.HaltFrame.Type)["halt"]

export interface Ended {
  readonly code: number
  readonly reason: string
}

export interface Client {
  readonly ws: NodeWS.WebSocket
  /** Everything that was received, but for what comes unasked of a halt. */
  readonly frames: Array<Frame>
  /** What was told of a halt: what stood at the opening, then each change. */
  readonly halts: Array<Halt>
  /** Completes once what was told last holds. */
  readonly untilHalt: (holds: (halt: Halt) => boolean) => Effect.Effect<Halt>
  readonly send: (frame: object | string | Uint8Array) => void
  /** The first frame that holds, received or to come; fails where the connection ends before. */
  readonly until: (holds: (frame: Frame) => boolean) => Effect.Effect<Frame>
  /** Sends and waits for the answer or the problem. */
  readonly ask: (frame: { readonly id: string; readonly [member: string]: unknown }) => Effect.Effect<Frame>
  readonly ended: Effect.Effect<Ended>
  readonly close: () => void
}

export interface Options {
  readonly as?: Kit.Name
  readonly token?: string
  readonly headers?: { readonly [name: string]: string }
  readonly protocols?: ReadonlyArray<string>
  readonly path?: string
}

const conforms = Schema.decodeUnknownSync(Frames.Told, { onExcessProperty: "error" })

export const connect = (url: string, options: Options = {}): Promise<Client> =>
  new Promise((done, failed) => {
    const { as = "owner", headers = {}, path = "/v1/socket", protocols = [Frames.subprotocol], token } = options
    const authorization = as === "nobody" ? {} : { authorization: `Bearer ${token ?? Kit.tokenOf(as)}` }
    const ws = new NodeWS.WebSocket(`${url.replace("http", "ws")}${path}`, [...protocols], {
      headers: { ...authorization, ...headers },
      perMessageDeflate: false
    })
    const frames: Array<Frame> = []
    const halts: Array<Halt> = []
    const waiting = new Set<() => void>()
    let over: Ended | undefined
    const wake = () => {
      for (const one of waiting) one()
    }
    ws.on("message", (data) => {
      const frame = JSON.parse((data as Buffer).toString("utf8"))
      conforms(frame)
      if (frame.type === "halt") halts.push(frame.halt)
      else frames.push(frame)
      wake()
    })
    ws.on("error", failed)
    ws.on("close", (code, reason) => {
      over = { code, reason: String(reason) }
      wake()
    })
    const waitFor = <A>(look: () => A | undefined, orElse: () => A | undefined = () => undefined) =>
      Effect.promise(
        (signal) =>
          new Promise<A>((resolve, reject) => {
            const one = () => {
              const found = look() ?? (over === undefined ? undefined : orElse())
              if (found === undefined && over === undefined) return
              waiting.delete(one)
              if (found !== undefined) resolve(found)
              else reject(new Error(`ended with ${over?.code} ${over?.reason} after ${JSON.stringify(frames.at(-1))}`))
            }
            waiting.add(one)
            signal.addEventListener("abort", () => waiting.delete(one))
            one()
          })
      )
    const client: Client = {
      ws,
      frames,
      halts,
      untilHalt: (holds) => waitFor<Halt>(() => halts.slice(-1).find(holds)),
      send: (frame) =>
        ws.send(typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame)),
      until: (holds) => waitFor<Frame>(() => frames.find(holds)),
      ask: (frame) =>
        Effect.suspend(() => {
          const from = frames.length
          client.send(frame)
          return waitFor<Frame>(() =>
            frames.slice(from).find(({ id, type }) => id === frame.id && (type === "answer" || type === "problem"))
          )
        }),
      ended: Effect.suspend(() =>
        waitFor<Ended>(
          () => undefined,
          () => over
        )
      ),
      close: () => ws.close()
    }
    ws.on("open", () => done(client))
    ws.on("unexpected-response", (_request, incoming) => {
      const chunks: Array<Buffer> = []
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.on("end", () =>
        failed(new Refused(incoming.statusCode ?? 0, incoming.headers, Buffer.concat(chunks).toString("utf8")))
      )
    })
  })

/** The handshake was answered otherwise. */
export class Refused extends Error {
  readonly status: number
  readonly headers: NodeJS.Dict<string | Array<string>>
  readonly body: any
  constructor(status: number, headers: NodeJS.Dict<string | Array<string>>, text: string) {
    super(`refused with ${status}: ${text}`)
    this.status = status
    this.headers = headers
    this.body = text === "" ? undefined : JSON.parse(text)
  }
}

/** A client that ends with its scope. */
export const client = (options: Options = {}) =>
  Effect.flatMap(Kit.Caller, ({ url }) =>
    Effect.acquireRelease(
      Effect.promise(() => connect(url, options)),
      ({ ws }) => Effect.sync(() => ws.terminate())
    )
  )

/** The handshake's refusal. */
export const refused = (options: Options) =>
  Effect.flatMap(Kit.Caller, ({ url }) =>
    Effect.promise(async () => {
      try {
        const opened = await connect(url, options)
        opened.ws.terminate()
      } catch (error) {
        if (error instanceof Refused) return error
        throw error
      }
      throw new Error("the handshake was not refused")
    })
  )

/** A session that the client opened. */
export const opened = Effect.fnUntraced(function* (client: Client, key: string) {
  const answer = yield* client.ask({ type: "session.create", id: key, key })
  return String(answer.body.sessionId)
})
