/**
 * What `docs/tools.md` shows, executed. Its code blocks are the regions of this file.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
// #region imports
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as GuardedToolExecutor from "#layers/tool-executor/GuardedToolExecutor.ts"
import * as StandardTools from "#layers/tool-executor/StandardTools.ts"
import { failed, layerEffect, register } from "#layers/tool-executor/ToolRegistry.ts"
// #endregion
import * as Layer from "effect/Layer"
import * as NodeDigest from "#layers/digest/NodeDigest.ts"
import { redeem } from "#src/kernel/Permit.ts"
import { ToolCatalog, ToolExecutor } from "#src/ports/ToolExecutor.ts"
import { claim, makeWorld, ports } from "#test/unit/tool-executor/world.ts"

const outbox: Array<{ readonly key: string; readonly to: string }> = []

/** Stands where a provider's client would. */
const mailer = {
  send: (mail: { readonly key: string; readonly to: string; readonly subject: string; readonly text: string }) =>
    mail.to.endsWith("@example.org")
      ? Effect.sync(() => void outbox.push(mail))
      : Effect.fail("unknown receiver" as const)
}

// #region tool
const MailSend = Tool.make("mail.send", {
  description: "Sends one plain mail",
  parameters: Schema.Struct({
    to: Schema.String.check(Schema.isMaxLength(200)),
    subject: Schema.String.check(Schema.isMaxLength(200)),
    text: Schema.String.check(Schema.isMaxLength(10_000))
  }),
  success: Schema.Struct({ accepted: Schema.Boolean })
})
// #endregion

// #region handler
const mailSend = register(
  MailSend,
  ({ to, subject, text }, { actionId }) =>
    mailer.send({ key: actionId, to, subject, text }).pipe(
      Effect.as({ accepted: true }),
      Effect.mapError((reason) => failed(MailSend.name, "NotAccepted", `the mail server says: ${reason}`))
    ),
  { version: "2", timeoutMillis: 20_000 }
)
// #endregion

const root = mkdtempSync(join(tmpdir(), "keelson-docs-"))

// #region compose
const tools = layerEffect(
  StandardTools.make({
    workspace: { root, apartFrom: ["/var/lib/keelson"] },
    shell: { allowedCommands: ["git", "ls"], containment: "auto" }
  }).pipe(Effect.map((standard) => [...standard, mailSend]))
)

const executor = GuardedToolExecutor.layerWithCatalog(tools)
// #endregion

const world = makeWorld()
const provided = executor.pipe(Layer.provideMerge(ports(world)), Layer.provide(NodeDigest.layer))

const gone = Effect.addFinalizer(() => Effect.sync(() => rmSync(root, { recursive: true, force: true })))

describe("docs/tools.md", () => {
  it.effect("adds an app's own tool beside the standard ones, and runs it behind a permit", () =>
    Effect.gen(function* () {
      yield* gone
      const catalog = yield* ToolCatalog
      assert.deepStrictEqual(
        (yield* catalog.tools).map((tool) => tool.name),
        ["file.list", "file.read", "file.write", "mail.send", "shell.run"]
      )
      const executor = yield* ToolExecutor
      const mail = { to: "ada@example.org", subject: "hello", text: "" }
      const fields = yield* claim(world, "mail.send", yield* catalog.check("mail.send", mail))
      assert.deepStrictEqual(yield* executor.execute(redeem(fields)), { output: { accepted: true } })
      assert.deepStrictEqual(
        outbox.map(({ key, to }) => [key, to]),
        [[fields.actionId, "ada@example.org"]]
      )
      const lost = yield* claim(world, "mail.send", { ...mail, to: "nobody" })
      const error = yield* Effect.flip(executor.execute(redeem(lost)))
      assert.strictEqual(error.message, "mail.send: the mail server says: unknown receiver")
    }).pipe(Effect.provide(provided))
  )

  it.effect("shows no code but what runs here, and names every code there is", () =>
    Effect.promise(async () => {
      const read = (name: string) => readFile(join(import.meta.dirname, name), "utf8")
      const source = await read("tools.test.ts")
      const regions = [...source.matchAll(/^\/\/ #region .*\n([^]*?)^\/\/ #endregion$/gm)].map((found) => found[1]!)
      const page = await read("../tools.md")
      const blocks = [...page.matchAll(/^```ts\n([^]*?)^```$/gm)].map((found) => found[1]!)
      assert.deepStrictEqual(blocks, regions)
      const folder = join(import.meta.dirname, "../../layers/tool-executor")
      const layers = ["FileTools", "ShellTool", "Workspace"].map((name) =>
        readFileSync(join(folder, `${name}.ts`), "utf8")
      )
      const codes = new Set(
        [...layers.join("").matchAll(/(?:failed\((?:name|tool), |fault\()"([A-Z]\w+)"/g)].map((found) => found[1]!)
      )
      assert.isAtLeast(codes.size, 15)
      for (const code of [...codes, ...Object.values(GuardedToolExecutor.Codes)]) assert.include(page, `\`${code}\``)
    })
  )
})
