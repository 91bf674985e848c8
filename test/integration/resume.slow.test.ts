/** Followers that are killed a hundred times each, while the service is killed too: each event once, in order. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SeededScheduler from "#test/kit/seededScheduler.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const ways = ["websocket", "sse"] as const

/** Whatever ends the test ends them too. */
const children = new Set<ChildProcess>()
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

const positions = (file: string): ReadonlyArray<number> =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => Number(line))
    : []

interface Trial {
  readonly kills: number
  readonly eventsMin: number
  /** How often the service is killed meanwhile. */
  readonly restarts: number
  /** What a follower that is begun again adds to the last position that it saw. */
  readonly offBy: number
}

const full: Trial = { kills: Number(process.env["KEELSON_KILLS"] ?? 100), eventsMin: 10_000, restarts: 3, offBy: 0 }
const short: Trial = { kills: 3, eventsMin: 200, restarts: 0, offBy: 0 }
/** An action that a kill of the service cut off has fewer than five events. */
const spare = 1_000

interface Seen {
  readonly expected: ReadonlyArray<number>
  readonly seen: { readonly [W in (typeof ways)[number]]: ReadonlyArray<number> }
}

/** Work, its followers killed again and again, and what each has seen once all is still. */
const trial = (folder: string, { eventsMin, kills, offBy, restarts }: Trial) =>
  Effect.promise(async (): Promise<Seen> => {
    const random = SeededScheduler.chance(11)
    let service = await Service.start({ folder, flags: { "requests-per-second-max": 100_000 } })
    const flags = { "requests-per-second-max": 100_000, port: new URL(service.url).port }
    const { token, url } = service
    const { sessionId } = (await service.post("/v1/sessions", "s", {})).body
    const streams = new Set([`session:${sessionId}`])
    let killing = ways.length
    let proposed = 0

    /** Looks at the workspace again and again: five events each. */
    const work = async () => {
      while (killing > 0 || streams.size * 5 < eventsMin) {
        const key = `look-${(proposed += 1)}`
        const body = { tool: "file.list", arguments: { path: "." } }
        for (;;) {
          // The same wish under the same key, until the service is back to answer it.
          const answer = await service.post(`/v1/sessions/${sessionId}/actions`, key, body).catch(() => null)
          if (answer?.status === 201) streams.add(`action:${answer.body.actionId}`)
          if (answer !== null && answer.status < 500) break
          await Service.untilClock(Date.now() + 20)
        }
      }
    }

    const file = (way: string) => join(folder, `${way}.txt`)
    const follow = (way: string, off: number): ChildProcess => {
      const script = join(import.meta.dirname, "../kit/followerProcess.ts")
      const child = spawn(process.execPath, [script, way, url, sessionId, file(way)], {
        env: { ...process.env, KEELSON_TOKEN: token, FOLLOWER_OFF_BY: String(off) },
        stdio: ["ignore", "ignore", "inherit"]
      })
      children.add(child.once("exit", () => children.delete(child)))
      return child
    }

    const killAgainAndAgain = async (way: string) => {
      for (let killed = 0; killed < kills;) {
        const child = follow(way, offBy)
        const before = positions(file(way)).length
        // At a random moment after it began to see something, or once its service went away.
        const enough = before + 1 + Math.floor(random() * 80)
        while (child.exitCode === null && positions(file(way)).length < enough) {
          await Service.untilClock(Date.now() + 5)
        }
        if (child.exitCode !== null) continue
        child.kill("SIGKILL")
        await once(child, "exit")
        killed += 1
      }
      killing -= 1
    }

    const restart = async () => {
      for (let round = 0; round < restarts; round++) {
        const goal = positions(file("websocket")).length + 1_000
        while (killing > 0 && positions(file("websocket")).length < goal) await Service.untilClock(Date.now() + 20)
        await service.kill()
        service = await Service.start({ folder, flags })
      }
    }

    try {
      await Promise.all([work(), work(), ...ways.map(killAgainAndAgain), restart()])

      const expected: Array<number> = []
      const all = async (after: number): Promise<number> => {
        const page = (await service.get(`/v1/events?limit=200&after=${after}`)).body
        for (const { position, stream } of page.items) if (streams.has(stream)) expected.push(position)
        return page.atEnd === true ? page.next : all(page.next)
      }
      // What was permitted runs on for a moment: the end is where nothing comes any more.
      for (let end = await all(0), now = -1; now !== end;) {
        await Service.untilClock(Date.now() + 500)
        now = end
        end = await all(end)
      }
      for (const way of ways) {
        const last = follow(way, 0)
        while (positions(file(way)).at(-1) !== expected.at(-1)) await Service.untilClock(Date.now() + 20)
        last.kill("SIGKILL")
        await once(last, "exit")
      }
      return { expected, seen: { websocket: positions(file("websocket")), sse: positions(file("sse")) } }
    } finally {
      for (const child of children) child.kill("SIGKILL")
      await service.kill()
    }
  })

describe("followers that are killed", () => {
  it.live(
    `${full.kills} times each (KEELSON_KILLS), and their service ${full.restarts} times, see each of 10,000 events once and in order`,
    () =>
      Effect.gen(function* () {
        const { expected, seen } = yield* trial(yield* TemporaryFolder.make, {
          ...full,
          eventsMin: full.eventsMin + spare
        })
        for (const way of ways) assert.deepStrictEqual(seen[way], expected, way)
        assert.isAtLeast(expected.length, full.eventsMin)
        console.log(`${expected.length} events, ${full.kills} kills of each follower, ${full.restarts} of the service`)
      }).pipe(Effect.scoped),
    300_000
  )

  it.live(
    "are seen to miss an event, or to see one twice, where they go on one position off (the control)",
    () =>
      Effect.gen(function* () {
        const late = yield* trial(yield* TemporaryFolder.make, { ...short, offBy: 1 })
        for (const way of ways) assert.isBelow(late.seen[way].length, late.expected.length, way)
        const early = yield* trial(yield* TemporaryFolder.make, { ...short, offBy: -1 })
        for (const way of ways) assert.isAbove(early.seen[way].length, new Set(early.seen[way]).size, way)
      }).pipe(Effect.scoped),
    120_000
  )
})
