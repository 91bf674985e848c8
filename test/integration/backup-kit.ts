/** The real service with people at work, and the commands `backup` and `restore` beside it, as child processes. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { cpSync, mkdirSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Redacted from "effect/Redacted"
import * as Postgres from "#test/kit/postgres.ts"
import type { Service } from "#test/kit/service.ts"

export const server = await Postgres.server()

const main = resolve(import.meta.dirname, "../../layers/main.ts")
const dying = resolve(import.meta.dirname, "../../chaos/service.ts")
const unmarked = resolve(import.meta.dirname, "../kit/unmarkedProcess.ts")

/** Where a store lies: a data folder and, on PostgreSQL, a schema. */
export interface Place {
  readonly folder: string
  readonly schema: string | null
}

export const stores = ["PGlite", "PostgreSQL"] as const
export type Store = (typeof stores)[number]

export const place = (store: Store, folder: string): Place => ({
  folder,
  schema: store === "PGlite" ? null : Postgres.freshSchema()
})

/** For `Service.start`. */
export const options = ({ folder, schema }: Place) => ({
  folder,
  flags: {
    "checkpoint-folder": join(folder, "data/checkpoints"),
    ...(schema === null ? {} : { "database-schema": schema })
  },
  environment: environmentOf(schema)
})

const environmentOf = (schema: string | null): { readonly [name: string]: string } =>
  schema === null ? {} : { KEELSON_DATABASE_URL: server === null ? "" : Redacted.value(server.url) }

export interface Ended {
  readonly code: number | null
  /** Standard output as JSON, where it is. */
  readonly out: any
  readonly err: string
}

/** Begins `keelson <words> --json` on a place, beside whatever works there. */
export const begin = (place: Place, ...words: ReadonlyArray<string>) => spawned({ program: main }, place, words)

/** The same, killed after a time. */
export const beginCut = (afterMillis: number, place: Place, ...words: ReadonlyArray<string>) =>
  spawned({ program: main, afterMillis }, place, words)

/** The same, of the program that kills itself at a moment. */
export const beginDying = (moment: string, place: Place, ...words: ReadonlyArray<string>) =>
  spawned({ program: dying, environment: diesAt(moment, place) }, place, words)

/** The same, of one that does not mark what it restores into. */
export const beginUnmarked = (moment: string, place: Place, ...words: ReadonlyArray<string>) =>
  spawned({ program: unmarked, environment: diesAt(moment, place) }, place, words)

const diesAt = (moment: string, { folder }: Place) => ({ CHAOS_POINT: moment, CHAOS_FOLDER: folder })

const spawned = (
  run: {
    readonly program: string
    readonly environment?: { readonly [name: string]: string }
    readonly afterMillis?: number
  },
  { folder, schema }: Place,
  words: ReadonlyArray<string>
) => {
  const data = join(folder, "data")
  const where = ["--data-folder", data, "--checkpoint-folder", join(data, "checkpoints")]
  const named = schema === null ? where : [...where, "--database-schema", schema]
  const child = spawn(process.execPath, [run.program, ...words, "--json", ...named], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environmentOf(schema), ...run.environment },
    ...(run.afterMillis !== undefined && { timeout: run.afterMillis, killSignal: "SIGKILL" as const }),
    stdio: ["ignore", "pipe", "pipe"]
  })
  const ended = async (): Promise<Ended> => {
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")])
    return { code: code as number | null, out: out.startsWith("{") ? JSON.parse(out) : out, err }
  }
  return { child, ended: ended() }
}

/** Runs it to its end. */
export const keelson = (place: Place, ...words: ReadonlyArray<string>): Promise<Ended> => begin(place, ...words).ended

/** Why a start on the place was refused; null where it serves, which is ended then. */
export const startRefused = async (place: Place): Promise<string | null> => {
  const [policies, workspace] = [join(place.folder, "data/policies"), join(place.folder, "workspace")]
  const words = ["start", "--port", "0", "--workspace-folder", workspace, "--policy-folder", policies]
  const { child, ended } = begin(place, ...words)
  let serves = false
  child.stdout.once("data", () => {
    serves = true
    child.kill("SIGKILL")
  })
  const { err } = await ended
  return serves ? null : err
}

/** What an operator puts back beside a backup: the keys, and the checkpoints with the ledger. */
export const putBack = (from: Place, to: Place, names: ReadonlyArray<string>): void => {
  mkdirSync(join(to.folder, "data"), { recursive: true, mode: 0o700 })
  for (const name of names) cpSync(join(from.folder, "data", name), join(to.folder, "data", name), { recursive: true })
}

export const everything = ["keys", "signing-keys", "checkpoints", "owner.token"]

/** Sessions with a title each; answers their ids. */
export const open = async (service: Service, name: string, count: number): Promise<ReadonlyArray<string>> => {
  const made = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      service.post("/v1/sessions", `${name}-${index}`, { title: `${name} ${index}` })
    )
  )
  return made.map(({ body }) => String(body.sessionId))
}
