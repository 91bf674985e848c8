/**
 * `keelson start`: the service, from opening to the last released resource.
 *
 * ```
 * settings -> open -> "listening" -> (told to read its files again)* -> (asked to stop) -> drain, release -> "stopped", exit code 0
 * ```
 *
 * Owns what is told and when it is over. Does not own what is opened (`Deployment`).
 *
 * Invariants: the owner's token is printed on a terminal only; nothing is printed as listening that is not; a stop
 * ends within `stopMillis`, or says that it did not.
 */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Bounds from "#src/kernel/Bounds.ts"
import { CommandRefused } from "./CommandRefused.ts"
import type { Deployment, Running } from "./Deployment.ts"
import * as Called from "./Called.ts"
import * as Page from "./Page.ts"
import * as Sentences from "./Sentences.ts"
import type { BasicSettings, Resolved } from "./SettingsSource.ts"
import { StopSignal } from "./Signals.ts"

/** Longest a stop may take from the signal to the exit: the drain, and then the closing of files and sockets. */
export const stopMillis = 9_500

export interface Options {
  /** One JSON line for machines instead of the page. */
  readonly json: boolean
}

export const run = Effect.fnUntraced(function* <S extends BasicSettings, E, V>(
  deployment: Deployment<S, E, V>,
  resolved: Resolved<S>,
  options: Options
) {
  const look = yield* Page.look
  const { await: asked, reread } = yield* StopSignal
  const scope = yield* Scope.make()
  const serving = yield* deployment.open(resolved.settings).pipe(
    Effect.provideService(Scope.Scope, scope),
    Effect.mapError((error) => Sentences.refusal(error, resolved.settings)),
    Effect.tap((running) => Console.log(options.json ? started(running) : page(look, deployment, running, resolved))),
    Effect.flatMap((running) => Effect.forever(Effect.andThen(reread, running.reload))),
    Effect.forkDetach
  )
  const close = release(Effect.andThen(Fiber.interrupt(serving), Scope.close(scope, Exit.void)))
  const signal = yield* Effect.raceFirst(Fiber.join(serving), asked).pipe(
    Effect.tapError(() => Effect.ignore(close)),
    Effect.onInterrupt(() => Effect.ignore(close))
  )
  if (!options.json) yield* Console.log(`\nStopping (${signal}); once more ends it at once.`)
  yield* close
  yield* Console.log(options.json ? JSON.stringify({ stopped: signal }) : "Stopped. Everything acknowledged is stored.")
})

/** Releases everything, but waits no longer than was promised, even for an opening that can't be interrupted. */
const release = Effect.fnUntraced(function* (everything: Effect.Effect<void>) {
  const releasing = yield* Effect.forkDetach(everything)
  const released = yield* Effect.timeoutOption(Fiber.await(releasing), Duration.millis(stopMillis))
  if (released._tag === "Some") return
  return yield* new CommandRefused({
    code: "StopTooSlow",
    detail: `What was opened was not released within ${stopMillis} ms, so the process ends without it.`,
    remedy: `Everything acknowledged is stored. Work in hand has ${Bounds.drainMillis} ms to end: see the log.`,
    exitCode: 1
  })
})

/** What a machine needs to go on: one line, no secret in it. */
const started = (running: Running): string =>
  JSON.stringify({
    listening: running.url,
    pid: process.pid,
    store: running.store,
    policies: running.policies,
    workspace: running.workspace,
    responder: running.responder,
    ownerTokenPath: running.ownerToken.path
  })

const page = <S extends BasicSettings>(
  look: Page.Look,
  { self, version }: Pick<Deployment<S, unknown, unknown>, "self" | "version">,
  running: Running,
  resolved: Resolved<S>
): string => {
  const { ownerToken, policies, responder, store, url } = running
  const entries: ReadonlyArray<readonly [string, string]> = [
    ["listening", `${Page.mark(look, "bold", url)}  (${url}/docs explains the API)`],
    ["journal", `${store.product} in ${store.place}; ${store.durability}`],
    ["workspace", `${running.workspace}  (all that file and shell tools see)`],
    [
      "policies",
      `${Page.count(policies.policies, "policy", "policies")} in ${policies.folder}, ${policies.hash.slice(0, 12)}`
    ],
    [
      "responder",
      `${responder.provider}/${responder.model}${responder.deterministic ? ": deterministic, not a language model" : ""}`
    ],
    ["token", `${ownerToken.path}${ownerToken.minted ? "  (new)" : ""}`]
  ]
  const program = Called.as(self)
  const secret = look.live ? [`  ${Redacted.value(ownerToken.token)}`, ""] : []
  return [
    Page.mark(look, "bold", `Keelson ${version}`),
    "",
    Page.rows(look, entries),
    "",
    ...(secret.length === 0 ? [] : ["The owner's token, for this terminal only:", ...secret]),
    ...warnings(look, resolved.settings),
    "Next, in another terminal:",
    `  ${program} confirmations watch`,
    `  ${program} demo`,
    `  curl -H "Authorization: Bearer $(cat ${Called.shellWord(ownerToken.path)})" ${url}/v1/whoami`,
    "Ctrl-C stops it."
  ].join("\n")
}

const warnings = (look: Page.Look, settings: BasicSettings): ReadonlyArray<string> => [
  ...(loopback.test(settings.host)
    ? []
    : warning(
        look,
        `${settings.host} can be reached from other machines, and this door speaks plain HTTP: ` +
          "whoever listens on the network reads the token. Put a proxy with TLS before it."
      )),
  ...(process.getuid?.() === 0
    ? warning(
        look,
        "This runs as root, and so does every command that is let run: it may do anything to this machine. " +
          "Give the service a user of its own."
      )
    : [])
]

const warning = (look: Page.Look, text: string): ReadonlyArray<string> => [
  Page.indented(look, text, "  ", Page.mark(look, "yellow", "! ")),
  ""
]

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i
