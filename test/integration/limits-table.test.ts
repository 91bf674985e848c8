/**
 * The table of limits in `docs/http.md`, row by row: a setting each, its default, a problem that says what it does, and a
 * test at the edge. The tests themselves stand where their matter is; here is seen that none is missing.
 */
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as SettingsSource from "#layers/cli/SettingsSource.ts"
import * as Problems from "#layers/edge/Problems.ts"
import * as Settings from "#layers/profiles/Settings.ts"

interface Row {
  readonly setting: string
  readonly shownDefault: string
  readonly beyond: string
  readonly retryAfter: string
}

/** Where a limit is met at its edge: a file beside this one, and the promise in it. */
type Edge = readonly [file: string, title: string]

const gateway = "limits.test.ts"
const work = "work-limits.test.ts"
const door = "http-limits.test.ts"
const served = "http-settings.integration.test.ts"
const waitingActions = "of waiting actions, per session and in all, is met, and a decision makes room"
const turnsAtOnce = "is kept: the next waits in line, the one after is told to come back, and one that ends makes room"
const toolsAtOnce =
  "is kept: the next waits unclaimed, the one after is told to come back, and one that ends makes room"
const ofOnePrincipal =
  "is one principal's own: what it has at work and in line is counted, others are let in, and one that ends makes room"
const sockets = "the door of a service keeps the limits of WebSockets that its deployment sets"

const edges: { readonly [setting: string]: Edge } = {
  sessionsPerPrincipalMax: [gateway, "of open sessions per principal is met, and one that closes makes room"],
  confirmationsPendingMax: [gateway, waitingActions],
  confirmationsPendingPerSessionMax: [gateway, waitingActions],
  turnsPerSessionMax: [gateway, "of turns that run in a session is met, and one that ends makes room"],
  turnsInFlightMax: [work, turnsAtOnce],
  turnsWaitingMax: [work, turnsAtOnce],
  turnsPerPrincipalMax: [work, ofOnePrincipal],
  toolsInFlightMax: [work, toolsAtOnce],
  toolsWaitingMax: [work, toolsAtOnce],
  toolsPerPrincipalMax: [work, ofOnePrincipal],
  turnStepsMax: [work, "ends by itself with its last step, and with StepsSpent where it would take one more"],
  turnTokensMax: [work, "ends by itself with its last token, and with TokensSpent where it used one more"],
  turnTimeoutMillis: [
    work,
    "whose model is stuck ends with Timeout when its time is over, and not before; so does one in line"
  ],
  bodyBytesMax: [door, "of a body is met to the byte, and what is too large says what fits"],
  connectionsMax: [door, "of connections is met: the next one is told so and closed, and one that leaves makes room"],
  requestsMax: [door, "of requests in hand is met, and one that is answered makes room"],
  waitsMax: [door, "of waits is met, in all and of one principal, and one that ends makes room"],
  waitsPerPrincipalMax: [door, "of waits is met, in all and of one principal, and one that ends makes room"],
  requestsPerSecondMax: [
    gateway,
    "of requests per second is one principal's own: others are served, and so is it once it slows down"
  ],
  eventStreamsMax: [door, "of followers in all is met, and one that leaves makes room"],
  eventStreamsPerPrincipalMax: [
    door,
    "of one principal's followers is its own: others follow, and one of its own that leaves makes room"
  ],
  socketsMax: [served, sockets],
  socketsPerPrincipalMax: [served, sockets],
  socketFrameBytesMax: [served, sockets]
}

const page = readFileSync(resolve(import.meta.dirname, "../../docs/http.md"), "utf8")
const sources = new Map(
  [gateway, work, door, served].map((file) => [file, readFileSync(resolve(import.meta.dirname, file), "utf8")])
)

const isLimit = (setting: string) => setting.endsWith("Max") || setting === "turnTimeoutMillis"
const limits = Object.keys(Settings.defaults).filter(isLimit)
const settingOf = new Map(Object.keys(Settings.defaults).map((name) => [SettingsSource.variableName(name), name]))

const rowsOf = (text: string): ReadonlyArray<Row> =>
  [
    ...text.matchAll(/^\| [^|]+ \| `(KEELSON_\w+)` +\| ([^|]+) \| (?:journal|process) +\| ([^|]+) \| (yes|no) +\|$/gm)
  ].map(([, variable, shownDefault, beyond, retryAfter]) => ({
    setting: settingOf.get(variable!) ?? variable!,
    shownDefault: shownDefault!.trim(),
    beyond: beyond!.trim(),
    retryAfter: retryAfter!
  }))

const numberOf = (shown: string): number =>
  shown.endsWith(" MiB") ? Number(shown.slice(0, -4)) * 1024 * 1024 : Number(shown.replaceAll(",", ""))

