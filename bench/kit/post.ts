/** The driver of the peers: one POST over a connection that is kept, answered with a count. */
import { Agent, request } from "node:http"

const agent = new Agent({ keepAlive: true, maxSockets: 256 })

export const post = (port: number, body: { readonly [name: string]: string }): Promise<number> =>
  new Promise((resolve, reject) => {
    const text = JSON.stringify(body)
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) }
    const options = { host: "127.0.0.1", port, path: "/add", method: "POST", agent, headers }
    const outgoing = request(options, (incoming) => {
      let answer = ""
      incoming.setEncoding("utf8")
      incoming.on("data", (chunk: string) => (answer += chunk))
      incoming.on("error", reject)
      incoming.on("end", () => {
        if (incoming.statusCode === 200) resolve((JSON.parse(answer) as { readonly count: number }).count)
        else reject(new Error(`a peer answered ${incoming.statusCode}: ${answer}`))
      })
    })
    outgoing.on("error", reject)
    outgoing.end(text)
  })
