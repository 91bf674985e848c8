/**
 * `keelson doctor`: what is here, what is not, and what mends it.
 *
 * Owns the list of looks and how it is told. Looks only: nothing is made, changed or started, and no store is opened.
 *
 * Invariant: "missing" is said with a command or a setting that mends it, or not at all.
 */
import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import type * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { existsSync, readdirSync, statSync } from "node:fs"
import { join, resolve } from "node:path"
import { FoundWrong } from "./CommandRefused.ts"
import type { Deployment } from "./Deployment.ts"
import * as HelpText from "./HelpText.ts"
import * as Page from "./Page.ts"
import * as Sentences from "./Sentences.ts"
import * as SettingsSource from "./SettingsSource.ts"
import type { BasicSettings, Resolved } from "./SettingsSource.ts"

export const command = <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) =>
  Command.make("doctor", { settings: SettingsSource.flags(deployment.settings), json }, (input) =>
    Effect.flatMap(
      Effect.fromResult(SettingsSource.resolve(deployment.settings, input.settings, environment)),
      (resolved) => run(deployment, resolved, input)
    )
  ).pipe(
    Command.withDescription(
      "Looks at what a start would find: versions, folders, store, policies, a service that runs; and says what mends " +
        "what is missing. It changes nothing."
    ),
    Command.withShortDescription("what is here, what is missing, what mends it"),
    HelpText.withSections([
      {
        title: "Exit codes",
        entries: [
          ["0", "nothing is missing"],
          ["1", "something is; each with what mends it"],
          ["2", "a flag or a setting is wrong"]
        ]
      }
    ])
  )

export interface Finding {
  readonly name: string
  readonly state: "ok" | "missing" | "note"
  readonly detail: string
  /** What to do, where there is something to do. */
  readonly remedy: string | null
}

export const run = Effect.fnUntraced(function* <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  resolved: Resolved<S>,
  { json }: { readonly json: boolean }
) {
  const { settings } = resolved
  const findings = [
    ok("keelson", `version ${deployment.version}, Node ${process.versions.node}`),
    ...dataFolder(settings),
    ...store(settings),
    yield* policies(deployment, resolved),
    yield* service(settings)
  ]
  const missing = findings.some(({ state }) => state === "missing")
  yield* Console.log(json ? JSON.stringify({ well: !missing, findings }) : page(yield* Page.look, findings, missing))
  if (missing) return yield* new FoundWrong()
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const ok = (name: string, detail: string): Finding => ({ name, state: "ok", detail, remedy: null })
const note = (name: string, detail: string, remedy: string): Finding => ({ name, state: "note", detail, remedy })
const missing = (name: string, detail: string, remedy: string): Finding => ({ name, state: "missing", detail, remedy })

const dataFolder = (settings: BasicSettings): ReadonlyArray<Finding> => {
  const folder = resolve(settings.dataFolder)
  if (!existsSync(folder)) {
    return [note("data folder", `${folder} is not there yet`, "keelson start makes it")]
  }
  const mode = statSync(folder).mode & 0o777
  const shut = (mode & 0o022) === 0
  const keys = existsSync(join(folder, "keys")) ? readdirSync(join(folder, "keys")).length : 0
  return [
    shut
      ? ok("data folder", folder)
      : missing("data folder", `others may write into ${folder} (mode ${mode.toString(8)})`, `chmod 700 '${folder}'`),
    existsSync(join(folder, "owner.token"))
      ? ok("owner's token", join(folder, "owner.token"))
      : note("owner's token", "none yet", "keelson start makes one"),
    keys > 0
      ? ok("keys", `${join(folder, "keys")}`)
      : note("keys", "none yet", "keelson start makes them for a new journal")
  ]
}

const store = (settings: BasicSettings): ReadonlyArray<Finding> => {
  if (settings.databaseUrl !== null) return [ok("store", "PostgreSQL, by the database's URL")]
  const journal = join(resolve(settings.dataFolder), "journal")
  return existsSync(join(journal, "pgdata"))
    ? [ok("store", `PGlite in ${journal}; keelson verify looks through it`)]
    : [note("store", `PGlite, not there yet in ${journal}`, "keelson start makes it")]
}

/** By reading them as a start would. */
const policies = Effect.fnUntraced(function* <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  { settings }: Resolved<S>
) {
  const opened = yield* Effect.result(deployment.policies(settings))
  if (opened._tag === "Success") {
    const { folder, set } = opened.success
    return ok("policies", `${Page.count(set.policies.length, "policy", "policies")} in ${folder}, all valid`)
  }
  const { detail } = Sentences.refusal(opened.failure, settings)
  const folder = Predicate.hasProperty(settings, "policyFolder") ? String(settings.policyFolder) : ""
  return existsSync(resolve(folder))
    ? missing("policies", detail, "keelson policy check")
    : note("policies", `none yet in ${resolve(folder)}`, "keelson start puts a starter set into the data folder")
}, Effect.scoped)

/** Longest wait for a service that may not be there. */
const waitMillis = 2_000

const service = ({ host, port }: BasicSettings): Effect.Effect<Finding> => {
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
  if (port === 0) return Effect.succeed(note("service", "the settings leave the port open", "name it with --port"))
  return Effect.tryPromise(async () => {
    const answer = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(waitMillis) })
    return (await answer.json()) as Readiness
  }).pipe(
    Effect.map(({ checks, halted, ready }) => {
      const failing = checks.filter((check) => !check.ready).map(({ name, reason }) => `${name}: ${reason ?? "?"}`)
      if (!ready) return missing("service", `${url} is not ready: ${failing.join("; ")}`, "see its log")
      return halted
        ? note("service", `${url} is ready, and everything is stopped`, "keelson halt --show, then keelson resume")
        : ok("service", `${url} is ready`)
    }),
    Effect.orElseSucceed(() => note("service", `none answers at ${url}`, "keelson start"))
  )
}

interface Readiness {
  readonly ready: boolean
  readonly halted: boolean
  readonly checks: ReadonlyArray<{ readonly name: string; readonly ready: boolean; readonly reason: string | null }>
}

const marks = { ok: "green", note: "yellow", missing: "red" } as const
const words = { ok: "ok", note: "note", missing: "missing" } as const

const page = (look: Page.Look, findings: ReadonlyArray<Finding>, missing: boolean): string => {
  const widest = Math.max(...findings.map(({ name }) => name.length))
  const lines = findings.flatMap(({ detail, name, remedy, state }) => [
    `${Page.mark(look, marks[state], words[state].padEnd(8))}${name.padEnd(widest + 2)}${Page.visible(detail).replace(/\n/g, `\n${" ".repeat(widest + 10)}`)}`,
    ...(remedy === null ? [] : [`${" ".repeat(widest + 10)}${Page.mark(look, "dim", remedy)}`])
  ])
  return [...lines, "", missing ? "Something is missing." : "Nothing is missing."].join("\n")
}
