/**
 * `keelson doctor`: what is here, what is not, and what mends it.
 *
 * Owns the list of looks and how it is told. Looks only: nothing is made, changed or started, and no store is opened.
 *
 * Invariants: "missing" is said with a command or a setting that mends it, or not at all; what can't be looked at is a
 * finding too, and keeps no other look from being told.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import type * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Predicate from "effect/Predicate"
import { readdirSync, type Stats, statSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Client from "#layers/client/Client.ts"
import * as Variables from "#src/kernel/Variables.ts"
import { PolicyError } from "#src/ports/PolicyEngine.ts"
import { FoundWrong } from "./CommandRefused.ts"
import type { Deployment } from "./Deployment.ts"
import * as HelpText from "./HelpText.ts"
import * as Called from "./Called.ts"
import * as Page from "./Page.ts"
import * as Sentences from "./Sentences.ts"
import * as SettingsSource from "./SettingsSource.ts"
import type { BasicSettings, Resolved } from "./SettingsSource.ts"

export const command = <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  environment: SettingsSource.Environment,
  json: Flag.Flag<boolean>
) =>
  Command.make(
    "doctor",
    { settings: SettingsSource.flags(deployment.settings, undefined, (name) => told.has(name)), json },
    (input) =>
      Effect.flatMap(
        Effect.fromResult(SettingsSource.resolve(deployment.settings, input.settings, environment)),
        (resolved) => run(deployment, resolved, environment, input)
      )
  ).pipe(
    Command.withDescription(
      "Looks at what a start would find: versions, folders, store, policies, a service that runs; and says what mends " +
        "what is missing. It changes nothing. It takes every flag of keelson start, also those that are not listed."
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

/** Settings of which a look says more than that they are in form. */
const told: ReadonlySet<string> = new Set([
  ...["host", "port", "dataFolder", "policyFolder"],
  ...["databaseUrl", "databaseSchema"]
])

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
  environment: SettingsSource.Environment,
  { json }: { readonly json: boolean }
) {
  const { settings } = resolved
  const findings = [
    ok("keelson", `version ${deployment.version}, Node ${process.versions.node}`),
    ok("profile", deployment.profile(settings)),
    variables(environment),
    ...(yield* dataFolder(settings)),
    yield* store(settings),
    ...(yield* policies(deployment, resolved)),
    yield* service(settings)
  ]
  for (const [at, { remedy, ...finding }] of findings.entries()) {
    findings[at] = { ...finding, remedy: remedy === null ? null : yield* Called.typed(remedy) }
  }
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

/** One look at files. What the system refuses is found, with the path that it is about; anything else is a mistake here. */
const looking = (name: string, path: string, look: (path: string) => Finding): Effect.Effect<Finding> =>
  Effect.try({ try: () => look(path), catch: (cause) => cause }).pipe(
    Effect.catchIf(isSystemError, ({ code }) => Effect.succeed(barred(name, path, code))),
    Effect.catch(Effect.die)
  )

interface SystemError {
  readonly code: string
}

const isSystemError = (cause: unknown): cause is SystemError =>
  cause instanceof Error && Predicate.hasProperty(cause, "syscall") && Predicate.hasProperty(cause, "code")

const barred = (name: string, path: string, code: string): Finding => {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return missing(name, `this user may not read ${path}`, "run keelson doctor as the user of the service")
    case "ENOTDIR":
      return missing(name, `${path} is no folder, or stands in what is none`, "move it away, or name another folder")
    case "ELOOP":
      return missing(name, `${path} is a link that leads to itself`, "remove it, or name another folder")
    default:
      return missing(
        name,
        `${path} can't be read: the system says ${code}`,
        "look at the disk, and at the system's log"
      )
  }
}

/** Those that are no settings: a setting that is wrong was refused before any look. */
const variables = (environment: SettingsSource.Environment): Finding => {
  const problems = Variables.wrong(environment)
  return problems.length === 0
    ? ok("variables", "each is as its reader expects it")
    : missing("variables", problems.join("\n"), "set them as expected, or unset them: docs/configuration.md")
}

/** Null where nothing is there; throws where that can't be said. */
const found = (path: string): Stats | null => statSync(path, { throwIfNoEntry: false }) ?? null

const dataFolder = Effect.fnUntraced(function* (settings: BasicSettings) {
  const folder = resolve(settings.dataFolder)
  let inside = true
  const first = yield* looking("data folder", folder, () => {
    const stats = found(folder)
    inside = stats?.isDirectory() ?? false
    if (stats === null) return note("data folder", `${folder} is not there yet`, "keelson start makes it")
    if (!inside) return barred("data folder", folder, "ENOTDIR")
    const mode = stats.mode & 0o777
    return (mode & 0o022) === 0
      ? ok("data folder", folder)
      : missing("data folder", `others may write into ${folder} (mode ${mode.toString(8)})`, `chmod 700 '${folder}'`)
  })
  if (!inside) return [first]
  return [
    first,
    yield* looking("owner's token", join(folder, "owner.token"), (path) =>
      found(path) === null ? note("owner's token", "none yet", "keelson start makes one") : ok("owner's token", path)
    ),
    yield* looking("keys", join(folder, "keys"), (path) =>
      found(path) === null || readdirSync(path).length === 0
        ? note("keys", "none yet", "keelson start makes them for a new journal")
        : ok("keys", path)
    )
  ]
})

