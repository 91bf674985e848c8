/**
 * Errors of a start, told to the person who typed it: what is the matter, and what to do.
 *
 * Owns the sentences. Errors are recognised by class and reason, never by their text; what nobody foresaw is shown
 * with its own message, and stays an error.
 */
import * as HttpServerError from "effect/http/HttpServerError"
import * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { FolderLocked } from "#layers/sql-client/FolderLock.ts"
import { WorkspaceInvalid } from "#layers/tool-executor/Workspace.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { KeyRingError } from "#src/ports/KeyRing.ts"
import { PolicyError } from "#src/ports/PolicyEngine.ts"
import { PrivateFileError } from "#src/ports/PrivateFiles.ts"
import { CommandRefused } from "./CommandRefused.ts"

/** Where the service was to listen. */
export interface Door {
  readonly host: string
  readonly port: number
}

/** The refusal that a person is shown for any error of opening a service or a store. */
export const refusal = (error: unknown, door: Door): CommandRefused => {
  if (error instanceof CommandRefused) return error
  if (error instanceof HttpServerError.ServeError) return unserved(error.cause, door)
  if (error instanceof FolderLocked) {
    const held = error.holderPid !== null
    return told(held ? "FolderInUse" : "FolderRefused", capital(error.detail), null)
  }
  if (error instanceof PolicyError) {
    return told(
      "PoliciesWrong",
      `The policies can't be used:\n${error.problems.map(problemLine).join("\n")}`,
      "Mend them and start again; a policy that is not understood must not be left out."
    )
  }
  if (error instanceof PrivateFileError) return told(`File${error.reason}`, capital(error.detail), null)
  if (error instanceof KeyRingError) return told(error.reason, capital(error.detail), null)
  if (error instanceof WorkspaceInvalid)
    return told("WorkspaceWrong", capital(error.message), "See --workspace-folder.")
  if (error instanceof EventStoreError)
    return told(`Store${error.reason}`, capital(error.detail), storeRemedy[error.reason])
  if (error instanceof PlatformError.PlatformError) return told("SystemRefused", error.message, null)
  return told(tagOf(error), messageOf(error), null)
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const told = (code: string, detail: string, remedy: string | null): CommandRefused =>
  new CommandRefused({ code, detail: ended(detail), remedy, exitCode: 1 })

const storeRemedy: { readonly [R in EventStoreError["reason"]]: string } = {
  Overloaded: "Try again in a moment.",
  Unavailable: "Look whether the database runs and whether the URL, its user and its password are right.",
  Full: "Make space and start again; nothing that was acknowledged is lost.",
  Corrupt: "Run keelson verify: it names the first event that is not as it was written."
}

const unserved = (cause: unknown, { host, port }: Door): CommandRefused => {
  const code = Predicate.hasProperty(cause, "code") ? cause.code : undefined
  switch (code) {
    case "EADDRINUSE":
      return told(
        "PortTaken",
        `Port ${port} on ${host} is taken by another process.`,
        "Stop that one (is it a Keelson that already runs?), or choose another with --port; --port 0 takes a free one."
      )
    case "EACCES":
      return told("PortForbidden", `This user may not listen on port ${port}.`, "Choose one above 1023 with --port.")
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return told(
        "HostUnknown",
        `${host} is no address of this machine.`,
        "Give one with --host; 127.0.0.1 is always there."
      )
    default:
      return told("NotListening", `${host}, port ${port}: ${messageOf(cause)}`, null)
  }
}

const problemLine = ({ detail, file, line }: PolicyError["problems"][number]): string =>
  `${file}${line === null ? "" : `:${line}`}: ${detail}`

const tagOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" ? error._tag : "Unexpected"

const messageOf = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : `something unexpected (${tagOf(error)})`

const capital = (text: string): string =>
  /^[a-z]+ /.test(text) ? text.slice(0, 1).toUpperCase() + text.slice(1) : text

/** A sentence ends; a command at its end must stay as it can be pasted. */
const ended = (text: string): string => (/[.!?:)'"]$/.test(text) || text.includes("run: ") ? text : `${text}.`)
