/** An OTLP collector in a process of its own: takes everything, keeps nothing, and says at `/taken` how many bytes it took. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

let bytes = 0

const server = createServer((request, response) => {
  if (request.url === "/taken") {
    response.end(String(bytes))
    return
  }
  request.on("data", (chunk: Buffer) => (bytes += chunk.length))
  request.on("end", () => response.writeHead(200).end())
})

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
