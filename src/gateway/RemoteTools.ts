/**
 * What agents that run tools elsewhere ask of the gateway: declare, claim, give signs of life, report. And what a
 * person says where nobody reported.
 *
 * Owns these commands' way to their actors. The permit is spent by the claim; what runs elsewhere gets the very text
 * that was digested and shown, and no more than that.
 */
import * as Effect from "effect/Effect"
import * as Canonical from "../kernel/Canonical.ts"
import { type ActionId, ClaimId, IncarnationId } from "../kernel/Ids.ts"
import * as Bounds from "../kernel/Bounds.ts"
import { Digest } from "../ports/Digest.ts"
import type { Principal } from "../ports/Identity.ts"
import { ToolCatalog } from "../ports/ToolExecutor.ts"
import * as Authority from "./Authority.ts"
import { ActionAnswer, type ActionCommand, type Gateway, ToolAnswer, type ToolCommand } from "./Protocol.ts"
import * as Questions from "./Questions.ts"
import * as Sending from "./Sending.ts"

type RemoteTools = Pick<
  Gateway["Service"],
  "declareTool" | "withdrawTool" | "claim" | "renewLease" | "reportOutcome" | "reconcile"
>

export const make = Effect.gen(function* () {
  const digest = yield* Digest
  const catalog = yield* ToolCatalog
  const questions = yield* Questions.make
  const { permit, refuse, send, unreadable } = yield* Sending.make

  const declareTool: RemoteTools["declareTool"] = Effect.fnUntraced(function* (by, key, input) {
    const executorId = input.executorId ?? by.actor.id
    if (!Authority.may(by.actor, by.roles, "tool.declare", { ownerId: executorId })) {
      return yield* refuse({
        _tag: "Forbidden",
        detail: "an agent declares what it runs itself; an operator for others"
      })
    }
    const { description, inputSchema, name } = input
    // A name keeps its definition for ever: one that nobody could run would be lost.
    const executor =
      input.executorId === undefined ? by.actor : yield* Effect.catch(questions.principal(executorId), unreadable)
    if (executor !== null && executor.kind !== "AGENT") {
      const detail = "an agent runs it: name one as executorId"
      return yield* refuse({ _tag: "ToolUnusable", tool: name, detail })
    }
    const fault = yield* catalog.admits(name, inputSchema as Canonical.Json)
    if (fault !== null) return yield* refuse({ _tag: "ToolUnusable", tool: name, detail: fault })
    const definition = {
      name,
      description,
      inputSchemaText: Canonical.encode(inputSchema as Canonical.Json),
      idempotent: input.idempotent ?? false,
      executorId,
      leaseMillis: input.leaseMillis ?? Bounds.remoteLeaseMillis,
      runMillisMax: input.runMillisMax ?? Bounds.remoteRunMillis
    }
    const hash = digest.sha256(Canonical.encode(definition))
    const command: ToolCommand = { _tag: "DeclareTool", ...definition, hash }
    return yield* send(by, key, { kind: "tool", id: name }, command, { ...input } as Canonical.Json, ToolAnswer)
  })

  const withdrawTool: RemoteTools["withdrawTool"] = Effect.fnUntraced(function* (by, key, name) {
    const row = yield* Effect.catch(questions.tool(name), unreadable)
    const subject = row === null ? null : { ownerId: row.executorId }
    yield* permit(by, "tool.declare", "tool.declare", { kind: "tool", id: name }, subject)
    return yield* send(by, key, { kind: "tool", id: name }, { _tag: "WithdrawTool" }, null, ToolAnswer)
  })

  const onAction = Effect.fnUntraced(function* (
    by: Principal,
    key: string,
    id: ActionId,
    deed: Authority.Deed,
    command: ActionCommand,
    said: Canonical.Json
  ) {
    const row = yield* Effect.catch(questions.action(id), unreadable)
    yield* permit(by, deed, "action.read", { kind: "action", id }, row)
    if (command._tag === "ReportOutcome" && Canonical.encode(command.output).length > Bounds.resultTextMax) {
      const detail = `an output may hold ${Bounds.resultTextMax} characters`
      return yield* refuse({ _tag: "ArgumentsInvalid", tool: row?.tool ?? "", detail })
    }
    return yield* send(by, key, { kind: "action", id }, command, said, ActionAnswer)
  })

  const reportOutcome: RemoteTools["reportOutcome"] = Effect.fnUntraced(function* (by, key, id, input) {
    const { claimId, code = null, outcome, output = null } = input
    const said = [claimId, outcome, code, output as Canonical.Json]
    const command: ActionCommand = { _tag: "ReportOutcome", claimId, outcome, code, output }
    return yield* onAction(by, key, id, "action.execute", command, said)
  })

  const remoteTools: RemoteTools = {
    declareTool,
    withdrawTool,
    // One claim per key: repeated after a lost answer, it is the same one.
    claim: (by, key, id) =>
      onAction(
        by,
        key,
        id,
        "action.execute",
        {
          _tag: "Claim",
          claimId: ClaimId.make(digest.derive("clm", id, by.actor.id, key)),
          incarnation: IncarnationId.make(digest.derive("inc", by.actor.id, key))
        },
        id
      ),
    renewLease: (by, key, id, claimId) =>
      onAction(by, key, id, "action.execute", { _tag: "RenewLease", claimId }, claimId),
    reportOutcome,
    reconcile: (by, key, id, { note, outcome }) =>
      onAction(by, key, id, "action.reconcile", { _tag: "Reconcile", roles: by.roles, outcome, note }, [outcome, note])
  }
  return remoteTools
})
