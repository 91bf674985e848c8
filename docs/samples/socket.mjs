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

await new Promise((open, refused) => {
  socket.addEventListener("open", open)
  socket.addEventListener("close", () => refused(new Error(`no WebSocket at ${url}: is KEELSON_TOKEN right?`)))
})
const { sessionId } = await ask({ type: "session.create", key: crypto.randomUUID() })

/** Waits for an event of the session, of this type. */
const happened = (wanted) =>
  new Promise((done) =>
    socket.addEventListener("message", ({ data }) => {
      const { event, type } = JSON.parse(data)
      if (type === "event" && event.type === wanted) done(event)
    })
  )
socket.addEventListener("message", ({ data }) => {
  const { event, sequence, type } = JSON.parse(data)
  if (type === "event") console.log(sequence, event.type)
})
const asked = happened("confirmation.requested")
const completed = happened("turn.completed")

// Its events, from the beginning. After a break: `after` is the last `sequence` that you saw.
await ask({ type: "subscribe", sessionId, after: 0 })

// The agent wants to write a file, and the policies want a person to see that first.
const input = "replace socket.txt: over a WebSocket"
await ask({ type: "turn.start", key: crypto.randomUUID(), params: { sessionId }, body: { input } })

// Approve it, as the session's owner: the action `act_X` waits as the confirmation `cfm_X`.
const confirmationId = (await asked).stream.replace("action:act_", "cfm_")
await ask({ type: "confirmation.approve", key: crypto.randomUUID(), params: { confirmationId } })
await completed
socket.close()
// #endregion socket
