/** `keelson confirmations`, `approve` and `deny`: what waits for people, and their word. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Client from "#layers/client/Client.ts"
import { ConfirmationStatus } from "#src/gateway/Protocol.ts"
import { ConfirmationId } from "#src/kernel/Ids.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import * as Variables from "#src/kernel/Variables.ts"
import { CommandRefused } from "../CommandRefused.ts"
import * as Called from "../Called.ts"
import * as Page from "../Page.ts"
import type { Environment } from "../SettingsSource.ts"
import * as LineDiff from "./LineDiff.ts"
import * as Question from "./Question.ts"
import type { Service } from "./Remote.ts"
import * as Waiting from "./Waiting.ts"
import * as WorkspaceFile from "./WorkspaceFile.ts"

export interface Listing {
  readonly json: boolean
  /** Those that were decided, too. */
  readonly all: boolean
}

export const list = Effect.fnUntraced(function* (service: Service, { all, json }: Listing) {
  const found = yield* Effect.forEach(all ? ConfirmationStatus.literals : [undefined], (status) =>
    Waiting.found(service, status)
  )
  const items = found
    .flatMap((one) => one.items)
    .toSorted((one, other) => Date.parse(one.createdAt) - Date.parse(other.createdAt))
  const more = found.some((one) => one.more)
  const halt: Waiting.Halt = yield* service.client.halt.get()
  if (json) return yield* Console.log(JSON.stringify({ halted: halt.halted, items, more }))
  const look = yield* Page.look
  const nowMillis = yield* Clock.currentTimeMillis
  const stopped = Waiting.stoppedBy(halt)
  yield* Console.log(
    [
      ...(stopped === null ? [] : [Page.mark(look, "red", Page.indented(look, stopped, "")), ""]),
      ...(items.length === 0 ? [all ? "Nothing was asked." : "Nothing waits for you."] : []),
      ...Question.lines(items, nowMillis),
      ...(more ? ["and older ones, which are not shown"] : []),
      ...(look.live && items.some(({ status }) => status === "Pending")
        ? ["", Page.mark(look, "dim", yield* Called.typed(next))]
        : [])
    ].join("\n")
  )
})

export const show = Effect.fnUntraced(function* (
  { client, url }: Service,
  id: string,
  { json, workspaceFolder }: { readonly json: boolean; readonly workspaceFolder: string }
) {
  const found = yield* client.confirmations.get({ params: { confirmationId: yield* idOf(id) }, query: {} })
  if (json) return yield* Console.log(JSON.stringify(found))
  const look = yield* Page.look
  const before = yield* WorkspaceFile.before({ url, workspaceFolder }, found)
  const nowMillis = yield* Clock.currentTimeMillis
  yield* Console.log(`${Page.mark(look, "bold", found.status)}\n${Question.page(look, found, before, nowMillis)}`)
})

export interface Approval {
  readonly json: boolean
  /** JSON to run instead, as typed; null for the arguments as they stand. */
  readonly arguments: string | null
  /** In an editor. */
  readonly edit: boolean
}

export const approve = Effect.fnUntraced(function* (
  { client }: Service,
  id: string,
  approval: Approval,
  environment: Environment
) {
  const confirmationId = yield* idOf(id)
  const typed = approval.arguments === null ? null : yield* parsed(approval.arguments, "--arguments")
  const seen = approval.edit ? yield* inEditor(client, confirmationId, environment) : null
  const edited = seen === null ? typed : seen.value
  const { body } = yield* approved(client, confirmationId, seen?.digest, edited === null ? {} : { arguments: edited })
  if (approval.json) return yield* Console.log(JSON.stringify(body))
  const missing = body.approvalsMissing
  yield* Console.log(
    missing > 0
      ? `Approved by you; ${Page.count(missing, "more person", "more people")} must approve too.`
      : `Approved: ${Page.visible(body.tool)} may run, once.`
  )
})

/**
 * Approves, where a person saw the arguments, only those: of two people the first may have changed them meanwhile. What
 * changes between this look and the approval is not seen.
 */
export const approved = Effect.fnUntraced(function* (
  client: Service["client"],
  confirmationId: ConfirmationId,
  digest: string | undefined,
  payload: { readonly arguments?: Json }
) {
  const params = { confirmationId }
  if (digest !== undefined && (yield* client.confirmations.get({ params, query: {} })).digest !== digest) {
    return yield* refused("Conflict", "Not approved: somebody has just changed the arguments.", 1)
  }
  return yield* client.confirmations.approve({ params, headers: Client.fresh(), payload })
})

