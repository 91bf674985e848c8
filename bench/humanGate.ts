/**
 * How long a thousand actions take to wait for people, and then to be approved and run, all at once.
 *
 * Asked: from the first proposal sent to the last question answered, over twenty WebSockets. Finished: from the first
 * approval sent to the last `action.executed` heard by somebody who follows the session. The tool lists an empty folder: what is measured is the gate, not the tool.
 *
 * Floor: as many durable single-row INSERTs as commands were sent in that step, by `kit/Floor`, right after it.
 * Checked: each action executed once, by its events; `keelson verify`; the audit queries.
 * In smoke mode an event is taken out then, and the check must complain (`kit/TakenOut`).
 * Not measured: people; tools that take time; a network.
 */
import * as Effect from "effect/Effect"
import * as Audit from "#chaos/kit/audit.ts"
import * as SocketClient from "#chaos/kit/SocketClient.ts"
import * as Floor from "./kit/Floor.ts"
import { about, type Machine, machine } from "./kit/machine.ts"
import * as Processes from "./kit/Processes.ts"
import * as Served from "./kit/Served.ts"
import * as Statements from "./kit/Statements.ts"
import { type Spread, spread, table } from "./kit/statistics.ts"
import * as TakenOut from "./kit/TakenOut.ts"

export interface Options extends TakenOut.Wish, Statements.Wish {
  readonly actions: number
  readonly rounds: number
}

export const full: Options = { actions: 1_000, rounds: 7 }
export const smoke: Options = { actions: 40, rounds: 1, takeOut: true, statements: true }

/** Processor time is per action: the medians of the rounds. */
interface Step extends Processes.Spent {
  readonly what: "asked" | "finished"
  readonly millis: Spread
  readonly ratio: Spread
}

export interface Report extends Machine, TakenOut.TakenOut, Statements.Counted {
  readonly options: Options
  readonly steps: ReadonlyArray<Step>
  readonly corruptions: ReadonlyArray<string>
}

export const run = Effect.fnUntraced(function* (options: Options) {
  const { insert, place, pool, start } = yield* Served.make({ policies, ...Statements.options(options) })
  const service = yield* start
  yield* Statements.begin(options, pool)
  const postmaster = yield* Served.postmaster(pool)
  const sockets = yield* Served.sockets(service)
  const { actions, rounds } = options
  let inserted = 0
  const floor = async () => {
    const before = performance.now()
    const one = async (caller: number) => {
      for (let count = caller; count < actions; count += Floor.callers) await insert((inserted += 1), caller)
    }
    await Promise.all(Array.from({ length: Floor.callers }, (_, caller) => one(caller)))
    return performance.now() - before
  }

  /** Sends one frame for each, all outstanding at once; answers what was told, in order. */
  const all = (frame: (index: number) => SocketClient.Frame) =>
    Promise.all(
      Array.from({ length: actions }, (_, index) => Served.insist(sockets[index % Served.connections]!, frame(index)))
    )
  let executed = 0
  let wake = () => {}
  const follower = yield* Effect.promise(() =>
    SocketClient.open(service.url, service.token, (type) => {
      if (type === "action.executed" && (executed += 1) % actions === 0) wake()
    })
  )

  const round = async (number: number) => {
    const { sessionId } = await Served.insist(sockets[0]!, { type: "session.create", key: `s-${number}` })
    const askedBefore = Processes.times(service.pid, postmaster)
    const startedAt = performance.now()
    const asked = await all((index) => ({
      type: "action.propose",
      key: `p-${number}-${index}`,
      params: { sessionId },
      body: { tool: "file.list", arguments: { path: "." } }
    }))
    const askedMillis = performance.now() - startedAt
    const askedAfter = Processes.times(service.pid, postmaster)
    const askedFloor = await floor()
    await Served.insist(follower, { type: "subscribe", sessionId })
    const finished = new Promise<void>((done) => (wake = done))
    const finishedBefore = Processes.times(service.pid, postmaster)
    const from = performance.now()
    await all((index) => ({
      type: "confirmation.approve",
      key: `a-${number}-${index}`,
      params: { confirmationId: asked[index].confirmationId }
    }))
    await finished
    const finishedMillis = performance.now() - from
    const finishedAfter = Processes.times(service.pid, postmaster)
    const finishedFloor = await floor()
    return {
      asked: measured(actions, askedMillis, askedFloor, [askedBefore, askedAfter]),
      finished: measured(actions, finishedMillis, finishedFloor, [finishedBefore, finishedAfter])
    }
  }

  yield* Effect.promise(() => round(0))
  const taken: Array<Awaited<ReturnType<typeof round>>> = []
  for (let number = 1; number <= rounds; number++) taken.push(yield* Effect.promise(() => round(number)))
  yield* Effect.promise(() => service.stop())
  const operations = (rounds + 1) * actions
  const counted = yield* Statements.counted(options, pool, { operations, schema: place.databaseSchema })
  const check = async () => {
    const found = (await Audit.look(place)).map(({ detail }) => detail)
    const byType = await Audit.eventsByType(place)
    const expected = (rounds + 1) * actions
    const count = byType.get("action.executed") ?? 0
    return count === expected ? found : [...found, `${expected} actions were approved, ${count} executed`]
  }
  const corruptions = yield* Effect.promise(check)
  const takenOut = yield* TakenOut.checkAgain(options, () => TakenOut.event(place, "action.executed"), check)
  const report: Report = {
    ...machine(),
    options,
    steps: (["asked", "finished"] as const).map((what): Step => {
      const rounds = taken.map((one) => one[what])
      const median = (of: keyof Measured) => spread(rounds.map((one) => one[of])).median
      return {
        what,
        millis: spread(rounds.map(({ millis }) => millis)),
        ratio: spread(rounds.map(({ ratio }) => ratio)),
        serviceMicros: median("serviceMicros"),
        databaseMicros: median("databaseMicros"),
        clientMicros: median("clientMicros")
      }
    }),
    corruptions,
    ...takenOut,
    ...counted
  }
  return report
}, Effect.scoped)

export const print = (report: Report): string =>
  [
    `${about(report)}; ${report.options.rounds} rounds of ${report.options.actions} actions`,
    "",
    table(
      ["", "ms", "low", "high", "x floor", "low", "high", "µs service", "µs database", "µs client"],
      report.steps.map(({ clientMicros, databaseMicros, millis, ratio, serviceMicros, what }) => [
        what,
        ...[millis.median, millis.low, millis.high].map((value) => value.toFixed(0)),
        ...[ratio.median, ratio.low, ratio.high].map((value) => value.toFixed(2)),
        ...[serviceMicros, databaseMicros, clientMicros].map((value) => value.toFixed(0))
      ])
    ),
    "",
    `${report.corruptions.length} corruptions`,
    ...report.corruptions,
    ...TakenOut.lines(report),
    ...Statements.lines(report)
  ].join("\n")

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const policies = `@id("list") @gate("human") permit (principal, action == Action::"file.list", resource);`

interface Measured extends Processes.Spent {
  readonly millis: number
  readonly ratio: number
}

/** Of the processors. */
type Interval = readonly [before: Processes.Times, after: Processes.Times]

/** One step of a round. The client's part is the bench's own process, with the twenty connections and the follower. */
const measured = (actions: number, millis: number, floorMillis: number, [before, after]: Interval): Measured => ({
  millis,
  ratio: millis / floorMillis,
  ...Processes.spent(before, after, actions)
})
