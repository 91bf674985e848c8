/**
 * `keelson demo`: the play, its proof, and the exit code that follows from it.
 *
 * Owns the order: folder, service, acts, kill, restart, stop, verify, proof. Does not own the story (`DemoPlay`).
 *
 * Invariants: everything is read through doors that any outsider has: HTTP, the workspace, an exit code, `verify`;
 * the folder is removed only when the proof stands and nobody asked to keep it.
 */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { CommandRefused, FoundWrong } from "./CommandRefused.ts"
import * as DemoClient from "./DemoClient.ts"
import * as DemoPlay from "./DemoPlay.ts"
import * as DemoProof from "./DemoProof.ts"
import * as DemoService from "./DemoService.ts"
import * as DemoStage from "./DemoStage.ts"
import * as Page from "./Page.ts"
import type { Environment } from "./SettingsSource.ts"

export interface Options {
  readonly interactive: boolean
  readonly keep: boolean
  /** Between the answer to the last approval and the SIGKILL. */
  readonly killAfterMillis: number
  readonly json: boolean
}

export const unplayable = (detail: string): CommandRefused =>
  new CommandRefused({
    code: "DemoUnplayable",
    detail,
    remedy: "Play it by the plain program: npm run demo where Keelson's sources are, npx keelson demo in an app.",
    exitCode: 1
  })

export const run = Effect.fnUntraced(function* (
  program: DemoService.Program,
  environment: Environment,
  options: Options
) {
  const look = yield* Page.look
  const files = yield* FileSystem.FileSystem
  if (options.interactive && !look.live) return yield* noTerminal
  const folder = yield* Effect.mapError(files.makeTempDirectory({ prefix: "keelson-demo-" }), (error) =>
    DemoService.failed(`there is no place for the demo's folder: ${error.message}`)
  )
  const stage = DemoStage.make(look, { silent: options.json, paced: look.live && !options.interactive })
  const played = Effect.scoped(
    play(stage, { program, environment, folder, claimLeaseMillis: DemoPlay.claimLeaseMillis }, options)
  )
  const evidence = yield* Effect.tapError(played, () => Console.error(`\nThe demo's folder is kept: ${folder}`))
  const checks = DemoProof.prove(evidence)
  const stands = DemoProof.stands(checks, options.interactive)
  yield* Console.log(options.json ? DemoStage.machine(checks, stands) : page(look, checks, stands))
  if (stands && !options.keep) yield* Effect.ignore(files.remove(folder, { recursive: true }))
  else if (!options.json) yield* Console.log(`The demo's folder is kept: ${folder}`)
  if (!stands) return yield* new FoundWrong()
}, Effect.provide(FetchHttpClient.layer))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const noTerminal = new CommandRefused({
  code: "NoTerminal",
  detail: "--interactive asks you, and there is no terminal to ask at.",
  remedy: "Run it in a terminal, or without --interactive: then the demo's own person decides.",
  exitCode: 2
})

const play = Effect.fnUntraced(function* (stage: DemoStage.Stage, service: DemoService.Options, options: Options) {
  const workspace = `${service.folder}/workspace`
  yield* DemoPlay.prepare(workspace)
  yield* stage.act("Keelson demo: an agent that can't act without a permit")
  yield* stage.say(
    "A real service starts in a folder of its own (making a database takes some seconds); all below goes over HTTP."
  )
  const first = yield* DemoService.start(service)
  yield* stage.say(`Process ${first.pid} listens on ${first.url}, ${first.store}, up in ${first.startedInMillis} ms.`)
  const client = yield* DemoClient.make(first.url, first.token)
  const notes: DemoPlay.Notes = { acknowledged: [], files: [], denied: [] }
  const { sessionId } = (yield* client.createSession("session", "The shop")).body
  DemoPlay.acknowledge(notes, "a session opened", `session:${sessionId}`, "session.created")
  const decide: DemoPlay.Decide = (scripted) => (options.interactive ? DemoStage.decide : Effect.succeed(scripted))
  const scene: DemoPlay.Scene = { stage, client, service: first, sessionId, workspace, decide, notes }

  yield* DemoPlay.approved(scene)
  yield* DemoPlay.denied(scene)
  const before = yield* DemoPlay.untilTheKill(scene, options.killAfterMillis)

  const second = yield* DemoService.start(service)
  yield* stage.say(`Process ${second.pid} opens the same folder, up in ${second.startedInMillis} ms.`)
  const again: DemoPlay.Scene = { ...scene, service: second, client: yield* DemoClient.make(second.url, second.token) }
  const repeated = yield* DemoPlay.afterTheKill(again, before)

  yield* stage.act("4  The service stops, and its store is verified")
  const events = yield* DemoPlay.epilogue(again)
  const [elapsed, exitCode] = yield* Effect.timed(second.stop)
  const stopped = { exitCode, millis: Math.round(Duration.toMillis(elapsed)) }
  yield* stage.say(`SIGTERM: exit code ${exitCode} after ${stopped.millis} ms.`)
  const verified = yield* verify(service)
  yield* stage.say(`keelson verify: exit code ${verified.exitCode}.`)
  const found = yield* Effect.forEach(notes.files, (file) =>
    Effect.map(DemoPlay.content(workspace, file.path), (found) => ({ ...file, found }))
  )
  const { actionId, reason } = before.decision
  const evidence: DemoProof.Evidence = {
    acknowledged: notes.acknowledged,
    denied: notes.denied,
    events,
    files: found,
    repeated: { ...repeated, actionId, type: reason === null ? "confirmation.approved" : "confirmation.denied" },
    stopped,
    verified
  }
  return evidence
})

const Verification = Schema.fromJsonString(
  Schema.Struct({ problemCount: Schema.Int, counts: Schema.Struct({ events: Schema.Int }) })
)

/** `keelson verify` as a process of its own, on the store that the service has left. */
const verify = Effect.fnUntraced(
  function* ({ environment, folder, program }: DemoService.Options) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const child = yield* spawner.spawn(
      ChildProcess.make(
        program.executable,
        [...program.arguments, "verify", "--json", "--data-folder", `${folder}/data`],
        {
          env: DemoService.stripped(environment),
          extendEnv: false,
          stdin: "ignore"
        }
      )
    )
    const [said, complained, exitCode] = yield* Effect.all(
      [
        Stream.mkString(Stream.decodeText(child.stdout)),
        Stream.mkString(Stream.decodeText(child.stderr)),
        child.exitCode
      ],
      { concurrency: "unbounded" }
    )
    const { counts, problemCount } = yield* Effect.mapError(Schema.decodeEffect(Verification)(said.trim()), () =>
      DemoService.failed(`keelson verify said nothing that can be read: ${complained.trim() || said}`)
    )
    return { exitCode: Number(exitCode), events: counts.events, problems: problemCount }
  },
  Effect.scoped,
  Effect.mapError((error) =>
    error._tag === "CommandRefused" ? error : DemoService.failed(`keelson verify can't be run: ${error.message}`)
  )
)

const page = (look: Page.Look, checks: ReadonlyArray<DemoProof.Check>, stands: boolean): string =>
  [
    `\n${Page.mark(look, "bold", "PROOF")}  computed from what was read, not from what was meant`,
    DemoStage.proof(look, checks),
    "",
    stands
      ? Page.mark(
          look,
          "green",
          `The proof stands: ${checks.filter(({ verdict }) => verdict === "holds").length} of ${checks.length} checks hold.`
        )
      : Page.mark(look, "red", "The proof does not stand.")
  ].join("\n")
