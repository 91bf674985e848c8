/** What a run found, for people: a line for each moment, and each finding in words. */
import type { Report } from "../run.ts"
import type { Violation } from "./ledger.ts"

const columns = ["lost", "double", "orphaned", "phantom", "broken"] as const satisfies ReadonlyArray<Violation["kind"]>
const findingsMax = 20

export const print = (report: Report): string => {
  const rows = report.rows.toSorted((one, other) => (one.point < other.point ? -1 : 1))
  const width = Math.max(12, ...rows.map(({ point }) => point.length))
  const line = (name: string, hits: string, found: ReadonlyArray<Violation> | null) =>
    [
      name.padEnd(width),
      hits.padStart(5),
      ...columns.map((kind) => (found === null ? kind : String(count(found, kind))).padStart(9))
    ].join("")
  const all = [...rows.flatMap(({ found }) => found), ...report.whole]
  const { acknowledged, hitsMin, kills, marks, missed, seconds, seed, store } = report
  return [
    line("crash point", "hits", null),
    ...rows.map(({ found, hits, point }) => line(point, String(hits), found)),
    line("audits of everything", "", report.whole),
    "",
    ...all.slice(0, findingsMax).map(({ detail, kind }) => `${kind}: ${detail}`),
    ...(all.length > findingsMax ? [`and ${all.length - findingsMax} more`] : []),
    ...(missed.length === 0 ? [] : [`not hit ${hitsMin} times: ${missed.join(", ")}`]),
    `${kills} kills on ${store}, seed ${seed}: ${acknowledged} acknowledged operations, ${marks} runs of the tool, ` +
      `${all.length} found, ${Math.round(seconds)} s`
  ].join("\n")
}

const count = (found: ReadonlyArray<Violation>, kind: Violation["kind"]): number =>
  found.filter((violation) => violation.kind === kind).length
