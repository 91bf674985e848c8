/**
 * The service with a tool of its own: `node docs/samples/service.ts start`, and every other command of `keelson`.
 *
 * The README shows the marked part of this file; `readme.test.ts` holds the two together and runs it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import * as ToolRegistry from "#layers/tool-executor/ToolRegistry.ts"

const Deploy = Tool.make("deploy", {
  description: "Puts a version into production.",
  parameters: Schema.Struct({ version: Schema.String }),
  success: Schema.Struct({ deployed: Schema.String })
})

const deploy = ToolRegistry.register(Deploy, ({ version }) => Effect.succeed({ deployed: version }))

// #region service
import * as Program from "#layers/profiles/Program.ts"

Program.runMain({ file: import.meta.filename, parts: { tools: [deploy] } })
// #endregion service
