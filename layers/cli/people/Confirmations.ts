/** `keelson confirmations`, `approve` and `deny`: what waits for people, and their word. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import * as Stdio from "effect/Stdio"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Client from "#layers/client/Client.ts"
import { ConfirmationId } from "#src/kernel/Ids.ts"
import type { Json } from "#src/kernel/Canonical.ts"
import { CommandRefused } from "../CommandRefused.ts"
import * as Page from "../Page.ts"
import type { Environment } from "../SettingsSource.ts"
import * as Question from "./Question.ts"
import type { Service } from "./Remote.ts"
import * as WorkspaceFile from "./WorkspaceFile.ts"

export const list = Effect.fnUntraced(function* ({ client }: Service, { json }: { readonly json: boolean }) {
  const items: Array<Question.Question> = []
  let after: string | null = null
  do {
    const page: { readonly items: ReadonlyArray<Question.Question>; readonly next: string | null } =
      yield* client.confirmations.list({ query: after === null ? {} : { after } })
    items.push(...page.items)
    after = page.next
  } while (after !== null && items.length < listedMax)
  const halt = yield* client.halt.get()
  if (json) return yield* Console.log(JSON.stringify({ halted: halt.halted, items, more: after !== null }))
  const nowMillis = yield* Clock.currentTimeMillis
  const oldestFirst = items.toReversed()
  yield* Console.log(
    [
      ...(halt.halted ? [halted, ""] : []),
      ...(items.length === 0 ? ["Nothing waits for you."] : oldestFirst.map((item) => Question.line(item, nowMillis))),
      ...(after === null ? [] : [`and more: the newest ${items.length} are shown`])
    ].join("\n")
  )
})

export const show = Effect.fnUntraced(function* (
  { client }: Service,
  id: string,
  { json, workspaceFolder }: { readonly json: boolean; readonly workspaceFolder: string }
) {
  const found = yield* client.confirmations.get({ params: { confirmationId: yield* idOf(id) }, query: {} })
  if (json) return yield* Console.log(JSON.stringify(found))
  const look = yield* Page.look
  const before = yield* WorkspaceFile.before(workspaceFolder, found)
  const nowMillis = yield* Clock.currentTimeMillis
  yield* Console.log(`${Page.mark(look, "bold", found.status)}\n${Question.page(look, found, { nowMillis, before })}`)
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
  const edited = approval.edit ? yield* inEditor(client, confirmationId, environment) : typed
  const { body } = yield* client.confirmations.approve({
    params: { confirmationId },
    headers: Client.fresh(),
    payload: edited === null ? {} : { arguments: edited }
  })
  if (approval.json) return yield* Console.log(JSON.stringify(body))
  const missing = body.approvalsMissing
  yield* Console.log(
    missing > 0
      ? `Approved by you; ${Page.count(missing, "more person", "more people")} must approve too.`
      : `Approved: ${Page.visible(body.tool)} may run, once.`
  )
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

export const halted = "Everything is stopped by a person. What is approved runs after keelson resume."

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Questions that one list shows. */
const listedMax = 1_000

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

/** The arguments as a person leaves them in their editor; on a terminal they see the change and say yes once more. */
const inEditor = Effect.fnUntraced(function* (
  client: Service["client"],
  confirmationId: ConfirmationId,
  environment: Environment
) {
  const editor = environment["VISUAL"] || environment["EDITOR"]
  if (editor === undefined || editor === "") {
    return yield* refused("EditorMissing", "--edit opens $VISUAL or $EDITOR, and neither is set.")
  }
  const question = yield* client.confirmations.get({ params: { confirmationId }, query: {} })
  const before = `${JSON.stringify(question.arguments, null, 2)}\n`
  const after = yield* edited(editor, before)
  const value = yield* parsed(after, "What you left in the editor")
  if (JSON.stringify(value) === JSON.stringify(question.arguments)) return null
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stdinIsTerminal)) return value
  const look = yield* Page.look
  const changes = Question.changes(before, after).map(([sign, line]) => `  ${sign} ${Page.visible(line)}`)
  yield* Console.log([Page.mark(look, "bold", "You changed:"), ...changes].join("\n"))
  const yes = yield* Effect.orElseSucceed(
    Prompt.run(Prompt.Confirm({ message: "Approve exactly this?", initial: false })),
    () => false
  )
  return yes ? value : yield* refused("NotApproved", "Nothing was decided.", 1)
})

const edited = (editor: string, text: string): Effect.Effect<string, CommandRefused> =>
  Effect.tryPromise({
    try: async () => {
      const folder = await mkdtemp(join(tmpdir(), "keelson-edit-"))
      try {
        const file = join(folder, "arguments.json")
        await writeFile(file, text, { mode: 0o600 })
        // As git does: the variable may hold flags, so a shell reads it; the file is an argument of its own.
        const child = spawn("/bin/sh", ["-c", `${editor} "$@"`, editor, file], { stdio: "inherit" })
        const [code] = (await once(child, "close")) as [number | null]
        if (code !== 0) throw new Error(`the editor ended with ${String(code)}`)
        return await readFile(file, "utf8")
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
    catch: () => refused("EditorFailed", "The editor did not end well; nothing was decided.", 1)
  })