export const deny = Effect.fnUntraced(function* (
  { client }: Service,
  id: string,
  { json, reason }: { readonly json: boolean; readonly reason: string }
) {
  const { body } = yield* client.confirmations.deny({
    params: { confirmationId: yield* idOf(id) },
    headers: Client.fresh(),
    payload: { reason }
  })
  yield* Console.log(json ? JSON.stringify(body) : `Denied: ${Page.visible(body.tool)} does not run.`)
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const next = "Next: keelson confirmations show ID | approve ID | deny ID --reason TEXT"

const refused = (code: string, detail: string, exitCode: 1 | 2 = 2) =>
  new CommandRefused({ code, detail, remedy: null, exitCode })

export const idOf = (text: string) =>
  ConfirmationId.makeOption(text)._tag === "Some"
    ? Effect.succeed(ConfirmationId.make(text))
    : Effect.fail(
        refused("IdWrong", "A confirmation's id is cfm_ and 26 letters and digits; see keelson confirmations.")
      )

const parsed = (text: string, where: string): Effect.Effect<Json, CommandRefused> =>
  Effect.try({
    try: () => JSON.parse(text) as Json,
    catch: () => refused("InputWrong", `${where} is not JSON.`)
  })

/**
 * The arguments as a person leaves them in their editor, null where they are as they were, and the digest of what they
 * saw. On a terminal they see the
 * change and say yes once more, also to no change: who left the editor without a word may have thought better of it.
 */
const inEditor = Effect.fnUntraced(function* (
  client: Service["client"],
  confirmationId: ConfirmationId,
  environment: Environment
) {
  const editor = Variables.given(environment, "VISUAL") ?? Variables.given(environment, "EDITOR")
  if (editor === null) {
    return yield* refused("EditorMissing", "--edit opens $VISUAL or $EDITOR, and neither is set.")
  }
  const question = yield* client.confirmations.get({ params: { confirmationId }, query: {} })
  if (question.status !== "Pending") {
    return yield* refused("Conflict", `Somebody or something else was first: it is ${question.status}.`, 1)
  }
  const before = `${JSON.stringify(question.arguments, null, 2)}\n`
  const terminal = yield* (yield* Stdio.Stdio).stdinIsTerminal
  let text = yield* edited(editor, before)
  let read = Result.try(() => JSON.parse(text) as Json)
  for (let times = 1; Result.isFailure(read) && terminal && times < editsMax; times++) {
    if (!(yield* saysYes("That is not JSON. Edit it again?", true))) break
    text = yield* edited(editor, text)
    read = Result.try(() => JSON.parse(text) as Json)
  }
  if (Result.isFailure(read)) return yield* refused("InputWrong", "What you left in the editor is not JSON.")
  const value = JSON.stringify(read.success) === JSON.stringify(question.arguments) ? null : read.success
  const seen = { value, digest: question.digest }
  if (!terminal) return seen
  const look = yield* Page.look
  const changes = LineDiff.changes(before, `${JSON.stringify(read.success, null, 2)}\n`).flatMap(([sign, line]) =>
    Page.chopped(Page.visible(line), look.width - 4).map((piece) => `  ${sign} ${piece}`)
  )
  const title = value === null ? "You changed nothing." : "You changed:"
  yield* Console.log([Page.mark(look, "bold", title), ...changes].join("\n"))
  const yes = yield* saysYes(value === null ? "Approve it as it stands?" : "Approve exactly this?", false)
  return yes ? seen : yield* refused("NotApproved", "Nothing was decided.", 1)
})

/** Times that an editor opens for one decision. */
const editsMax = 10

const saysYes = (message: string, initial: boolean) =>
  Effect.orElseSucceed(Prompt.run(Prompt.Confirm({ message, initial })), () => false)

const edited = (editor: string, text: string): Effect.Effect<string, CommandRefused> =>
  // What is sealed in the journal stays in no folder, however this ends.
  Effect.acquireUseRelease(
    Effect.tryPromise(() => mkdtemp(join(tmpdir(), "keelson-edit-"))),
    (folder) =>
      Effect.tryPromise(async (signal) => {
        const file = join(folder, "arguments.json")
        await writeFile(file, text, { mode: 0o600 })
        // As git does: the variable may hold flags, so a shell reads it; the file is an argument of its own.
        const child = spawn("/bin/sh", ["-c", `${editor} "$@"`, editor, file], { stdio: "inherit", signal })
        const [code] = (await once(child, "close")) as [number | null]
        if (code !== 0) throw new Error(`the editor ended with ${String(code)}`)
        return await readFile(file, "utf8")
      }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  ).pipe(Effect.mapError(() => refused("EditorFailed", "The editor did not end well; nothing was decided.", 1)))
