/**
 * Clients that mean harm, in a process of their own: they cost whoever measures nothing. Told by lines of JSON on
 * standard input, and says a line when it is done.
 *
 *   {"come": Visit}  ->  {"came": true}    all are connected, and at it
 *   {"leave": true}  ->  {"left": Done}    all are gone without a word
 *
 * One reads nothing of a session that it follows from the beginning, one floods, one sends half a frame and waits; each
 * comes back as soon as it is thrown out. The rest lies idle.
 */
import * as NodeWS from "@effect/platform-node/NodeWS"
import { once } from "node:events"
import { createInterface } from "node:readline"

export interface Visit {
  readonly url: string
  /** Sessions may be followed by whoever brings `token`. */
  readonly deaf: { readonly token: string; readonly sessionId: string }
  readonly flood: { readonly token: string; readonly framesPerSecond: number }
  readonly half: { readonly token: string }
  readonly idle: { readonly tokens: ReadonlyArray<string>; readonly count: number }
}

export interface Done {
  readonly sent: number
  readonly answered: number
  readonly refused: number
  /** Idle ones that were still connected. */
  readonly idle: number
  /** How often one of the others came back. */
  readonly returned: number
}

export type Line = { readonly came: true } | { readonly left: Done }

/** Longer than the service has patience with it. */
const deafSeconds = 40

type Ws = NodeWS.WebSocket
const say = (line: Line) => void process.stdout.write(`${JSON.stringify(line)}\n`)

const connect = async (url: string, token: string): Promise<Ws> => {
  const ws = new NodeWS.WebSocket(`${url.replace("http", "ws")}/v1/socket`, ["keelson.v1"], {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false
  })
  await once(ws, "open")
  ws.on("error", () => {})
  return ws
}

let leave: () => Done = () => ({ sent: 0, answered: 0, refused: 0, idle: 0, returned: 0 })

const come = async ({ deaf, flood, half, idle, url }: Visit): Promise<void> => {
  let [sent, answered, refused, returned] = [0, 0, 0, 0]
  let over = false
  /** Who is here now, under a name each. */
  const here = new Map<string, Ws>()

  const keep = async (name: string, token: string, begin: (ws: Ws) => void): Promise<void> => {
    const ws = await connect(url, token)
    here.set(name, ws)
    begin(ws)
    ws.once("close", () => {
      if (over) return
      returned += 1
      keep(name, token, begin).catch(() => process.exit(1))
    })
  }

  await keep("deaf", deaf.token, (ws) => {
    ws.send(JSON.stringify({ type: "subscribe", id: "1", sessionId: deaf.sessionId, after: 0 }))
    ws.pause()
  })
  await keep("half", half.token, (ws) => {
    // The head of a frame of 100,000 bytes, masked, and 2,000 of them.
    const tcp = (ws as unknown as { readonly _socket: { readonly write: (bytes: Uint8Array) => void } })._socket
    tcp.write(Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa0, 0, 0, 0, 0]), Buffer.alloc(2_000)]))
  })

  // One that reads nothing does not see either that it was thrown out.
  const returning = setInterval(() => here.get("deaf")?.terminate(), deafSeconds * 1_000)

  const idlers: Array<Ws> = []
  const rest = Array.from({ length: idle.count }, (_, index) => idle.tokens[index % idle.tokens.length]!)
  const connectIdle = async () => {
    for (let token = rest.pop(); token !== undefined; token = rest.pop()) idlers.push(await connect(url, token))
  }
  await Promise.all(Array.from({ length: 32 }, connectIdle))

  await keep("flood", flood.token, (ws) => {
    ws.on("message", (data) => {
      if ((data as Buffer).includes('"type":"problem"')) refused += 1
      else answered += 1
    })
  })
  const startedAt = performance.now()
  const flooding = setInterval(() => {
    const ws = here.get("flood")
    const due = ((performance.now() - startedAt) * flood.framesPerSecond) / 1_000
    for (; sent < due; sent++) ws?.send(`{"type":"ping","id":"${sent}"}`)
  }, 5)

  leave = () => {
    over = true
    clearInterval(flooding)
    clearInterval(returning)
    for (const ws of [...here.values(), ...idlers]) ws.terminate()
    const idle = idlers.filter(({ readyState }) => readyState !== NodeWS.WebSocket.CLOSED).length
    return { sent, answered, refused, idle, returned }
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const told = JSON.parse(line) as { readonly come: Visit } | { readonly leave: true }
  if ("leave" in told) return say({ left: leave() })
  come(told.come).then(
    () => say({ came: true }),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  )
})
