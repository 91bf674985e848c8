/** One WebSocket as a client of the race and of the benches has it: what was asked, and the answer to it. */
export interface Told {
  /** 200 for an answer, else the problem's status. */
  readonly status: number
  readonly body: any
}

export interface Frame {
  readonly type: string
  readonly [member: string]: unknown
}

export interface SocketClient {
  /** Sends one frame and waits for what is said to it. */
  readonly ask: (frame: Frame) => Promise<Told>
  readonly close: () => void
}

/** `hear` is called with each event's type, of the sessions that are subscribed to. */
export const open = async (
  url: string,
  token: string,
  hear: (type: string) => void = () => {}
): Promise<SocketClient> => {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, ["keelson.v1", `keelson.token.${token}`])
  const waiting = new Map<string, { readonly done: (told: Told) => void; readonly failed: (cause: Error) => void }>()
  let asked = 0
  await new Promise((opened, failed) => {
    socket.addEventListener("open", opened)
    socket.addEventListener("error", () => failed(new Error(`no WebSocket at ${url}`)))
  })
  socket.addEventListener("message", ({ data }) => {
    const { body, event, id, problem, type } = JSON.parse(String(data))
    if (type === "event") return hear(event.type)
    const one = waiting.get(id)
    if (one === undefined) return
    waiting.delete(id)
    one.done(type === "answer" ? { status: 200, body } : { status: problem.status, body: problem })
  })
  socket.addEventListener("close", ({ code }) => {
    for (const { failed } of waiting.values()) failed(new Error(`the connection ended (${code})`))
    waiting.clear()
  })
  return {
    ask: (frame) =>
      new Promise((done, failed) => {
        const id = String((asked += 1))
        waiting.set(id, { done, failed })
        socket.send(JSON.stringify({ ...frame, id }))
      }),
    close: () => socket.close()
  }
}
