import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { assert, describe, it } from "@effect/vitest"
import * as SettingsSource from "#layers/cli/SettingsSource.ts"
import * as Settings from "#layers/profiles/Settings.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as Relations from "#src/kernel/Relations.ts"
import { definition } from "./kit.ts"

const typed = (flags: { readonly [name: string]: string }): SettingsSource.Typed =>
  Object.fromEntries(Object.entries(flags).map(([name, value]) => [name, Option.some(value)]))

const resolve = (flags: { readonly [name: string]: string }, environment: SettingsSource.Environment = {}) =>
  SettingsSource.resolve(definition, typed(flags), environment)

const settings = (flags: { readonly [name: string]: string }, environment: SettingsSource.Environment = {}) => {
  const found = resolve(flags, environment)
  if (Result.isFailure(found)) return assert.fail(found.failure.message)
  return found.success.settings
}

const refusal = (flags: { readonly [name: string]: string }, environment: SettingsSource.Environment = {}) => {
  const found = resolve(flags, environment)
  if (Result.isSuccess(found)) return assert.fail("taken")
  return found.failure
}

describe("settings", () => {
  it("do not contradict each other where nothing is set", () =>
    assert.doesNotThrow(() => Relations.check(Settings.relations(Settings.defaults))))

  it("are the defaults where nothing is given", () => assert.deepStrictEqual(settings({}), Settings.defaults))

  it("come from the flag over the variable over the default", () => {
    assert.strictEqual(settings({}, { KEELSON_PORT: "8001" }).port, 8001)
    assert.strictEqual(settings({ port: "8002" }, { KEELSON_PORT: "8001" }).port, 8002)
  })

  it("say where each one came from", () => {
    const found = resolve({ port: "8002" }, { KEELSON_HOST: "localhost" })
    assert.isTrue(Result.isSuccess(found))
    if (Result.isFailure(found)) return
    assert.deepStrictEqual(found.success.sources["port"], { _tag: "Flag", name: "--port" })
    assert.deepStrictEqual(found.success.sources["host"], { _tag: "Variable", name: "KEELSON_HOST" })
    assert.deepStrictEqual(found.success.sources["dataFolder"], { _tag: "Default" })
  })

  it("have a flag and a variable each, named alike", () => {
    for (const setting of Object.keys(Settings.defaults)) {
      const flags = SettingsSource.flags(definition)
      assert.isDefined(flags[setting], setting)
      assert.match(SettingsSource.variableName(setting), /^KEELSON_[A-Z_]+$/)
    }
    assert.strictEqual(SettingsSource.flagName("claimLeaseMillis"), "claim-lease-millis")
    assert.strictEqual(SettingsSource.variableName("claimLeaseMillis"), "KEELSON_CLAIM_LEASE_MILLIS")
  })

  it("count an empty variable as unset", () => assert.strictEqual(settings({}, { KEELSON_PORT: "" }).port, 7717))

  it("let the policies follow the data folder, and nothing else", () => {
    const found = settings({ dataFolder: "/srv/keelson" })
    assert.strictEqual(found.policyFolder, "/srv/keelson/policies")
    assert.strictEqual(found.workspaceFolder, Settings.defaults.workspaceFolder)
    assert.strictEqual(settings({ dataFolder: "/srv/k", policyFolder: "p" }).policyFolder, "p")
  })
})

