/** `keelson principal`, `halt` and `resume`: who may come in, and the word that stops everything. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stdio from "effect/Stdio"
import * as Client from "#layers/client/Client.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { KeyId, PrincipalId } from "#src/kernel/Ids.ts"
import { CommandRefused } from "../CommandRefused.ts"
import * as Called from "../Called.ts"
import * as Page from "../Page.ts"
import type { Service } from "./Remote.ts"
import * as Waiting from "./Waiting.ts"

interface Output {
  readonly json: boolean
}

/** As the API shows a principal. */
interface Shown {
  readonly principalId: string
  readonly kind: string
  readonly roles: ReadonlyArray<string>
  readonly status: string
  readonly createdAt: string
  readonly keys: ReadonlyArray<{ readonly keyId: string; readonly createdAt: string }>
}

export const create = Effect.fnUntraced(function* (
  { client }: Service,
  name: string,
  { json, kind, roles }: Output & { readonly kind: "human" | "agent"; readonly roles: ReadonlyArray<string> }
) {
  const { body } = yield* client.principals
    .create({
      headers: Client.fresh(),
      payload: {
        principalId: yield* nameOf(name),
        kind: kind === "human" ? "HUMAN" : "AGENT",
        ...(roles.length === 0 ? {} : { roles })
      }
    })
    .pipe(Effect.mapError((error) => (isConflict(error) ? taken(name, error.state) : error)))
  yield* issued(body, json)
})

export const rotate = Effect.fnUntraced(function* ({ client }: Service, name: string, { json }: Output) {
  const { body } = yield* client.principals.issueKey({
    params: { principalId: yield* nameOf(name) },
    headers: Client.fresh(),
    payload: { replace: true }
  })
  yield* issued(body, json)
})

export const list = Effect.fnUntraced(function* ({ client }: Service, { json }: Output) {
  const items: Array<Shown> = []
  let after: string | null = null
  do {
    const page: { readonly items: ReadonlyArray<Shown>; readonly next: string | null } = yield* client.principals.list({
      query: after === null ? {} : { after }
    })
    items.push(...page.items)
    after = page.next
  } while (after !== null && items.length < Bounds.principalsMax)
  if (json) return yield* Console.log(JSON.stringify({ items }))
  yield* Console.log(
    items.length === 0
      ? yield* Called.typed("Nobody but the owner. Let somebody in: keelson principal create NAME --kind human")
      : Page.columns([
          ["NAME", "KIND", "ROLES", "KEYS", "STATUS"],
          ...items
            .toReversed()
            .map(({ kind, keys, principalId, roles, status }) => [
              principalId,
              kindOf(kind),
              roles.join(",") || "none",
              String(keys.length),
              status
            ])
        ]).join("\n")
  )
})

export const show = Effect.fnUntraced(function* ({ client }: Service, name: string, { json }: Output) {
  yield* told(yield* client.principals.get({ params: { principalId: yield* nameOf(name) } }), json)
})

export const revoke = Effect.fnUntraced(function* ({ client }: Service, name: string, key: string, { json }: Output) {
  if (KeyId.makeOption(key)._tag === "None") {
    return yield* wrong("KeyWrong", "A key's id is key_ and 26 letters and digits; see keelson principal show.")
  }
  const params = { principalId: yield* nameOf(name), keyId: KeyId.make(key) }
  const { body } = yield* client.principals.revokeKey({ params, headers: Client.fresh(), payload: {} })
  yield* told(body, json)
})

export const roles = Effect.fnUntraced(function* (
  { client }: Service,
  name: string,
  given: ReadonlyArray<string>,
  { json }: Output
) {
  const { body } = yield* client.principals.changeRoles({
    params: { principalId: yield* nameOf(name) },
    headers: Client.fresh(),
    payload: { roles: given }
  })
  yield* told(body, json)
})

export const disable = Effect.fnUntraced(function* ({ client }: Service, name: string, { json }: Output) {
  const params = { principalId: yield* nameOf(name) }
  yield* told((yield* client.principals.disable({ params, headers: Client.fresh(), payload: {} })).body, json)
})

export const enable = Effect.fnUntraced(function* ({ client }: Service, name: string, { json }: Output) {
  const params = { principalId: yield* nameOf(name) }
  yield* told((yield* client.principals.enable({ params, headers: Client.fresh(), payload: {} })).body, json)
})

