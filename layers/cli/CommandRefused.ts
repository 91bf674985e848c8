/**
 * Why a command did not do what was asked, for the person who typed it.
 *
 * Owns the exit codes. Does not own the sentences for errors of ports (`Sentences`).
 *
 * | code | means |
 * | --- | --- |
 * | 0 | done; a service that was asked to stop has stopped; nothing wrong was found |
 * | 1 | it could not be done, or a check found something wrong |
 * | 2 | the command line or a setting is wrong; nothing was opened |
 * | 3 | `verify` could not look, so it says nothing about the store |
 * | 130, 143 | ended by Ctrl-C or by SIGTERM before it was done, or by a second signal |
 */
import * as Schema from "effect/Schema"

export const ExitCode = Schema.Literals([1, 2, 3])
export type ExitCode = typeof ExitCode.Type

export class CommandRefused extends Schema.TaggedError<CommandRefused>()("CommandRefused", {
  /** Stable, for machines. */
  code: Schema.String,
  /** What is the matter: whole sentences, no stack, no secret. */
  detail: Schema.String,
  /** What to do about it. */
  remedy: Schema.NullOr(Schema.String),
  exitCode: ExitCode
}) {
  override get message() {
    return this.remedy === null ? this.detail : `${this.detail} ${this.remedy}`
  }
}

/** A check that ran to its end and found something wrong, already told on standard output. */
export class FoundWrong extends Schema.TaggedError<FoundWrong>()("FoundWrong", {}) {}
