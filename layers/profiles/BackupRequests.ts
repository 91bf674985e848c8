/**
 * A backup asked of the service that has an embedded journal open, by files in its data folder.
 *
 *   <data folder>/backup-requests/<id>.request   where the backup is to go
 *   <data folder>/backup-requests/<id>.answer    what became of it
 *
 * Whoever may write into that folder is the user that the service runs as, who could read keys and journal anyway; so
 * there is no route, and no token that could ask for everything over a network.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SystemCode from "#src/kernel/SystemCode.ts"

export const folderName = "backup-requests"

const Answer = Schema.Union([
  Schema.Struct({ file: Schema.String, position: Schema.Int, lines: Schema.Int, digest: Schema.String }),
  Schema.Struct({ refused: Schema.String })
])
export type Answer = typeof Answer.Type

/**
 * Asks, and waits for the answer for as long as whoever took the request lives; a service that does not take it in time is
 * no such service.
 */
export const ask = Effect.fnUntraced(function* (folder: string, target: string, holderPid: number) {
  const id = randomUUID()
  const [request, answer] = [join(folder, `${id}.request`), join(folder, `${id}.answer`)]
  yield* Effect.promise(async () => {
    await fs.mkdir(folder, { recursive: true, mode: 0o700 })
    await fs.writeFile(`${request}.new`, target, { mode: 0o600, flag: "wx" })
    await fs.rename(`${request}.new`, request)
  })
  const clean = Effect.promise(() => Promise.all([request, answer].map((path) => fs.rm(path, { force: true }))))
  return yield* Effect.gen(function* () {
    for (let waited = 0; ; waited += pauseMillis) {
      // Before the look: what it had said when it ended is there to be read.
      const lives = isAlive(holderPid)
      const text = yield* readText(answer)
      if (text !== null) return yield* Effect.orDie(decode(text))
      if (!lives) return { refused: "the service ended before its backup was done; what it had begun has no name" }
      if (waited >= takenMillisMax && (yield* readText(request)) !== null) {
        return { refused: "the process that has the folder takes no backups; stop it and try again" }
      }
      yield* Effect.sleep(Duration.millis(pauseMillis))
    }
  }).pipe(Effect.ensuring(clean))
})

/** One look: takes every backup that is asked for, one after the other. */
export const serve = <A extends Answer, E, R>(folder: string, take: (target: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const names = yield* Effect.promise(() => fs.readdir(folder).catch((): Array<string> => []))
    for (const name of names.filter((one) => one.endsWith(".request"))) {
      const path = join(folder, name)
      const target = yield* readText(path)
      if (target === null) continue
      yield* Effect.promise(() => fs.rm(path, { force: true }))
      const answer: Answer = yield* take(target).pipe(
        Effect.catch((error) => Effect.succeed({ refused: error instanceof Error ? error.message : "it failed" }))
      )
      const told = path.replace(/\.request$/, ".answer")
      yield* Effect.promise(async () => {
        await fs.writeFile(`${told}.new`, encode(answer), { mode: 0o600 })
        await fs.rename(`${told}.new`, told)
      })
    }
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const pauseMillis = 100
/** A service looks every second. */
const takenMillisMax = 10_000

/** A process of another user answers, too, by its refusal. */
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    return SystemCode.of(cause) === "EPERM"
  }
}

const Text = Schema.fromJsonString(Answer)
const decode = Schema.decodeUnknownEffect(Text)
const encode = Schema.encodeSync(Text)

const readText = (path: string) => Effect.promise(() => fs.readFile(path, "utf8").catch(() => null))
