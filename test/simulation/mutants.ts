/**
 * Programs that are wrong on purpose, each by one change of one file, made while the file is loaded: a build of their
 * own that stands nowhere on disk and in no line of the service.
 *
 * A check that no mutant can make red checks nothing.
 *
 * Invariant: a change that does not fit its file exactly once is an error, so a mutant never runs unchanged unnoticed.
 */
import { registerHooks } from "node:module"
import { pathToFileURL } from "node:url"
import { resolve } from "node:path"

export interface Mutant {
  readonly about: string
  /** From the project's root. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export const mutants: { readonly [name: string]: Mutant } = {
  "acknowledge-before-commit": {
    about: "the mailbox answers before it hands the append over",
    file: "layers/actors/Rounds.ts",
    find: `    Effect.withSpan(world.store.append(committing.map(({ step }) => step.append)), "EventStore.append", {`,
    replace: `    (committing.forEach(({ letter, step }) => Deferred.doneUnsafe(letter.reply, Effect.succeed(step.reply))), Effect).withSpan(world.store.append(committing.map(({ step }) => step.append)), "EventStore.append", {`
  },
  "decide-twice": {
    about: "whoever comes second decides again",
    file: "src/gateway/Confirmation.ts",
    find: `  return statusAt(action, stamp.atMillis) === "Pending" ? null : conflict(action, stamp)`,
    replace: `  return action.confirmationId !== null && action.claimId === null ? null : conflict(action, stamp)`
  },
  "skip-head-check": {
    about: "the journal takes what was decided on an older head",
    file: "layers/event-store/VolatileJournal.ts",
    find: `  if (actual !== append.expectedVersion || hash !== append.expectedHash) {`,
    replace: `  if (hash === "" && (actual !== append.expectedVersion || hash !== append.expectedHash)) {`
  },
  "reuse-permit": {
    about: "a permit that was claimed is claimed again",
    file: "src/gateway/Action.ts",
    find: `  if (state.status !== "Approved" || state.permitId === null) return`,
    replace: `  if ((state.status !== "Approved" && state.status !== "Claimed") || state.permitId === null) return`
  },
  "forget-expiry": {
    about: "nobody says that the time of a question or of a lease is over",
    file: "src/gateway/Rows.ts",
    find: `export const dueKinds = ["session", "turn", "action"] as const`,
    replace: `export const dueKinds = ["session", "turn"] as const`
  },
  "drop-receipt": {
    about: "the journal keeps no receipt",
    file: "layers/event-store/VolatileJournal.ts",
    find: `    journal.receipts.set(receiptName(append.receipt.principal, append.receipt.key), append.receipt)`,
    replace: ``
  },
  "leak-quota": {
    about: "a session that is over counts as open",
    file: "src/gateway/Rows.ts",
    find: `Append.add(sessionsOpen(after.ownerId), -1)`,
    replace: `Append.add(sessionsOpen(after.ownerId), 0)`
  },
  "cache-past-erasure": {
    about: "a process keeps the key of a session that was erased",
    file: "layers/vault/StoreVault.ts",
    find: `        forgotten.add(subject)
        hands.destroy(subject)
        return Cache.invalidate(cache, subject)`,
    replace: `        return Effect.void`
  },
  "approve-late": {
    about: "a question that has expired, but is not yet written down so, is approved",
    file: "src/gateway/Confirmation.ts",
    find: `atMillis >= action.deadlineMillis
    ? "Expired"`,
    replace: `atMillis >= Number.POSITIVE_INFINITY
    ? "Expired"`
  },
  "claim-while-halted": {
    about: "a claim is not held against the halt",
    file: "src/gateway/ActionActor.ts",
    find: `[open(before.sessionId), notHalted]`,
    replace: `[open(before.sessionId)]`
  },
  "start-while-halted": {
    about: "a tool that was claimed before a halt starts after it",
    file: "layers/tool-executor/GuardedToolExecutor.ts",
    find: `    if (haltSwitch.on()) return`,
    replace: `    if (!haltSwitch) return`
  },
  "forget-work": {
    about: "what is permitted while a process is up is not started",
    file: "src/gateway/Dispatcher.ts",
    find: `        if ((payload as Payloads["action.permitted"]).executorId === undefined) {`,
    replace: `        if ((payload as Payloads["action.permitted"]).executorId === null) {`
  },
  "leak-room": {
    about: "a place for work is not given back where the work has ended",
    file: "src/gateway/Lines.ts",
    find: `          take(id, () => true),`,
    replace: `          take(id, ({ came }) => !came),`
  },
  "decide-with-a-dead-key": {
    about: "a command whose session is erased while it is decided crashes its actor: this one was ours, and found here",
    file: "layers/actors/Memory.ts",
    find: `held.key?.destroyed() === true && held.created === null
        ? decide(tools, behaviour, memory, message)
        : Effect.die(defect)`,
    replace: `Effect.die(defect)`
  },
  "adopt-lost-race": {
    about: "an actor whose answer was lost goes on with what it had decided",
    file: "layers/actors/Rounds.ts",
    find: `    if (lost !== null) actor.memory = null`,
    replace: ``
  }
}

/** Not of the table, for no simulation restores anything: `restore-killed.slow.test.ts` becomes it. */
export const restoreUnmarked: Mutant = {
  about: "a restore does not say that it is not whole yet",
  file: "layers/profiles/Backups.ts",
  find: `  yield* store.setCell(SqlBackup.restoringCell, null, path)\n`,
  replace: ``
}

/** The file as the mutant has it. Throws where the change does not fit exactly once. */
export const change = (name: string, { file, find, replace }: Mutant, source: string): string => {
  const parts = source.split(find)
  if (parts.length !== 2) throw new Error(`the change of ${name} fits ${file} ${parts.length - 1} times, not once`)
  return parts.join(replace)
}

/** A mutant of the table. */
export const becomeNamed = (name: string, root: string): (() => boolean) => {
  const mutant = mutants[name]
  if (mutant === undefined) throw new Error(`there is no mutant ${name}; there are: ${Object.keys(mutants).join(", ")}`)
  return become(name, mutant, root)
}

/** Every file loaded from here on is that of the mutant. Answers whether it was loaded, to be asked once all is. */
export const become = (name: string, mutant: Mutant, root: string): (() => boolean) => {
  const url = pathToFileURL(resolve(root, mutant.file)).href
  let loaded = false
  registerHooks({
    load: (asked, context, next) => {
      const found = next(asked, context)
      if (asked !== url) return found
      const { source } = found
      const text = typeof source === "string" ? source : Buffer.from(source as Uint8Array).toString()
      loaded = true
      return { ...found, source: change(name, mutant, text) }
    }
  })
  return () => loaded
}
