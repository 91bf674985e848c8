/**
 * What WebSockets that mean harm cost the others, against the real service in a process of its own.
 *
 *   quiet | hostile | quiet | hostile | ...    one client asks all along, and its answers are timed
 *
 * `KEELSON_LOAD_SECONDS` makes it one long visit of the hostile: 120 is what was promised.
 */
import * as NodeWS from "@effect/platform-node/NodeWS"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { quantile, spread, table } from "../../bench/kit/statistics.ts"
import * as Child from "#test/kit/Child.ts"
import * as Heap from "#test/kit/heap.ts"
import type * as Hostile from "#test/kit/hostileProcess.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

/** Connections that do nothing, and what lets them in beside the others. */
const idleCount = 2_000
const idlePerPrincipal = 50
const limits = { "sockets-max": idleCount + 100, "connections-max": 2 * idleCount }
const framesPerSecond = 1_000

const longSeconds = Number(process.env["KEELSON_LOAD_SECONDS"] ?? 0)
const rounds = longSeconds > 0 ? 1 : 3
const hostileSeconds = longSeconds > 0 ? longSeconds : 3
const quietSeconds = longSeconds > 0 ? longSeconds / 4 : 3
/** Latencies are taken by windows, and the median window counts: a pause of the machine spoils one of them. */
const windowSeconds = longSeconds > 0 ? 3 : 1

/** A p99 of 2 ms doubles by the machine's own noise; so a quiet one counts as this at least. */
const quietMillisMin = 5
const heapGrowthMax = 32 * 1024 * 1024

/** What the others or the service lost beyond what was promised. */
const tooMuch = (quietMillis: number, hostileMillis: number, heapGrowth: number): ReadonlyArray<string> => [
  ...(hostileMillis > 2 * Math.max(quietMillis, quietMillisMin) ? [`p99 of ${hostileMillis} ms`] : []),
  ...(heapGrowth > heapGrowthMax ? [`${heapGrowth} bytes of heap`] : [])
]

it("says what was too much", () => {
  assert.deepStrictEqual(tooMuch(1, 10, heapGrowthMax), [])
  assert.deepStrictEqual(tooMuch(6, 12, -1), [])
  assert.lengthOf(tooMuch(6, 12.1, heapGrowthMax + 1), 2)
})

/** Everything that may run runs; what was asked of `file.write` is in the journal all the same. */
const policies = `@id("look") permit (principal, action == Action::"file.list", resource);`

const program = new URL("../kit/hostileProcess.ts", import.meta.url).pathname

