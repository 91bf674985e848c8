/** The door that every peer has: POST /add with an actor and a key, answered with the actor's count once it is durable. */
import { createServer } from "node:http"

/** @param {(actor: string, key: string) => Promise<number>} add */
export const serve = (add) => {
  const server = createServer((request, response) => {
    let text = ""
    request.on("data", (chunk) => (text += chunk))
    request.on("end", () => {
      const { actor, key } = JSON.parse(text)
      add(actor, key).then(
        (count) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ count })),
        (cause) => response.writeHead(500).end(String(cause))
      )
    })
  })
  server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })))
}
