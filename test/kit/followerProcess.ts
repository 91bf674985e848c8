/**
 * A process that follows one session and writes down each event's position, a line each; begun again, it goes on after
 * its last whole line. Killed at any moment, it knows no more than its file.
 *
 *   node followerProcess.ts websocket|sse URL SESSION FILE     with KEELSON_TOKEN
 *
 * `FOLLOWER_OFF_BY` makes it go on from so many positions further, which is wrong.
 */
import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs"
import { get } from "node:http"

const [way, url = "", sessionId = "", file = ""] = process.argv.slice(2)
const token = process.env["KEELSON_TOKEN"] ?? ""

const known = existsSync(file) ? readFileSync(file, "utf8") : ""
const whole = known.slice(0, known.lastIndexOf("\n") + 1)
if (whole.length < known.length) truncateSync(file, whole.length)
const seenLast = Number(whole.trim().split("\n").at(-1) ?? 0)
const last = seenLast === 0 ? 0 : seenLast + Number(process.env["FOLLOWER_OFF_BY"] ?? 0)

const seen = (position: number) => appendFileSync(file, `${position}\n`)

/** The service is away: whoever runs this begins it again. */
const end = () => process.exit(1)

if (way === "websocket") {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, ["keelson.v1", `keelson.token.${token}`])
  socket.addEventListener("open", () =>
    socket.send(JSON.stringify({ type: "subscribe", id: "1", sessionId, after: last }))
  )
  socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(String(data))
    if (frame.type === "event") seen(frame.sequence)
    if (frame.type === "problem") throw new Error(String(data))
  })
  socket.addEventListener("close", end)
  socket.addEventListener("error", end)
} else {
  const headers = { authorization: `Bearer ${token}`, "last-event-id": String(last) }
  get(`${url}/v1/events/stream?sessionId=${sessionId}`, { headers }, (incoming) => {
    let text = ""
    incoming.setEncoding("utf8").on("data", (chunk: string) => {
      const blocks = (text + chunk).split("\n\n")
      text = blocks.pop() ?? ""
      for (const block of blocks) {
        const named = /^event: (?!message)/m.test(block)
        const id = /^id: (\d+)$/m.exec(block)?.[1]
        if (!named && id !== undefined) seen(Number(id))
      }
    })
    incoming.on("close", end).on("error", end)
  }).on("error", end)
}
