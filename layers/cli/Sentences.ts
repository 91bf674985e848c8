/**
 * Errors of a start, told to the person who typed it: what is the matter, and what to do.
 *
 * Owns the sentences. Errors are recognised by class and reason, never by their text; what nobody foresaw is shown
 * with its own message, and stays an error.
 */
import * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { SqlError } from "effect/sql/SqlError"
import { FolderLocked } from "#layers/sql-client/FolderLock.ts"
import { EngineFailed, ServerNotDurable } from "#layers/sql-client/OpenFailures.ts"
import { OtelWrong } from "#layers/telemetry/OtelExport.ts"
import { WorkspaceInvalid } from "#layers/tool-executor/Workspace.ts"
import { CheckpointFolderError } from "#src/ports/CheckpointFolder.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { KeyRingError } from "#src/ports/KeyRing.ts"
import { PolicyError } from "#src/ports/PolicyEngine.ts"
import { PrivateFileError } from "#src/ports/PrivateFiles.ts"
import { SignerError } from "#src/ports/Signer.ts"
import { CommandRefused } from "./CommandRefused.ts"

/** Where the service was to listen. */
export interface Door {
  readonly host: string
  readonly port: number
}

/**
 * The refusal that a person is shown for any error of opening a service or a store. The door's errors come by tag: the
 * command line knows no edge.
 */
export const refusal = (error: unknown, door: Door): CommandRefused => {
  if (error instanceof CommandRefused) return error
  if (Predicate.isTagged(error, "PortTaken")) return portTaken(door)
  if (Predicate.isTagged(error, "AddressUnusable")) return unusable(error, door)
  if (error instanceof FolderLocked) {
    const held = error.holderPid !== null
    return told(held ? "FolderInUse" : "FolderRefused", capital(error.detail), null)
  }
  if (error instanceof PolicyError) {
    return told(
      "PoliciesWrong",
      `The policies can't be used:\n${error.problems.map(problemLine).join("\n")}`,
      "Mend that: policies are taken whole or not at all. `keelson start` puts a starter set where its own folder is missing."
    )
  }
  if (error instanceof PrivateFileError) return told(`File${error.reason}`, capital(error.detail), null)
  if (error instanceof KeyRingError) return told(error.reason, capital(error.detail), null)
  if (error instanceof SignerError) return told(`Signing${error.reason}`, capital(error.detail), null)
  if (error instanceof CheckpointFolderError)
    return told(`Checkpoints${error.reason}`, capital(error.detail), "See --checkpoint-folder.")
  if (error instanceof WorkspaceInvalid)
    return told("WorkspaceWrong", `The workspace ${error.root} ${error.detail}.`, "See --workspace-folder.")
  if (error instanceof EventStoreError)
    return told(`Store${error.reason}`, capital(error.detail), storeRemedy[error.reason])
  if (error instanceof EngineFailed)
    return told(`Store${error.reason}`, capital(error.detail), engineRemedy[error.reason])
  if (error instanceof ServerNotDurable) return told("StoreNotDurable", capital(error.detail), null)
  if (error instanceof SqlError) return database(error)
  if (error instanceof OtelWrong) return told("TelemetryWrong", capital(error.detail), "See docs/operations.md.")
  if (error instanceof PlatformError.PlatformError) return told("SystemRefused", error.message, null)
  return told(tagOf(error), capital(messageOf(error)), null)
}

/** Whether the error says that what is stored is damaged, and not that nobody could look. */
export const isDamage = (error: unknown): boolean =>
  (error instanceof EventStoreError && error.reason === "Corrupt") ||
  (error instanceof EngineFailed && error.reason === "NotWhole")

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** A command at the end of an error is what to do: it gets a line of its own, so that it can be pasted. */
const told = (code: string, text: string, remedy: string | null): CommandRefused => {
  const [detail = "", command] = text.split("; run: ", 2)
  const what = /[.!?:]$/.test(detail) ? detail : `${detail}.`
  return new CommandRefused({
    code,
    detail: what,
    remedy: command === undefined ? remedy : `Run: ${command}`,
    exitCode: 1
  })
}

const storeRemedy: { readonly [R in EventStoreError["reason"]]: string } = {
  Overloaded: "Try again in a moment.",
  Unavailable: "Look whether the database runs and whether the URL, its user and its password are right.",
  Full: "Make space and start again; nothing that was acknowledged is lost.",
  Corrupt: "Run keelson verify: it names the first event that is not as it was written."
}

const engineRemedy: { readonly [R in EngineFailed["reason"]]: string | null } = {
  NoSpace: storeRemedy.Full,
  NotDurable: "Nothing is acknowledged that a power cut could take away: use another disk, or PostgreSQL.",
  NotWhole: null,
  Broken: null
}

/** The server's or the system's own words: they name hosts, users and databases, never a password. */
const database = ({ message, reason }: SqlError): CommandRefused => {
  const cause = Predicate.hasProperty(reason, "cause") ? reason.cause : undefined
  const why = cause instanceof Error && cause.message !== "" ? cause.message : message
  switch (reason._tag) {
    case "AuthenticationError":
    case "AuthorizationError":
      return told(
        "DatabaseRefused",
        `The database refuses the URL's user: ${why}`,
        "Look at user, password and rights."
      )
    default:
      return told("DatabaseUnavailable", `The database can't be used: ${why}`, storeRemedy.Unavailable)
  }
}

const portTaken = ({ host, port }: Door): CommandRefused =>
  told(
    "PortTaken",
    `Port ${port} on ${host} is taken by another process.`,
    "Stop that one (is it a Keelson that already runs?), or choose another with --port; --port 0 takes a free one."
  )

const unusable = (error: unknown, { host, port }: Door): CommandRefused => {
  const code = Predicate.hasProperty(error, "code") ? error.code : undefined
  return code === "EACCES"
    ? told("PortForbidden", `This user may not listen on port ${port}.`, "Choose one above 1023 with --port.")
    : told(
        "AddressUnusable",
        `Nothing can listen on ${host}, port ${port}: ${code === "EADDRNOTAVAIL" || code === "ENOTFOUND" ? "it is no address of this machine" : messageOf(error)}.`,
        "Give an address of this machine with --host; 127.0.0.1 is always there."
      )
}

const problemLine = ({ detail, file, line }: PolicyError["problems"][number]): string =>
  `${file}${line === null ? "" : `:${line}`}: ${detail}`

const tagOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" ? error._tag : "Unexpected"

const messageOf = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : `something unexpected (${tagOf(error)})`

const capital = (text: string): string =>
  /^[a-z]+ /.test(text) ? text.slice(0, 1).toUpperCase() + text.slice(1) : text