const store = (settings: BasicSettings): Effect.Effect<Finding> => {
  if (settings.databaseUrl !== null) return Effect.succeed(ok("store", "PostgreSQL, by the database's URL"))
  return looking("store", join(resolve(settings.dataFolder), "journal"), (journal) => {
    if (found(journal)?.isDirectory() === false) return barred("store", journal, "ENOTDIR")
    return found(join(journal, "pgdata")) === null
      ? note("store", `PGlite, not there yet in ${journal}`, "keelson start makes it")
      : ok("store", `PGlite in ${journal}; keelson verify looks through it`)
  })
}

/** By reading them as a start would. */
const policies = Effect.fnUntraced(function* <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  { settings }: Resolved<S>
) {
  const opened = yield* Effect.result(deployment.policies(settings, null))
  if (opened._tag === "Success") {
    const { folder, set, tools } = opened.success
    return [
      ok("policies", `${Page.count(set.policies.length, "policy", "policies")} in ${folder}, all valid`),
      ok("tools", Page.listed(tools) || "none")
    ]
  }
  const folder = resolve(Predicate.hasProperty(settings, "policyFolder") ? String(settings.policyFolder) : "")
  const one = yield* looking("policies", folder, () => {
    if (found(folder) === null) {
      return note("policies", `none yet in ${folder}`, "keelson start puts a starter set into the data folder")
    }
    const tools = undeclared(opened.failure)
    return tools === null
      ? missing("policies", Sentences.refusal(opened.failure, settings).detail, "keelson policy check")
      : note(
          "policies",
          `they name tools that this service does not run itself; an agent may have declared them:\n${tools.places}`,
          `before a start, have an agent declare ${Page.listed(tools.names)}, or mend the name`
        )
  })
  return [one]
}, Effect.scoped)

/** The tools that policies name and nobody here has, where nothing else is wrong with them. Only the journal knows more. */
const undeclared = (failure: unknown) => {
  if (!(failure instanceof PolicyError)) return null
  const names = failure.problems.map((problem) => problem.undeclared)
  return names.every((name) => name !== undefined) ? { names: [...new Set(names)], places: failure.message } : null
}

/** False too where the system does not let look: another line says that. */
const isAbsent = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

/** Longest wait for a service that may not be there. */
const waitMillis = 2_000

const service = ({ dataFolder: folder, host, port }: BasicSettings): Effect.Effect<Finding> => {
  // Nothing of another folder's service is known here; where there is no token, none was ever started on this one.
  const isOurs = !isAbsent(join(resolve(folder), "owner.token"))
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
  if (port === 0) return Effect.succeed(note("service", "the settings leave the port open", "name it with --port"))
  const told = (detail: string, remedy: string) => missing("service", `${url} ${detail}`, remedy)
  return Client.ready({ url }).pipe(
    Effect.timeout(waitMillis),
    Effect.provide(NodeHttpClient.layerUndici),
    Effect.map((answer) => {
      if (!("ready" in answer)) return told(`has more work than it takes (${answer.code})`, "try again in a moment")
      const failing = answer.checks
        .filter((check) => !check.ready)
        .map(({ name, reason }) => `${name}: ${reason ?? "?"}`)
      if (!answer.ready) return told(`is not ready: ${failing.join("; ")}`, "see its log")
      return answer.halted
        ? note("service", `${url} is ready, and everything is stopped`, "keelson halt --show, then keelson resume")
        : isOurs
          ? ok("service", `${url} is ready`)
          : note(
              "service",
              `${url} is ready, but it is not this data folder's`,
              "name the folder that it has, or a --port of your own"
            )
    }),
    Effect.catch((error) => {
      if (Cause.isTimeoutError(error)) {
        return Effect.succeed(
          told(`did not answer within ${waitMillis / 1_000} s`, "see the log of what listens there")
        )
      }
      if (HttpClientError.isHttpClientError(error) && error.reason._tag === "TransportError") {
        return Effect.succeed(note("service", `none answers at ${url}`, "keelson start"))
      }
      return Effect.succeed(
        told("answered something that is not Keelson's", "stop what listens there, or choose another port with --port")
      )
    })
  )
}

const marks = { ok: "green", note: "yellow", missing: "red" } as const
const words = { ok: "ok", note: "note", missing: "missing" } as const

const page = (look: Page.Look, findings: ReadonlyArray<Finding>, missing: boolean): string => {
  const widest = Math.max(...findings.map(({ name }) => name.length))
  const space = " ".repeat(widest + 11)
  const lines = findings.flatMap(({ detail, name, remedy, state }) => {
    const first = `${Page.mark(look, marks[state], words[state].padEnd(9))}${name.padEnd(widest + 2)}`
    return [
      Page.indented(look, Page.visible(detail), space, first),
      ...(remedy === null ? [] : [Page.mark(look, "dim", Page.indented(look, `-> ${Page.visible(remedy)}`, space))])
    ]
  })
  return [...lines, "", missing ? "Something is missing." : "Nothing is missing."].join("\n")
}
