/**
 * What whoever runs the service asks of the gateway: let people and agents in and out, stop and resume everything.
 *
 * Owns these commands' way to their actors. A new key's token is made here, told with the first answer, and kept
 * nowhere: the command carries its SHA-256.
 */
import * as Effect from "effect/Effect"
import type { Json } from "../kernel/Canonical.ts"
import { KeyId, type PrincipalId } from "../kernel/Ids.ts"
import { Digest } from "../ports/Digest.ts"
import { HaltSwitch } from "../ports/HaltSwitch.ts"
import { type Principal, Tokens } from "../ports/Identity.ts"
import * as Authority from "./Authority.ts"
import {
  type Gateway,
  HaltAnswer,
  type HaltCommand,
  type Issued,
  PrincipalAnswer,
  type PrincipalCommand
} from "./Protocol.ts"
import * as Questions from "./Questions.ts"
import * as Rows from "./Rows.ts"
import * as Sending from "./Sending.ts"

type Operators = Pick<
  Gateway["Service"],
  | "createPrincipal"
  | "issueKey"
  | "revokeKey"
  | "changeRoles"
  | "disablePrincipal"
  | "enablePrincipal"
  | "halt"
  | "resume"
>

export const make = Effect.gen(function* () {
  const digest = yield* Digest
  const tokens = yield* Tokens
  const haltSwitch = yield* HaltSwitch
  const questions = yield* Questions.make
  const { permit, refuse, send, unreadable } = yield* Sending.make

  /** Changes a principal that the caller may change so. */
  const onPrincipal = Effect.fnUntraced(function* (
    by: Principal,
    key: string,
    id: PrincipalId,
    deed: Authority.Deed,
    command: PrincipalCommand,
    said: Json
  ) {
    const row = yield* Effect.catch(questions.principal(id), unreadable)
    yield* permit(by, deed, "principal.read", { kind: "principal", id }, row === null ? null : { ownerId: id })
    return yield* send(by, key, { kind: "principal", id }, command, said, PrincipalAnswer)
  })

  const keyIdFor = (by: Principal, key: string) => KeyId.make(digest.derive("key", by.actor.id, key))

  const createPrincipal: Operators["createPrincipal"] = Effect.fnUntraced(function* (by, key, input) {
    if (!Authority.may(by.actor, by.roles, "principal.create", { ownerId: by.actor.id })) {
      return yield* refuse({ _tag: "Forbidden", detail: "only an operator lets people and agents in" })
    }
    const { digest, token } = yield* tokens.mint
    const roles = input.roles ?? (input.kind === "AGENT" ? ["agent"] : [])
    const { kind, principalId } = input
    const command: PrincipalCommand = {
      _tag: "CreatePrincipal",
      principalId,
      kind,
      roles,
      keyId: keyIdFor(by, key),
      digest
    }
    const said = { principalId, kind, roles: input.roles ?? null }
    const answered = yield* send(by, key, { kind: "principal", id: principalId }, command, said, PrincipalAnswer)
    return issued(answered, token)
  })

  const issueKey: Operators["issueKey"] = Effect.fnUntraced(function* (by, key, id, replace) {
    const { digest, token } = yield* tokens.mint
    const command: PrincipalCommand = { _tag: "IssueKey", keyId: keyIdFor(by, key), digest, replace }
    return issued(yield* onPrincipal(by, key, id, "principal.key", command, replace), token)
  })

  const operate = Effect.fnUntraced(function* (by: Principal, key: string, command: HaltCommand, said: Json) {
    if (!Authority.may(by.actor, by.roles, "service.halt", { ownerId: by.actor.id })) {
      return yield* refuse({ _tag: "Forbidden", detail: "only an operator halts and resumes" })
    }
    const sent = yield* Effect.exit(send(by, key, { kind: Rows.halt, id: Rows.haltKey }, command, said, HaltAnswer))
    // Whatever became of it: this process does what the journal says before it answers.
    yield* Effect.catch(haltSwitch.settle(questions.halt), unreadable)
    return yield* sent
  })

  const operators: Operators = {
    createPrincipal,
    issueKey,
    revokeKey: (by, key, id, keyId) => onPrincipal(by, key, id, "principal.key", { _tag: "RevokeKey", keyId }, keyId),
    changeRoles: (by, key, id, roles) =>
      onPrincipal(by, key, id, "principal.change", { _tag: "ChangeRoles", roles }, [...roles]),
    disablePrincipal: (by, key, id) => onPrincipal(by, key, id, "principal.change", { _tag: "DisablePrincipal" }, null),
    enablePrincipal: (by, key, id) => onPrincipal(by, key, id, "principal.change", { _tag: "EnablePrincipal" }, null),
    halt: (by, key, { reason, cancelRunning = false }) =>
      operate(by, key, { _tag: "Halt", reason, cancelRunning }, [reason, cancelRunning]),
    resume: (by, key, reason) => operate(by, key, { _tag: "Resume", reason }, reason)
  }
  return operators
})

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const issued = (answered: Omit<Issued, "token">, token: NonNullable<Issued["token"]>): Issued => ({
  ...answered,
  token: answered.repeated ? null : token
})
