/** `keelson actions`: what was proposed, what became of it, and a person's word where nobody knows. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Client from "#layers/client/Client.ts"
import type { ActionStatus } from "#src/gateway/Protocol.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { ActionId, SessionId } from "#src/kernel/Ids.ts"
import { CommandRefused } from "../CommandRefused.ts"
import * as Called from "../Called.ts"
import * as Page from "../Page.ts"
import type { Service } from "./Remote.ts"

export interface Listing {
  readonly json: boolean
  readonly status: ActionStatus | null
  /** A session's id as typed; null for all that one may see. */
  readonly session: string | null
}

/** As the API shows an action. */
interface Shown {
  readonly actionId: string
  readonly sessionId: string
  readonly tool: string
  readonly status: string
  readonly argumentsText: unknown
  readonly proposer: Who
  readonly why: unknown
  readonly policies: ReadonlyArray<string>
  readonly approvals: ReadonlyArray<Who>
  readonly decidedBy: Who | null
  readonly edited: boolean
  readonly createdAt: string
  readonly deadlineAt: string | null
  readonly code: string | null
  readonly output: unknown
}

interface Who {
  readonly kind: string
  readonly id: string
}

export const list = Effect.fnUntraced(function* ({ client }: Service, { json, session, status }: Listing) {
  const sessionId = session === null ? null : yield* sessionOf(session)
  const items: Array<Shown> = []
  let after: string | null = null
  do {
    const page: { readonly items: ReadonlyArray<Shown>; readonly next: string | null } = yield* client.actions.list({
      query: {
        limit: Bounds.pageMax,
        ...(status === null ? {} : { status }),
        ...(sessionId === null ? {} : { sessionId }),
        ...(after === null ? {} : { after })
      }
    })
    items.push(...page.items)
    after = page.next
  } while (after !== null && items.length < listedMax)
  if (json) return yield* Console.log(JSON.stringify({ items, more: after !== null }))
  const cells = items.map(({ actionId, createdAt, proposer, status: at, tool }) => [
    actionId,
    Page.oneLine(tool),
    Page.oneLine(nameOf(proposer)),
    at,
    createdAt.slice(0, 19).replace("T", " ")
  ])
  yield* Console.log(
    [
      ...(items.length === 0
        ? [`No action${status === null ? "" : ` is ${status}`}.`]
        : Page.columns([heads, ...cells])),
      ...(after === null ? [] : ["and older ones, which are not shown"])
    ].join("\n")
  )
})

export const show = Effect.fnUntraced(function* (
  { client }: Service,
  id: string,
  { json }: { readonly json: boolean }
) {
  const found: Shown = yield* client.actions.get({ params: { actionId: yield* idOf(id) }, query: {} })
  if (json) return yield* Console.log(JSON.stringify(found))
  const look = yield* Page.look
  const { approvals, code, createdAt, deadlineAt, decidedBy, edited, policies, proposer, status, tool, why } = found
  const entries: ReadonlyArray<readonly [string, string]> = [
    ["tool", `${tool}${edited ? ", with arguments that a person changed" : ""}`],
    ["asked by", nameOf(proposer)],
    ["exactly", typeof found.argumentsText === "string" ? found.argumentsText : forgotten],
    typeof why === "string" ? ["why", why] : ["policy", Page.listed(policies) || "none"],
    ...(approvals.length === 0 ? [] : [["agreed", Page.listed(approvals.map(nameOf))] as const]),
    ...(decidedBy === null ? [] : [["decided by", nameOf(decidedBy)] as const]),
    ["since", createdAt],
    ...(deadlineAt === null ? [] : [["until", deadlineAt] as const]),
    ...(code === null ? [] : [["code", code] as const]),
    ...(found.output === null
      ? []
      : [["gave", isForgotten(found.output) ? forgotten : JSON.stringify(found.output)] as const]),
    ["session", found.sessionId],
    ["id", found.actionId]
  ]
  const rows = Page.rows(
    look,
    entries.map(([label, text]) => [label, Page.oneLine(text), true])
  )
  const next =
    status === "Unknown" ? `\n\n${Page.indented(look, yield* Called.typed(unknown(found.actionId)), "")}` : ""
  yield* Console.log(`${Page.mark(look, "bold", status)}\n${rows}${next}`)
})

export const reconcile = Effect.fnUntraced(function* (
  { client }: Service,
  id: string,
  {
    json,
    outcome,
    reason
  }: { readonly json: boolean; readonly outcome: "executed" | "failed"; readonly reason: string }
) {
  const { body } = yield* client.actions.reconcile({
    params: { actionId: yield* idOf(id) },
    headers: Client.fresh(),
    payload: { outcome: outcome === "executed" ? "Executed" : "Failed", note: reason }
  })
  yield* Console.log(
    json ? JSON.stringify(body) : `Settled: ${Page.visible(body.tool)} is ${body.status}, by your word.`
  )
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Actions that one look takes. */
const listedMax = 1_000

const heads = ["ID", "TOOL", "ASKED BY", "STATUS", "SINCE (UTC)"]

const forgotten = "the words were forgotten"

const isForgotten = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "redacted" in value && value.redacted === true

const nameOf = ({ id, kind }: Who): string =>
  kind === "SYSTEM" ? "the service" : `${kind === "AGENT" ? "agent" : "person"} ${id}`

const unknown = (id: string): string =>
  "It was claimed, and nobody said what became of it. Look at what it would have changed, then say so: " +
  `keelson actions reconcile ${id} --outcome executed|failed --reason TEXT`

const wrong = (detail: string) => new CommandRefused({ code: "IdWrong", detail, remedy: null, exitCode: 2 })

const idOf = (text: string) =>
  ActionId.makeOption(text)._tag === "Some"
    ? Effect.succeed(ActionId.make(text))
    : Effect.fail(wrong("An action's id is act_ and 26 letters and digits; see keelson actions."))

const sessionOf = (text: string) =>
  SessionId.makeOption(text)._tag === "Some"
    ? Effect.succeed(SessionId.make(text))
    : Effect.fail(wrong("A session's id is ses_ and 26 letters and digits."))
