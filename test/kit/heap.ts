/**
 * What another Node process holds, asked over its inspector: nothing is added to it, and nothing in it looks.
 *
 * The process is started with `environment`, and says on stderr where its inspector listens.
 */
import * as NodeWS from "@effect/platform-node/NodeWS"
import { once } from "node:events"

export const environment = { NODE_OPTIONS: "--inspect=127.0.0.1:0" }

export interface Heap {
  /** Bytes of objects and of their buffers, once all that nobody holds is gone. */
  readonly afterCollection: () => Promise<number>
  readonly close: () => void
}

export const open = async (stderr: string): Promise<Heap> => {
  const address = /Debugger listening on (ws:\S+)/.exec(stderr)?.[1]
  if (address === undefined) throw new Error(`no inspector listens:\n${stderr}`)
  const ws = new NodeWS.WebSocket(address, { perMessageDeflate: false })
  const waiting = new Map<number, (answer: any) => void>()
  ws.on("message", (data) => {
    const answer = JSON.parse((data as Buffer).toString("utf8"))
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  await once(ws, "open")
  let asked = 0
  const ask = (method: string): Promise<any> =>
    new Promise((resolve, reject) => {
      const id = ++asked
      waiting.set(id, ({ error, result }) => (error === undefined ? resolve(result) : reject(new Error(error.message))))
      ws.send(JSON.stringify({ id, method }))
    })
  return {
    afterCollection: async () => {
      // What a finalizer lets go of is gone with the next one.
      for (let round = 0; round < 3; round++) await ask("HeapProfiler.collectGarbage")
      const { backingStorageSize, usedSize } = await ask("Runtime.getHeapUsage")
      return usedSize + backingStorageSize
    },
    close: () => ws.terminate()
  }
}
