/**
 * What the reports of this folder say, each in a line for the page of promises.
 *
 * A report is what a command wrote with `--json docs/figures/NAME.json`.
 */
import { existsSync, readFileSync } from "node:fs"
import type * as Concurrency from "../../bench/concurrency.ts"
import type * as HumanGate from "../../bench/humanGate.ts"
import type * as Journal from "../../bench/journal.ts"
import type * as Peers from "../../bench/peers.ts"
import type * as Policy from "../../bench/policy.ts"
import type * as Recovery from "../../bench/recovery.ts"
import type * as Replay from "../../bench/replay.ts"
import type * as Tracing from "../../bench/tracing.ts"
import { about, type Machine } from "../../bench/kit/machine.ts"
import * as Room from "../../bench/kit/Room.ts"
import type { Spread } from "../../bench/kit/statistics.ts"
import type * as Burst from "#chaos/burst.ts"
import type * as Crash from "#chaos/run.ts"
import type * as Race from "#chaos/raceMain.ts"
import type * as Simulation from "#test/simulation/main.ts"

const count = (figure: number): string => figure.toLocaleString("en")
const ratio = ({ high, low, median }: Spread): string =>
  `${median.toFixed(2)} of the floor (${low.toFixed(2)} to ${high.toFixed(2)})`

/** Goals are those that `docs/promises.ts` says in words. */
const goal = (isMet: boolean): string => (isMet ? "goal met" : "goal NOT met")

const clean = ({ corruptions }: { readonly corruptions: ReadonlyArray<string> }): string =>
  `${corruptions.length} corruptions`
const beside = <Row extends { readonly what: string }>({ rows }: { readonly rows: ReadonlyArray<Row> }) =>
  rows.filter(({ what }) => what !== "floor" && what !== "off")

const crash = ({ acknowledged, kills, missed, rows, whole }: Crash.Report): string => {
  const found = whole.length + rows.reduce((sum, row) => sum + row.found.length, 0)
  const named = rows.filter(({ point }) => /^(before|after) |^recovery/.test(point))
  const least = Math.min(...named.map(({ hits }) => hits))
  return (
    `${count(kills)} kills at ${named.length} named moments, ` +
    (missed.length === 0
      ? `each hit ${least} times or more`
      : `${missed.join(", ")} NOT hit as often as they had to be`) +
    ", and at random ones; " +
    `${count(acknowledged)} acknowledged operations; ${found} lost, double, orphaned, phantom or broken`
  )
}

const burst = ({ kept, rivals, sessions, store }: Burst.Report): string =>
  `${store}: ${kept.filter((one) => one === sessions).length} of ${kept.length} bursts of ${sessions} kept whole; ` +
  `${rivals.twice} of ${rivals.confirmations} actions ran twice`

const simulation = ({ events, seconds, seeds, violations }: Simulation.SeedsReport): string =>
  `${count(seeds)} seeds, ${violations} violations, ${count(events)} events, ${count(Math.round((60 * seeds) / seconds))} ` +
  `seeds a minute`

const mutants = ({ mutants: found, seedsMax }: Simulation.MutantsReport): string => {
  const seeds = Object.values(found)
  const missed = seeds.filter((one) => one === null).length
  const most = Math.max(...seeds.map((one) => one ?? seedsMax))
  return `${seeds.length - missed} of ${seeds.length} found, the last of them in ${most} seeds`
}

const race = ({ contended, corruptions, operations, runs }: Race.Report): string =>
  `${runs} runs, ${count(operations)} operations, ${count(contended)} of them at once with another on the same object; ` +
  `${corruptions} corruptions`

const journal = ({ rows }: Journal.Report): string =>
  rows
    .filter(
      ({ callers, database, eventsPerAppend, what }) =>
        database === "PostgreSQL" && what === "append" && eventsPerAppend === 1 && callers > 1
    )
    .map(
      ({ callers, ratio: one }) =>
        `${callers} callers: ${ratio(one)}, ${goal(one.median >= (callers > 20 ? 1.5 : 0.8))}`
    )
    .join(", ")

const concurrency = (report: Concurrency.Report): string =>
  [
    ...beside(report).map(({ clientMicros, outstanding, p99Millis, ratio: one, what }) => {
      const figures = `${outstanding} outstanding: ${ratio(one)}, p99 ${p99Millis.toFixed(1)} ms`
      // What has no client of its own is no service, and has no goal.
      if (clientMicros === null) return `${what}, ${figures}`
      const isMet = Room.isMet(outstanding, one.median, p99Millis)
      return isMet === null ? figures : `${figures}, ${goal(isMet)}`
    }),
    clean(report)
  ].join("; ")

const humanGate = (report: HumanGate.Report): string =>
  [
    ...report.steps.map(({ millis, what }) => {
      const mostMillis = what === "asked" ? 170 : 260
      return `${what} in ${millis.median.toFixed(0)} ms, ${goal(millis.median < mostMillis)}`
    }),
    clean(report)
  ].join("; ")

const policy = ({ rows }: Policy.Report): string =>
  rows
    .filter(({ what }) => what === "decision")
    .map((row) => `${row.micros.toFixed(0)} µs a decision with ${row.policies} policies, ${ratio(row.ratio)}`)
    .join("; ")

const replay = ({ events, rows }: Replay.Report): string =>
  `${count(events)} events: ` + rows.map((row) => `${row.what} ${ratio(row.ratio)}`).join(", ")

const recovery = (report: Recovery.Report): string =>
  [
    ...beside(report).map(
      ({ database, events, readyMillis: { high, low, median } }) =>
        `${database}, ${count(events)} events: ready after ${count(Math.round(median))} ms ` +
        `(${count(Math.round(low))} to ${count(Math.round(high))}), ${goal(median < 3_000)}`
    ),
    clean(report)
  ].join("; ")

const tracing = (report: Tracing.Report): string =>
  [
    ...beside(report).map(({ ratio: { high, low, median }, what }) => {
      const spread = `${low.toFixed(2)} to ${high.toFixed(2)}`
      const bound = what === "default" ? `, ${goal(median >= 0.95)}` : ""
      return `${what}: ${median.toFixed(2)} of what a service without does (${spread})${bound}`
    }),
    clean(report)
  ].join("; ")

const peers = (report: Peers.Report): string => {
  const medianOf = (name: RegExp) => report.rows.find(({ what }) => name.test(what))?.ratio.median ?? 0
  const isFaster = medianOf(/^Keelson/) > Math.max(medianOf(/^DBOS/), medianOf(/cluster/))
  return [...beside(report).map((row) => `${row.what}: ${ratio(row.ratio)}`), goal(isFaster), clean(report)].join("; ")
}

const lines: { readonly [name: string]: (report: any) => string } = {
  "crash-pglite": crash,
  "crash-postgres": crash,
  "burst-pglite": burst,
  "burst-postgres": burst,
  "race-pglite": race,
  "race-postgres": race,
  simulation,
  mutants,
  "bench-journal": journal,
  "bench-concurrency": concurrency,
  "bench-human-gate": humanGate,
  "bench-peers": peers,
  "bench-policy": policy,
  "bench-recovery": recovery,
  "bench-replay": replay,
  "bench-tracing": tracing
}

/** The figures of a report with machine and date; `null` where there is no such report. */
export const line = (name: string): string | null => {
  const of = lines[name]
  if (of === undefined) throw new Error(`nobody says what a report ${name} holds`)
  const file = new URL(`${name}.json`, import.meta.url)
  if (!existsSync(file)) return null
  const report: Machine = JSON.parse(readFileSync(file, "utf8"))
  return `${of(report)} (${about(report)})`
}
