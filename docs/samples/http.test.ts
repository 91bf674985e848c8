/** What `docs/http.md` shows, executed: its blocks are the regions of `http.sh`, in order, and `http-problem.json`. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as OpenApi from "effect/http-api/OpenApi"
import { Api } from "#layers/edge/Api.ts"
import * as SampleScript from "#test/kit/sampleScript.ts"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const starterSet = ["people", "agents", "never"].map((name) => read(`policies/${name}.cedar`)).join("\n")

const regions = [...read("docs/samples/http.sh").matchAll(/# #region (\w+)\n([\s\S]*?)# #endregion \1\n/g)]

describe("docs/http.md", () => {
  it("shows what runs here, whole and in order", () => {
    const blocks = [...read("docs/http.md").matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    const shell = blocks.filter(([, language]) => language === "bash").map(([, , body]) => body)
    assert.deepStrictEqual(
      shell,
      regions.map(([, , body]) => body!)
    )
    const json = blocks.filter(([, language]) => language === "json").map(([, , body]) => body)
    assert.deepStrictEqual(json, [read("docs/samples/http-problem.json")])
    assert.lengthOf(blocks, regions.length + 1)
  })

  it("lists every path that is served, with what it is for", () => {
    const rows = Object.entries(OpenApi.fromApi(Api).paths).flatMap(([path, methods]) =>
      Object.entries(methods as { readonly [method: string]: { readonly summary: string } }).map(
        ([method, { summary }]) => `| \`${method.toUpperCase()} ${path}\` | ${summary} |`
      )
    )
    // The formatter lines the columns up.
    const page = read("docs/http.md").replace(/ +\|/g, " |")
    const listed = page.split("\n").filter((line) => /^\| `(GET|POST) /.test(line))
    assert.deepStrictEqual(listed.slice(0, -2), rows)
  })

  it.live(
    "shows what a service does, and says what it answers",
    () =>
      Effect.scoped(
        Effect.flatMap(TemporaryFolder.make, (folder) =>
          Effect.promise(() =>
            Service.using({ folder, policies: starterSet }, async (service) => {
              const stdout = await SampleScript.run("http.sh", service, folder)
              const text = stdout.replaceAll("\r\n", "\n")
              const [whoami, ...answers] = text.split(/^HTTP\/1\.1 /m)
              assert.strictEqual(whoami!.trim(), '{"kind":"HUMAN","id":"owner","roles":["owner"]}')
              const [first, again, other] = answers.map((answer) => answer.split("\n\n"))
              assert.match(first![0]!, /^201 Created/)
              assert.match(first![0]!, /^location: \/v1\/sessions\/ses_\w{26}$/im)
              assert.match(again![0]!, /^idempotent-replayed: true$/im)
              assert.strictEqual(again![1]!.trim(), first![1]!.trim())
              assert.match(other![0]!, /^422 /)
              const [problem = "", ...lines] = other!.slice(1).join("\n\n").trim().split("\n")
              assert.deepStrictEqual(
                { ...JSON.parse(problem), instance: `urn:uuid:00000000-0000-0000-0000-000000000000` },
                JSON.parse(read("docs/samples/http-problem.json"))
              )
              const said = lines.filter((line) => line !== "")
              assert.deepStrictEqual(said.slice(0, 7), [
                '{"content":"bread","mode":"create","path":"list.txt"}',
                "Approved",
                "Conflict",
                "Completed",
                "file.read Executed",
                "file.write Executed",
                "bread, milk"
              ])
              assert.deepStrictEqual(
                said.slice(7, -3).map((line) => line.replace(/^\d+ /, "")),
                ["action.proposed", "action.judged", "action.permitted", "action.claimed", "action.executed"]
              )
              assert.deepInclude(JSON.parse(said.at(-3)!).confirmations, { created: 1, approved: 1, pending: 0 })
              assert.deepStrictEqual(said.slice(-2), ["Erased", "true"])
              assert.strictEqual(readFileSync(join(service.workspace, "list.txt"), "utf8").trim(), "bread, milk")
            })
          )
        )
      ),
    60_000
  )
})
