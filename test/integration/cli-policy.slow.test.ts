/** `keelson policy` beside a real service, whose agents have declared tools. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Service from "#test/kit/service.ts"
import { folder, keelson } from "./cli-kit.ts"
import { remoteSchema } from "./http-kit.ts"

const home = folder()
const local = join(home.path, "local")
const plain = join(home.path, "plain")
let service: Service.Service
let agentToken: string

const shipping = `
@id("ship-small") permit (principal is Agent, action == Action::"ship", resource)
when { context.arguments.text == "small" };
@id("ship-asked") @gate("human") permit (principal, action == Action::"ship", resource);
`

beforeAll(async () => {
  service = await Service.start({ folder: home.path })
  const { post } = service
  agentToken = (await post("/v1/principals", "bot", { principalId: "bot", kind: "AGENT" })).body.token
  for (const name of ["ship", "gone"]) {
    const definition = { name, description: "Puts a version into the world.", inputSchema: remoteSchema }
    assert.strictEqual((await post("/v1/tools", name, definition, agentToken)).status, 201)
  }
  assert.strictEqual((await post("/v1/tools/gone/withdraw", "withdraw", {}, agentToken)).status, 200)
  for (const path of [plain, local]) mkdirSync(path)
  for (const path of [plain, local]) writeFileSync(join(path, "test.cedar"), Service.askPolicies)
  writeFileSync(join(local, "ship.cedar"), shipping)
}, 180_000)
afterAll(async () => {
  await service.kill()
  home.remove()
})

/** With the policies of the folder `local`, and the owner's token in the data folder. */
const policy = (...args: ReadonlyArray<string>) => {
  const environment = { KEELSON_POLICY_FOLDER: local, KEELSON_DATA_FOLDER: join(home.path, "data") }
  return keelson(["policy", ...args], environment)
}

const words = (text: string) => text.replace(/\s+/g, " ")
const ship = (text: string, ...more: ReadonlyArray<string>) =>
  policy("test", "--as", "bot", "--tool", "ship", "--input", JSON.stringify({ text }), ...more).ended

describe("keelson policy, before the service has policies for a declared tool,", () => {
  it("knows nothing of declared tools by itself, and says who would", async () => {
    for (const [args, code, said] of [
      [["check"], 1, "ship.cedar:2: there is no tool"],
      [["test", "--tool", "file.list"], 1, "ship.cedar:2: there is no tool"],
      [["test", "--tool", "ship", "--policy-folder", plain], 2, "There is no tool ship; there are: file.list"]
    ] as const) {
      const done = await policy(...args).ended
      assert.deepStrictEqual([done.code, done.out], [code, ""], done.err)
      assert.include(words(done.err), said)
      assert.include(words(done.err), "If an agent has declared it, say where the service is that knows it: --url")
    }
  }, 180_000)

  it("tries them with --url, and says that those which decide there were read before", async () => {
    const another = /set [0-9a-f]{12} decides there: other policies, or tools declared since/
    const { code, err, out } = await ship("small", "--url", service.url, "--expect", "run")
    assert.strictEqual(code, 0, err)
    assert.match(words(out), another)
    const inForce = () => policy("check", "--url", service.url, "--policy-folder", plain).ended
    assert.include(words((await inForce()).out), "these policies decide there, read before a tool was declared")
    writeFileSync(join(plain, "more.cedar"), "")
    assert.match(words((await inForce()).out), another)
  }, 180_000)
})

describe("keelson policy, once they are in force,", () => {
  beforeAll(async () => {
    writeFileSync(join(home.path, "policies", "ship.cedar"), shipping)
    const known = ({ id }: { readonly id: string }) => id === "ship-small"
    while (!(await service.get("/v1/policy")).body.policies.some(known));
  }, 180_000)

  it("with --url gives the very answer that the service gives to the same wish", async () => {
    for (const [text, outcome, status] of [
      ["small", "run", "Approved"],
      ["large", "ask", "Pending"]
    ] as const) {
      const { code, err, out } = await ship(text, "--url", service.url, "--json", "--expect", outcome)
      assert.strictEqual(code, 0, err)
      const session = (await service.post("/v1/sessions", `session-${text}`, { agentId: "bot" })).body
      const wish = { tool: "ship", arguments: { text } }
      const { body } = await service.post(`/v1/sessions/${session.sessionId}/actions`, text, wish, agentToken)
      assert.strictEqual(body.status, status)
      const found = JSON.parse(out)
      assert.deepInclude(found, { policies: body.policies, setHash: body.setHash, outcome })
      assert.deepStrictEqual(found.service, {
        url: service.url,
        setHash: body.setHash,
        decides: "this-set"
      })
    }
  }, 180_000)

  it("says who runs the tool, and whether the folder's set is the one that decides there", async () => {
    const told = await ship("large", "--url", service.url)
    for (const part of ["It waits for a person.", "run by agent bot, elsewhere", "this very set decides there"]) {
      assert.include(words(told.out), part)
    }
    writeFileSync(join(local, "never.cedar"), `@id("never") forbid (principal, action == Action::"ship", resource);`)
    try {
      const other = await ship("small", "--url", service.url, "--expect", "deny")
      assert.strictEqual(other.code, 0, other.err)
      assert.match(words(other.out), /set [0-9a-f]{12} decides there: other policies, or tools declared since/)
    } finally {
      rmSync(join(local, "never.cedar"))
    }
    const checked = await policy("check", "--url", service.url).ended
    assert.include(words(checked.out), "ship-small permits ship.cedar:2")
    assert.include(words(checked.out), "shell.run and ship")
  }, 180_000)

  it("takes address and token from the environment, an agent's too, which may not know which set decides", async () => {
    const args = ["policy", "test", "--tool", "ship", "--input", '{"text":"small"}', "--policy-folder", local]
    const environment = { KEELSON_URL: service.url, KEELSON_TOKEN: agentToken }
    const { code, err, out } = await keelson([...args, "--expect", "run"], environment).ended
    assert.strictEqual(code, 0, err)
    assert.include(words(out), "it does not say to this token which set decides there")
  }, 180_000)

  it("refuses arguments that the declared schema refuses, a tool that nobody declared, and a service that is none", async () => {
    for (const [args, code, said] of [
      [["--tool", "ship", "--input", '{"txt":1}', "--url", service.url], 2, "ship: "],
      [["--tool", "gone", "--url", service.url], 2, `No agent has declared it at ${service.url}`],
      [["--tool", "ship", "--url", "http://127.0.0.1:1"], 1, "No service answers at http://127.0.0.1:1"],
      [["--tool", "ship", "--url", "ftp://x"], 2, "--url: expected "]
    ] as const) {
      const done = await policy("test", ...args).ended
      assert.deepStrictEqual([done.code, done.out], [code, ""], done.err)
      assert.include(words(done.err), said)
    }
  }, 180_000)
})
