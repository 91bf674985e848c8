/**
 * Clients that ask over HTTP without waiting for answers, in a process of their own. Told by lines of JSON on standard
 * input, and says a line when it is done.
 *
 *   {"come": Visit}  ->  {"came": true}    every connection had its first answer, and is at it
 *   {"leave": true}  ->  {"left": Done}    all are gone without a word
 *
 * Each connection writes as much as it gets rid of, reads what comes, and comes back where it is closed.
 */
import { connect, type Socket } from "node:net"
import { createInterface } from "node:readline"

export interface Visit {
  readonly port: number
  readonly connections: number
  /** One request, as it goes over the wire; sent again and again. */
  readonly request: string
}

export interface Done {
  /** Answers by status, as far as they could be told apart. */
  readonly answers: { readonly [status: string]: number }
  readonly returned: number
}

export type Line = { readonly came: true } | { readonly left: Done }

const say = (line: Line) => void process.stdout.write(`${JSON.stringify(line)}\n`)

/** Bytes written at once. */
const pieceBytes = 64 * 1024

let leave: () => Done = () => ({ answers: {}, returned: 0 })

const come = async ({ connections, port, request }: Visit): Promise<void> => {
  const piece = Buffer.from(request.repeat(Math.ceil(pieceBytes / request.length)))
  const answers: { [status: string]: number } = {}
  const here = new Set<Socket>()
  let returned = 0
  let over = false

  const flood = (answered: () => void) => {
    const socket = connect(port, "127.0.0.1")
    here.add(socket)
    const write = () => {
      while (!socket.destroyed && socket.write(piece)) continue
    }
    socket.on("connect", write)
    socket.on("drain", write)
    socket.on("data", (chunk: Buffer) => {
      for (const [, status] of chunk.toString("latin1").matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
        answers[status!] = (answers[status!] ?? 0) + 1
      }
      answered()
    })
    socket.on("error", () => {})
    socket.on("close", () => {
      here.delete(socket)
      if (over) return
      returned += 1
      flood(answered)
    })
  }
  const begun = Array.from({ length: connections }, () => new Promise<void>((answered) => flood(answered)))
  leave = () => {
    over = true
    for (const socket of here) socket.destroy()
    return { answers, returned }
  }
  await Promise.all(begun)
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
