// #region socket
// The WebSocket of browsers and of Node. A page can't set headers: the token stands beside the subprotocol.
const url = process.env.KEELSON_URL ?? "http://127.0.0.1:7717"
const token = process.env.KEELSON_TOKEN
const socket = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, ["keelson.v1", `keelson.token.${token}`])

/** Says something and waits for its answer. A command's `key` makes it safe to say twice, on another connection too. */
let frames = 0
const ask = (frame) =>
  new Promise((answered, refused) => {
    const id = String((frames += 1))
    socket.addEventListener("message", function hear({ data }) {
      const told = JSON.parse(data)
      if (told.id !== id) return
      socket.removeEventListener("message", hear)
      if (told.type === "answer") answered(told.body)
      else refused(new Error(`${told.problem.code}: ${told.problem.detail}`))
    })
    socket.send(JSON.stringify({ id, ...frame }))
  })

await new Promise((open) => socket.addEventListener("open", open))
const { sessionId } = await ask({ type: "session.create", key: crypto.randomUUID() })

// Its events, from the beginning. After a break: `after` is the last `sequence` that you saw.
const approved = new Promise((done) =>
  socket.addEventListener("message", ({ data }) => {
    const { event, sequence, type } = JSON.parse(data)
    if (type !== "event") return
    console.log(sequence, event.type)
    if (event.type === "action.executed") done()
  })
)
await ask({ type: "subscribe", sessionId, after: 0 })

// Propose what the policies want a person to see first; approve it, as the session's owner.
const { confirmationId } = await ask({
  type: "action.propose",
  key: crypto.randomUUID(),
  params: { sessionId },
  body: { tool: "file.write", arguments: { path: "socket.txt", content: "over a WebSocket", mode: "replace" } }
})
await ask({ type: "confirmation.approve", key: crypto.randomUUID(), params: { confirmationId } })
await approved
socket.close()
// #endregion socket
