/** What `docs/websocket.md` shows, executed beside a real service. */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { closings, HaltFrame } from "#layers/edge/api/Frames.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

const region = (path: string): string => /#region \w+\n([\s\S]*?)\/\/ #endregion/.exec(read(path))![1]!

describe("docs/websocket.md", () => {
  it("shows the code that is executed here, and every word with which the service closes", () => {
    const page = read("docs/websocket.md")
    const blocks = [...page.matchAll(/```(js|ts)\n([\s\S]*?)```/g)].map(([, , text]) => text)
    assert.deepStrictEqual(blocks, [region("docs/samples/socket.mjs"), region("docs/samples/live.ts")])
    const [, halt = ""] = /```json\n([\s\S]*?)```/.exec(page)!
    assert.isTrue(Schema.decodeUnknownSync(HaltFrame, { onExcessProperty: "error" })(JSON.parse(halt)).halt.halted)
    for (const [code, why] of Object.entries(closings)) assert.match(page, new RegExp(`\\| ${code} +\\| .*${why}`))
  })

  it.live(
    "is true of a service: by hand, and by the typed client",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using({ folder, policies: read("policies/agents.cedar") }, async (service) => {
              const token = readFileSync(join(folder, "data/owner.token"), "utf8").trim()
              const env = { ...process.env, KEELSON_URL: service.url, KEELSON_TOKEN: token }
              const run = (name: string) =>
                promisify(execFile)(process.execPath, [join(import.meta.dirname, name)], { env, timeout: 30_000 })
              const byHand = await run("socket.mjs")
              assert.match(byHand.stdout, /^\d+ session\.created\n/)
              assert.match(byHand.stdout, /\d+ action\.executed\n[\s\S]*\d+ turn\.completed\n$/)
              assert.strictEqual(readFileSync(join(service.workspace, "socket.txt"), "utf8"), "over a WebSocket")
              const typed = await run("live.ts")
              assert.match(typed.stdout, /session\.created[\s\S]*turn\.completed/)
            })
          )
        )
      ),
    60_000
  )
})