/** The text of a test that runs, from its title to the next one; null where there is none of that name. */
const bodyOf = (source: string, title: string): string | null => {
  const at = source.indexOf(JSON.stringify(title))
  if (at < 0 || !/\bit\.(live|effect)\(\s*$/.test(source.slice(0, at))) return null
  const next = source.slice(at).search(/\n {0,2}it\./)
  return next < 0 ? source.slice(at) : source.slice(at, at + next)
}

/** Everything that is amiss, in words. */
const gaps = (
  text: string,
  tests: { readonly [setting: string]: Edge },
  files: ReadonlyMap<string, string>
): ReadonlyArray<string> => {
  const rows = rowsOf(text)
  const shown = rows.map(({ setting }) => setting)
  return [
    ...limits.filter((setting) => !shown.includes(setting)).map((setting) => `${setting}: no row`),
    ...shown.filter((setting, index) => shown.indexOf(setting) < index).map((setting) => `${setting}: two rows`),
    ...rows.flatMap((row) => [...gapsOfRow(row), ...gapsOfTest(row, tests[row.setting], files)])
  ]
}

const gapsOfRow = ({ beyond, retryAfter, setting, shownDefault }: Row): ReadonlyArray<string> => {
  const value: unknown = new Map<string, unknown>(Object.entries(Settings.defaults)).get(setting)
  if (value === undefined) return [`${setting}: no such setting`]
  const problem = /^(\d{3}) `(\w+)`/.exec(beyond)
  const known = problem === null ? undefined : Problems.codes.find((code) => code === problem[2])
  const told = known === undefined ? null : Problems.definitionOf(known)
  return [
    ...(numberOf(shownDefault) === value ? [] : [`${setting}: the default is ${value as number}`]),
    ...(problem !== null && told?.status !== Number(problem[1]) ? [`${setting}: no such problem`] : []),
    ...(((told?.retryAfterSeconds ?? null) === null) === (retryAfter === "no") ? [] : [`${setting}: Retry-After`])
  ]
}

const gapsOfTest = (
  { beyond, setting }: Row,
  edge: Edge | undefined,
  files: ReadonlyMap<string, string>
): ReadonlyArray<string> => {
  const source = edge === undefined ? undefined : files.get(edge[0])
  const body = edge === undefined || source === undefined ? null : bodyOf(source, edge[1])
  if (body === null) return [`${setting}: no test at the edge`]
  const names = [`${setting}: `, `"${SettingsSource.flagName(setting)}": `]
  const set = names.some((name) => body.includes(name))
  const unsaid = [...beyond.matchAll(/`(\w+)`/g)].map(([, word]) => word!).filter((word) => !source!.includes(word))
  return [
    ...(set ? [] : [`${setting}: its test does not set it`]),
    ...unsaid.map((word) => `${setting}: its test does not look for ${word}`)
  ]
}

describe("the table of limits", () => {
  it("has a row for every limit that a deployment sets, each true and each with a test at the edge", () => {
    assert.deepStrictEqual(gaps(page, edges, sources), [])
    assert.strictEqual(rowsOf(page).length, limits.length)
  })

  it("is found wanting where a row or a test is missing or says something else", () => {
    const row = page.split("\n").find((line) => line.includes("`KEELSON_TURN_STEPS_MAX`"))!
    const without = page.replace(`${row}\n`, "")
    assert.deepStrictEqual(gaps(without, edges, sources), ["turnStepsMax: no row"])
    assert.deepStrictEqual(gaps(page.replace(row, row.replace(/\b16\b/, "17")), edges, sources), [
      "turnStepsMax: the default is 16"
    ])
    assert.deepStrictEqual(gaps(page.replace(row, row.replace("StepsSpent", "StepsGone")), edges, sources), [
      "turnStepsMax: its test does not look for StepsGone"
    ])
    const { turnStepsMax: _, ...fewer } = edges
    assert.deepStrictEqual(gaps(page, fewer, sources), ["turnStepsMax: no test at the edge"])
    const skipped = sources.get(work)!.replace(/(?<=it\.live)(?=\("ends by itself with its last step)/, ".skip")
    assert.deepStrictEqual(gaps(page, edges, new Map([...sources, [work, skipped]])), [
      "turnStepsMax: no test at the edge"
    ])
    const unset = sources.get(work)!.replace("turnStepsMax: 2", "turnsPerSessionMax: 2")
    assert.deepStrictEqual(gaps(page, edges, new Map([...sources, [work, unset]])), [
      "turnStepsMax: its test does not set it"
    ])
    const body = page.replace(/(`KEELSON_BODY_BYTES_MAX`.*\| )no( +\|)$/m, "$1yes$2")
    assert.deepStrictEqual(gaps(body, edges, sources), ["bodyBytesMax: Retry-After"])
    const wrong = page.replace("413 `BodyTooLarge`", "400 `BodyTooLarge`")
    assert.deepStrictEqual(gaps(wrong, edges, sources), ["bodyBytesMax: no such problem"])
  })
})
