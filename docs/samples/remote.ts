/** What `docs/remote-tools.md` shows: an agent that puts a program of its machine behind the gate. */
// #region agent
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Tool from "effect/ai/Tool"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Client from "#layers/client/Client.ts"
import * as RemoteTool from "#layers/client/RemoteTool.ts"

const Commit = Tool.make("git.commit", {
  description: "Commits everything in the repository",
  parameters: Schema.Struct({ message: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200)) }),
  success: Schema.Struct({ commit: Schema.String })
})

const run = promisify(execFile)

const commit = (repository: string) =>
  RemoteTool.make(Commit, ({ message }) =>
    Effect.tryPromise({
      try: async (signal) => {
        await run("git", ["-C", repository, "commit", "--quiet", "--all", "--message", message], { signal })
        const { stdout } = await run("git", ["-C", repository, "rev-parse", "HEAD"], { signal })
        return { commit: stdout.trim() }
      },
      catch: () => RemoteTool.failed("GitFailed", "git refused; see its output on the agent's machine")
    })
  )

const agent = Effect.gen(function* () {
  const url = yield* Config.String("KEELSON_URL")
  const token = yield* Config.Redacted("KEELSON_TOKEN")
  const repository = yield* Config.String("REPOSITORY")
  const client = yield* Client.make({ url, token })
  yield* Console.log(`${Commit.name} of ${repository} stands behind the gate of ${url}; Ctrl-C ends it.`)
  return yield* RemoteTool.serve(client, [commit(repository)])
})

NodeRuntime.runMain(agent.pipe(Effect.provide(NodeHttpClient.layerUndici)))
// #endregion