export const halt = Effect.fnUntraced(function* (
  { client }: Service,
  { cancelRunning, json, reason }: Output & { readonly reason: string; readonly cancelRunning: boolean }
) {
  const before = yield* client.halt.get()
  const { body } = yield* client.halt.halt({ headers: Client.fresh(), payload: { reason, cancelRunning } })
  if (json) return yield* Console.log(JSON.stringify(body))
  const was = Waiting.stoppedBy(before)
  if (was !== null) {
    yield* Console.log(
      `${Page.indented(yield* Page.look, `It was stopped already. ${was}`, "")}\nThe reason is yours now.`
    )
  }
  yield* Console.log(
    `Stopped: no tool starts${cancelRunning ? ", and what ran was stopped" : "; what runs may finish"}. ` +
      (yield* Called.typed("Let it go on: keelson resume"))
  )
})

export const haltState = Effect.fnUntraced(function* ({ client }: Service, { json }: Output) {
  const state = yield* client.halt.get()
  if (json) return yield* Console.log(JSON.stringify(state))
  if (!state.halted) return yield* Console.log("Nothing is stopped.")
  const stopped = Page.indented(yield* Page.look, Waiting.stoppedBy(state) ?? "", "")
  yield* Console.log(`${stopped}\nSince ${state.since ?? "?"}.`)
})

export const resume = Effect.fnUntraced(function* (
  { client }: Service,
  { json, reason }: Output & { readonly reason: string | null }
) {
  const { body } = yield* client.halt.resume({
    headers: Client.fresh(),
    payload: reason === null ? {} : { reason }
  })
  yield* Console.log(json ? JSON.stringify(body) : "It goes on: what is approved and in time runs.")
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const wrong = (code: string, detail: string) => new CommandRefused({ code, detail, remedy: null, exitCode: 2 })

const nameOf = (name: string) =>
  PrincipalId.makeOption(name)._tag === "Some"
    ? Effect.succeed(PrincipalId.make(name))
    : Effect.fail(wrong("NameWrong", "A name is 1 to 64 letters, digits and _ . -, beginning with a letter or digit."))

const isConflict = (error: unknown): error is { readonly state: unknown } =>
  Predicate.hasProperty(error, "code") && error.code === "Conflict" && Predicate.hasProperty(error, "state")

const taken = (name: string, state: unknown) =>
  new CommandRefused({
    code: "Conflict",
    detail: `There is a principal ${name} already: it is ${String(state)}.`,
    remedy: `See it with keelson principal show ${name}; a new key for it: keelson principal rotate ${name}.`,
    exitCode: 1
  })

const kindOf = (kind: string): string => (kind === "HUMAN" ? "person" : "agent")

const told = Effect.fnUntraced(function* (principal: Shown, json: boolean) {
  if (json) return yield* Console.log(JSON.stringify(principal))
  const { createdAt, keys, kind, principalId, roles, status } = principal
  yield* Console.log(
    Page.rows(yield* Page.look, [
      ["name", principalId],
      ["kind", kindOf(kind)],
      ["roles", Page.listed(roles) || "none"],
      ["status", status],
      ["since", createdAt],
      ...keys.map(({ createdAt, keyId }) => ["key", `${keyId}, made ${createdAt}`] as const)
    ])
  )
})

/** The token alone on standard output where that is no terminal, so that it can be piped; the sentence beside it. */
const issued = Effect.fnUntraced(function* (
  made: Shown & { readonly token: string | null; readonly keyId: string | null },
  json: boolean
) {
  if (json) return yield* Console.log(JSON.stringify(made))
  if (made.token === null) {
    return yield* new CommandRefused({
      code: "TokenLost",
      detail: "The key was made, but its token was lost on the way.",
      remedy: `Run: keelson principal rotate ${made.principalId}`,
      exitCode: 1
    })
  }
  const stdio = yield* Stdio.Stdio
  const sentence = `The token of ${kindOf(made.kind)} ${made.principalId} is shown this once and kept nowhere:`
  if (yield* stdio.stdoutIsTerminal) return yield* Console.log(`${sentence}\n\n  ${made.token}\n`)
  yield* Console.error(sentence)
  yield* Console.log(made.token)
})