describe("a wrong setting", () => {
  it("is refused with its name, where it came from, what was expected and what was given", () => {
    const { detail, exitCode } = refusal({ port: "99999" })
    assert.strictEqual(detail, '--port: expected a value between 0 and 65535, but is "99999"')
    assert.strictEqual(exitCode, 2)
    assert.strictEqual(
      refusal({}, { KEELSON_PORT: "80x" }).detail,
      'KEELSON_PORT: expected a whole number, but is "80x"'
    )
    for (const text of ["", "1.5", "1e3", "0x10", " 80", "99999999999999999999"]) {
      assert.include(refusal({ port: text }).detail, "--port: expected", JSON.stringify(text))
    }
  })

  it("is named with all the others, so that one look is enough", () => {
    const { detail } = refusal({ port: "x", turnStepsMax: "0" }, { KEELSON_CLAIM_LEASE_MILLIS: "1" })
    assert.strictEqual(detail.split("\n").length, 3)
  })

  it("is a variable that is none: a misspelt limit would stay at its default", () => {
    assert.strictEqual(
      refusal({}, { KEELSON_DATAFOLDER: "/x" }).detail,
      "KEELSON_DATAFOLDER is no setting; KEELSON_DATA_FOLDER is"
    )
    assert.strictEqual(refusal({}, { KEELSON_COLOUR: "blue" }).detail, "KEELSON_COLOUR is no setting")
    assert.deepStrictEqual(settings({}, { KEELSON_TEST_URL: "x", KEELSON_BENCH_RUNS: "3" }), Settings.defaults)
  })

  it("is one that contradicts another, also one that was left at its default, and the sentence says which and why", () => {
    const few = refusal({ eventStreamsMax: "16" })
    assert.strictEqual(few.exitCode, 2)
    assert.strictEqual(
      few.detail,
      "the settings contradict each other: one principal can't follow more than all may: " +
        "--event-streams-per-principal-max (32) <= --event-streams-max (16)"
    )
    assert.strictEqual(settings({ eventStreamsMax: "32" }).eventStreamsMax, 32)
    assert.strictEqual(
      refusal({}, { KEELSON_CONNECTIONS_MAX: "960" }).detail,
      "the settings contradict each other: followers, WebSockets and waits leave connections for everybody else: " +
        "--event-streams-max (256) + --sockets-max (512) + --waits-max (192) < --connections-max (960)"
    )
    assert.strictEqual(settings({}, { KEELSON_CONNECTIONS_MAX: "961" }).connectionsMax, 961)
    assert.strictEqual(
      refusal({ waitsMax: "31" }).detail,
      "the settings contradict each other: one principal can't wait more often than all may: " +
        "--waits-per-principal-max (32) <= --waits-max (31)"
    )
    assert.strictEqual(settings({ waitsMax: "32" }).waitsMax, 32)
    assert.strictEqual(
      refusal({ socketsMax: "63" }).detail,
      "the settings contradict each other: one principal can't open more WebSockets than all may: " +
        "--sockets-per-principal-max (64) <= --sockets-max (63)"
    )
    assert.strictEqual(settings({ socketsMax: "64" }).socketsMax, 64)
    assert.strictEqual(
      refusal({ turnsPerSessionMax: "4", turnsInFlightMax: "2", turnsWaitingMax: "1" }).detail,
      "the settings contradict each other: what one session may run can be taken in: " +
        "--turns-per-session-max (4) <= --turns-in-flight-max (2) + --turns-waiting-max (1)"
    )
    assert.strictEqual(settings({ turnsPerSessionMax: "65", turnsWaitingMax: "1" }).turnsPerSessionMax, 65)
    const both = refusal({ eventStreamsMax: "16", connectionsMax: "1" }).detail
    assert.lengthOf(both.split("\n"), 2)
  })

  it("is a limit below or above what it may be", () => {
    for (const [setting, lowest, highest] of [
      ["bodyBytesMax", Bounds.httpBodyBytesMin, 16 * 1024 * 1024],
      ["connectionsMax", 1, 100_000],
      ["requestsMax", 1, 100_000],
      ["requestsPerSecondMax", 1, 1_000_000],
      ["waitsMax", 1, 100_000],
      ["waitsPerPrincipalMax", 1, 100_000],
      ["eventStreamsMax", 1, 100_000],
      ["eventStreamsPerPrincipalMax", 1, 100_000],
      ["socketsMax", 1, 100_000],
      ["socketsPerPrincipalMax", 1, 100_000],
      ["turnsInFlightMax", 1, Bounds.inFlightMax],
      ["turnsWaitingMax", 0, Bounds.waitingMax],
      ["toolsInFlightMax", 1, Bounds.inFlightMax],
      ["toolsWaitingMax", 0, Bounds.waitingMax],
      ["socketFrameBytesMax", Bounds.httpBodyBytesMin, 16 * 1024 * 1024]
    ] as const) {
      // All of them wide, so that no other one is in the way.
      const wide = { connectionsMax: "100000", eventStreamsMax: "99000" }
      const flag = `--${SettingsSource.flagName(setting)}`
      for (const wrong of [lowest - 1, highest + 1]) {
        assert.strictEqual(
          refusal({ ...wide, [setting]: String(wrong) }).detail,
          `${flag}: expected a value between ${lowest} and ${highest}, but is "${wrong}"`
        )
      }
    }
    for (const lowest of [
      { bodyBytesMax: String(Bounds.httpBodyBytesMin) },
      { requestsMax: "1" },
      { turnsInFlightMax: "1", turnsWaitingMax: "0", toolsInFlightMax: "1", toolsWaitingMax: "0" },
      {
        eventStreamsMax: "1",
        eventStreamsPerPrincipalMax: "1",
        connectionsMax: String(Bounds.socketsMax + Bounds.waitsMax + 2)
      }
    ]) {
      assert.deepInclude(
        settings(lowest),
        Object.fromEntries(Object.entries(lowest).map(([name, text]) => [name, Number(text)]))
      )
    }
  })

  it("is quoted cut and escaped, so that it can't write on the terminal", () => {
    const { detail } = refusal({ port: `\u001b[2J${"9".repeat(500)}` })
    assert.isBelow(detail.length, 200)
    assert.notInclude(detail, "\u001b")
  })
})

describe("the database's URL", () => {
  const url = "postgres://user:hunter2@db/keelson"

  it("comes from its variable, or from one that a flag names", () => {
    const one = settings({}, { KEELSON_DATABASE_URL: url }).databaseUrl
    const other = settings({ databaseUrlEnv: "DATABASE_URL" }, { DATABASE_URL: url }).databaseUrl
    for (const found of [one, other]) assert.strictEqual(found === null ? null : Redacted.value(found), url)
  })

  it("is not taken from a variable that nobody named: it may be another program's database", () =>
    assert.isNull(settings({}, { DATABASE_URL: url }).databaseUrl))

  it("is refused on the command line, and not repeated", () => {
    const { detail } = refusal({ databaseUrl: url })
    assert.include(detail, "KEELSON_DATABASE_URL")
    assert.notInclude(detail, "hunter2")
  })

  it("is missed where the variable named is not there", () =>
    assert.include(refusal({ databaseUrlEnv: "NOPE" }).detail, '--database-url-env names "NOPE"'))
})
