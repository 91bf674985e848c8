/**
 * Why a database is not opened, apart from what opens it: whoever only tells of it loads no engine and no driver.
 */
import * as Schema from "effect/Schema"

/** The embedded database can't be opened, or can't show that it reaches the disk. */
export class EngineFailed extends Schema.TaggedError<EngineFailed>()("EngineFailed", {
  /** `NoSpace` may pass by itself; `NotDurable`, `NotWhole` (a vital file is gone) and `Broken` need a person. */
  reason: Schema.Literals(["NoSpace", "NotDurable", "NotWhole", "Broken"]),
  folder: Schema.NullOr(Schema.String),
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

/** The server would acknowledge what a power cut can still take away. */
export class ServerNotDurable extends Schema.TaggedError<ServerNotDurable>()("ServerNotDurable", {
  setting: Schema.String,
  value: Schema.String,
  detail: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return this.detail
  }
}