interface Window {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** One that asks, waits for the answer, and asks again. */
const wellBehaved = async (url: string, token: string) => {
  const ws = new NodeWS.WebSocket(`${url.replace("http", "ws")}/v1/socket`, ["keelson.v1"], {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false
  })
  await once(ws, "open")
  let asked = 0
  let answered: (frame: any) => void = () => {}
  ws.on("message", (data) => {
    const frame = JSON.parse((data as Buffer).toString("utf8"))
    if (frame.id === String(asked)) answered(frame)
  })
  const ask = (frame: object): Promise<any> =>
    new Promise((resolve, reject) => {
      asked += 1
      answered = (frame) =>
        frame.type === "answer" ? resolve(frame.body) : reject(new Error(JSON.stringify(frame.problem)))
      ws.send(JSON.stringify({ ...frame, id: String(asked), key: `load-${asked}` }))
    })
  /** Touches a session, and now and then the busy one, which takes only so many events in its life. */
  const window = async (sessionId: string, busyId: string): Promise<Window> => {
    const millis: Array<number> = []
    const until = performance.now() + windowSeconds * 1_000
    while (performance.now() < until) {
      const before = performance.now()
      await ask({ type: "session.touch", params: { sessionId: millis.length % 20 === 0 ? busyId : sessionId } })
      millis.push(performance.now() - before)
    }
    millis.sort((a, b) => a - b)
    return { count: millis.length, p50: quantile(millis, 0.5), p99: quantile(millis, 0.99), max: millis.at(-1)! }
  }
  return { ask, window, close: () => ws.terminate() }
}

it.live(
  "others keep their p99 and the service its heap, whatever one reads not, floods, half sends or leaves idle",
  () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* TemporaryFolder.make
        const service = yield* Effect.acquireRelease(
          Effect.promise(() => Service.start({ folder, policies, flags: limits, environment: Heap.environment })),
          (service) => Effect.promise(() => service.kill())
        )
        const heap = yield* Effect.acquireRelease(
          Effect.promise(() => Heap.open(service.log())),
          (heap) => Effect.sync(() => heap.close())
        )
        const hostile = yield* Child.start<Hostile.Line>(program, [])

        const admitted = (principalId: string) =>
          Effect.promise(async () => {
            const { body } = await service.post("/v1/principals", principalId, { principalId, kind: "AGENT" })
            return String(body.token)
          })
        const well = yield* admitted("well")
        const flood = yield* admitted("flood")
        const half = yield* admitted("half")
        const names = Array.from({ length: Math.ceil(idleCount / idlePerPrincipal) }, (_, index) => `idle-${index}`)
        const tokens = yield* Effect.forEach(names, admitted)

        const client = yield* Effect.acquireRelease(
          Effect.promise(() => wellBehaved(service.url, well)),
          (client) => Effect.sync(() => client.close())
        )
        const opened = async (name: string) => {
          const { body } = await service.post("/v1/sessions", name, { agentId: "well" })
          return String(body.sessionId)
        }
        const busyId = yield* Effect.promise(() => opened("busy"))
        // More than the buffers between the service and one that reads nothing.
        const content = "x".repeat(60_000)
        for (let index = 0; index < 200; index++) {
          const body = { tool: "file.write", arguments: { path: "a", content } }
          yield* Effect.promise(() => client.ask({ type: "action.propose", params: { sessionId: busyId }, body }))
        }

        const visit: Hostile.Visit = {
          url: service.url,
          deaf: { token: well, sessionId: busyId },
          flood: { token: flood, framesPerSecond },
          half: { token: half },
          idle: { tokens, count: idleCount }
        }
        let windowsSoFar = 0
        /** Each window in a session of its own. */
        const measured = (seconds: number) =>
          Effect.promise(async () => {
            const windows: Array<Window> = []
            while (windows.length * windowSeconds < seconds) {
              const sessionId = await opened(`window-${++windowsSoFar}`)
              windows.push(await client.window(sessionId, busyId))
              await service.post(`/v1/sessions/${sessionId}/close`, `close-${windowsSoFar}`, {})
            }
            return windows
          })
        const held = Effect.promise(() => heap.afterCollection())
        /** The service noticed that all have left but the one that asks. */
        const alone = Effect.promise(async () => {
          for (;;) {
            const { body } = await service.get("/v1/metrics")
            if (body.items.find(({ name }: any) => name === "sockets").series[0].value === 1) return
          }
        })

        // What is compiled and kept from the first commands on.
        yield* measured(2)
        const startHeap = yield* held
        const quiet: Array<Window> = []
        const loaded: Array<Window> = []
        const lines: Array<ReadonlyArray<string>> = []
        const row = (name: string, windows: ReadonlyArray<Window>, bytes: number, note = "") => {
          const middle = (of: keyof Window) => spread(windows.map((window) => window[of])).median
          const cells = [middle("count") / windowSeconds, middle("p50"), middle("p99"), middle("max"), bytes / 2 ** 20]
          lines.push([name, String(windows.length), ...cells.map((cell) => cell.toFixed(1)), note])
        }
        let came = 0
        const visits: Array<Hostile.Done> = []
        const growths: Array<number> = []
        /** Of the whole heap with all of them there, since the last visit left; at first, since the start. */
        const grown: Array<number> = []
        let beforeHeap = startHeap
        const takeQuiet = Effect.gen(function* () {
          const windows = yield* measured(quietSeconds)
          quiet.push(...windows)
          const bytes = yield* held
          row("quiet", windows, bytes)
        })
        for (let round = 0; round < rounds; round++) {
          yield* takeQuiet
          came += 1
          yield* hostile.tell(JSON.stringify({ come: visit }))
          yield* hostile.said((line) => "came" in line && hostile.lines.filter((one) => "came" in one).length === came)
          const windows = yield* measured(hostileSeconds)
          loaded.push(...windows)
          const bytes = yield* held
          yield* hostile.tell(JSON.stringify({ leave: true }))
          yield* hostile.count(2 * came)
          const left = hostile.lines.at(-1) as { readonly left: Hostile.Done }
          visits.push(left.left)
          row("hostile", windows, bytes, JSON.stringify(left.left))
          yield* alone
          // What they cost is what is free again without them: the one that asks goes on, and its work is kept for a while.
          const leftHeap = yield* held
          growths.push(bytes - leftHeap)
          grown.push(bytes - beforeHeap)
          beforeHeap = leftHeap
        }
        yield* takeQuiet
        const endHeap = yield* held

        const head = ["", "windows", "per second", "p50 ms", "p99 ms", "max ms", "heap MB", ""]
        const p99 = (windows: ReadonlyArray<Window>) => spread(windows.map((window) => window.p99))
        const [before, during] = [p99(quiet), p99(loaded)]
        const show = ({ high, low, median }: typeof before) =>
          `${median.toFixed(1)} (${low.toFixed(1)} to ${high.toFixed(1)})`
        const mega = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
        console.log(
          `${table(head, lines)}\n` +
            `${idleCount} idle; p99 by windows, ms: quiet ${show(before)}, hostile ${show(during)}; ` +
            `heap MB: ${mega(startHeap)}, then ${mega(endHeap)}; theirs while they are there: ${growths.map(mega).join(", ")}; ` +
            `of all: ${grown.map(mega).join(", ")}`
        )
        for (const { idle, refused, answered, sent } of visits) {
          assert.strictEqual(idle, idleCount, "idle connections stay")
          assert.isAtLeast(answered + refused, sent / 2, "the flood is answered")
        }
        // While they are all there, of theirs and in all, and once they have left.
        for (const growth of [...growths, ...grown, endHeap - startHeap]) {
          assert.deepStrictEqual(tooMuch(before.median, during.median, growth), [])
        }
      })
    ),
  300_000 + 3_000 * longSeconds
)
