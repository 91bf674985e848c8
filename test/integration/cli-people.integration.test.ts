/** The commands for people and operators, as processes beside a real service. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Service from "#test/kit/service.ts"
import { folder, keelson } from "./cli-kit.ts"

const home = folder()
let service: Service.Service
let session: string

beforeAll(async () => {
  service = await Service.start({ folder: home.path })
  session = (await service.post("/v1/sessions", "session", {})).body.sessionId
})
afterAll(async () => {
  await service.kill()
  home.remove()
})

const beside = (...args: ReadonlyArray<string>) =>
  keelson([...args, "--url", service.url, "--data-folder", join(home.path, "data")], {
    KEELSON_WORKSPACE_FOLDER: service.workspace
  }).ended

/** As somebody else, by the token in the environment. */
const as =
  (token: string, environment: { readonly [name: string]: string } = {}) =>
  (...args: ReadonlyArray<string>) =>
    keelson(args, { KEELSON_URL: service.url, KEELSON_TOKEN: token, ...environment }).ended

const ask = async (key: string, args: object) => {
  const answer = await service.post(`/v1/sessions/${session}/actions`, key, { tool: "file.write", arguments: args })
  assert.strictEqual(answer.body.status, "Pending", JSON.stringify(answer.body))
  return answer.body as { readonly confirmationId: string; readonly actionId: string }
}

const ended = async (actionId: string) => (await service.get(`/v1/actions/${actionId}?waitMillis=20000`)).body

describe("keelson confirmations, approve and deny", () => {
  it("list what waits and show it whole, with what changes in the file", async () => {
    mkdirSync(service.workspace, { recursive: true })
    writeFileSync(join(service.workspace, "list.txt"), "bread\nmilk\n")
    const args = { path: "list.txt", content: "bread\nsalt\n", mode: "replace" }
    const { confirmationId } = await ask("show", args)
    const listed = await beside("confirmations")
    assert.strictEqual(listed.code, 0, listed.err)
    assert.include(listed.out, confirmationId)
    const shown = await beside("confirmations", "show", confirmationId)
    for (const part of ["list.txt: changes", "- milk", "+ salt", "person owner"]) assert.include(shown.out, part)
    const machine = JSON.parse((await beside("confirmations", "--json")).out)
    assert.include(
      machine.items.map((item: { confirmationId: string }) => item.confirmationId),
      confirmationId
    )
    assert.strictEqual((await beside("deny", confirmationId, "--reason", "no salt")).code, 0)
    assert.notInclude((await beside("confirmations")).out, confirmationId)
    const decided = await beside("confirmations", "--all")
    assert.include(decided.out, `${confirmationId}  file.write  person owner  Denied`)
  })

  it("approve once; whoever comes second is told who won, and nothing happens twice", async () => {
    const { actionId, confirmationId } = await ask("yes", { path: "yes.txt", content: "yes" })
    const first = await beside("approve", confirmationId)
    assert.deepStrictEqual([first.code, first.out.trim()], [0, "Approved: file.write may run, once."])
    assert.strictEqual((await ended(actionId)).status, "Executed")
    const second = await beside("approve", confirmationId)
    assert.strictEqual(second.code, 1)
    assert.include(second.err, "it is Executed")
    assert.strictEqual(readFileSync(join(service.workspace, "yes.txt"), "utf8"), "yes")
  })

  it("approve with other arguments, typed or left in an editor; they run instead", async () => {
    const typed = await ask("typed", { path: "typed.txt", content: "asked" })
    const args = JSON.stringify({ path: "typed.txt", content: "typed" })
    assert.strictEqual((await beside("approve", typed.confirmationId, "--arguments", args)).code, 0)
    await ended(typed.actionId)
    assert.strictEqual(readFileSync(join(service.workspace, "typed.txt"), "utf8"), "typed")

    const edited = await ask("edited", { path: "edited.txt", content: "asked" })
    const token = readFileSync(join(home.path, "data", "owner.token"), "utf8").trim()
    const done = await as(token, { EDITOR: "sed -i s/asked/edited/" })("approve", edited.confirmationId, "--edit")
    assert.strictEqual(done.code, 0, done.err)
    await ended(edited.actionId)
    assert.strictEqual(readFileSync(join(service.workspace, "edited.txt"), "utf8"), "edited")

    const broken = await ask("broken", { path: "broken.txt", content: "asked" })
    for (const [editor, said] of [
      ["sed -i 1d", "is not JSON"],
      ["false", "did not end well"],
      ["", "neither is set"]
    ] as const) {
      const { code, err } = await as(token, { EDITOR: editor })("approve", broken.confirmationId, "--edit")
      assert.notStrictEqual(code, 0)
      assert.include(err.replace(/\s+/g, " "), said)
    }
    assert.strictEqual((await service.get(`/v1/actions/${broken.actionId}`)).body.status, "Pending")
    assert.isFalse(existsSync(join(service.workspace, "broken.txt")))
  })

  it("leave nothing of the arguments behind where they are stopped while the editor is open", async () => {
    const { actionId, confirmationId } = await ask("stopped", { path: "stopped.txt", content: "asked" })
    const temporary = join(home.path, "temporary")
    mkdirSync(temporary)
    const running = keelson(["approve", confirmationId, "--edit", "--url", service.url], {
      KEELSON_TOKEN: service.token,
      TMPDIR: temporary,
      EDITOR: "echo open; exec sleep 300; :"
    })
    assert.strictEqual(await running.line(), "open")
    assert.lengthOf(readdirSync(temporary), 1)
    running.signal("SIGTERM")
    assert.notStrictEqual((await running.ended).code, 0)
    assert.deepStrictEqual(readdirSync(temporary), [])
    assert.strictEqual((await service.get(`/v1/actions/${actionId}`)).body.status, "Pending")
  })

  it("approve nothing that another person changed while the editor was open", async () => {
    const folder = join(home.path, "two")
    const policies =
      '@id("two") @gate("two-people") @approvers("approver") permit (principal, action == Action::"file.write", resource);'
    await Service.using({ folder, policies }, async (two) => {
      const { body } = await two.post("/v1/sessions", "session", {})
      const tokens = await Promise.all(
        ["ana", "ben"].map(async (principalId) => {
          const created = { principalId, kind: "HUMAN", roles: ["approver"] }
          return (await two.post("/v1/principals", principalId, created)).body.token as string
        })
      )
      const args = { tool: "file.write", arguments: { path: "two.txt", content: "asked" } }
      const asked = (await two.post(`/v1/sessions/${body.sessionId}/actions`, "ask", args)).body
      const goOn = join(folder, "go-on")
      execFileSync("mkfifo", [goOn])
      const running = keelson(["approve", asked.confirmationId, "--edit", "--url", two.url], {
        KEELSON_TOKEN: tokens[0]!,
        EDITOR: `echo open; cat ${goOn}; :`
      })
      assert.strictEqual(await running.line(), "open")
      const edited = JSON.stringify({ path: "two.txt", content: "edited by ben" })
      const other = ["approve", asked.confirmationId, "--arguments", edited, "--url", two.url]
      const first = await keelson(other, { KEELSON_TOKEN: tokens[1]! }).ended
      assert.include(first.out, "1 more person must approve too")
      writeFileSync(goOn, "")
      const { code, err } = await running.ended
      assert.strictEqual(code, 1)
      assert.include(err, "somebody has just changed the arguments")
      assert.strictEqual((await two.get(`/v1/actions/${asked.actionId}`)).body.status, "Pending")
    })
  }, 60_000)

  it("refuse in a sentence what can't be: a wrong id, a foreign token, no service, two wishes at once", async () => {
    const cases: ReadonlyArray<readonly [Promise<{ code: number | null; err: string }>, number, string]> = [
      [beside("approve", "cfm_x"), 2, "A confirmation's id is"],
      [beside("approve", `cfm_${"0".repeat(26)}`), 1, `There is no confirmation cfm_${"0".repeat(26)}`],
      [as("kls_nonsense")("confirmations"), 1, "does not know this token"],
      [
        keelson(["confirmations", "--url", "http://127.0.0.1:1"], { KEELSON_TOKEN: "x" }).ended,
        1,
        "No service answers"
      ],
      [
        keelson(["confirmations", "--url", "nowhere"], { KEELSON_TOKEN: "x" }).ended,
        2,
        '--url: expected an address such as http://127.0.0.1:7717, but is "nowhere"'
      ],
      [
        keelson(["confirmations"], { KEELSON_TOKEN: "x", KEELSON_URL: "nowhere" }).ended,
        2,
        'KEELSON_URL: expected an address such as http://127.0.0.1:7717, but is "nowhere"'
      ],
      [
        keelson(["confirmations", "--url", service.url], { KEELSON_TOKEN: "two words" }).ended,
        2,
        "KEELSON_TOKEN: expected one word"
      ],
      [beside("confirmations", "show", "cfm_x"), 2, "keelson confirmations show: A confirmation's id is"],
      [beside("deny", `cfm_${"0".repeat(26)}`, "--reason", " "), 2, "--reason takes words"],
      [keelson(["confirmations", "--data-folder", join(home.path, "empty")]).ended, 1, "no owner's token"],
      [beside("approve", `cfm_${"0".repeat(26)}`, "--edit", "--arguments", "{}"), 2, "give one of them"]
    ]
    for (const [ending, exit, said] of cases) {
      const { code, err } = await ending
      assert.strictEqual(code, exit, err)
      assert.include(err.replace(/\s+/g, " "), said)
      assert.notMatch(err, /^\s+at .*:\d+:\d+\)?$/m)
    }
  }, 120_000)
})

describe("keelson principal", () => {
  it("lets an agent in by a token on standard output alone, and out again", async () => {
    const made = await beside("principal", "create", "bot", "--kind", "agent")
    assert.match(made.out, /^kls_[A-Za-z0-9_-]{49}\n$/)
    assert.include(made.err, "shown this once")
    const again = await beside("principal", "create", "bot", "--kind", "agent")
    assert.strictEqual(again.code, 1)
    assert.include(again.err, "keelson principal create: There is a principal bot already: it is Active.")
    const token = made.out.trim()
    assert.strictEqual((await service.get("/v1/whoami", token)).body.id, "bot")
    const agents = await as(token)("confirmations")
    assert.strictEqual(agents.code, 1)
    assert.match(
      agents.err.replace(/\s+/g, " "),
      /People are asked.* That is what this token may not do: .*KEELSON_TOKEN/
    )
    const rotated = (await beside("principal", "rotate", "bot")).out.trim()
    assert.strictEqual((await service.get("/v1/whoami", token)).status, 401)
    assert.strictEqual((await service.get("/v1/whoami", rotated)).status, 200)
    const { keys } = JSON.parse((await beside("principal", "show", "bot", "--json")).out)
    assert.strictEqual((await beside("principal", "revoke", "bot", keys[0].keyId)).code, 0)
    assert.strictEqual((await service.get("/v1/whoami", rotated)).status, 401)
    const listed = await beside("principal", "list")
    assert.match(listed.out, /^bot +agent +agent +0 +Active$/m)
  }, 120_000)

  it("gives roles that open and take away what they open; shuts out and lets in", async () => {
    const token = (await beside("principal", "create", "ana", "--kind", "human", "--role", "approver")).out.trim()
    const ana = as(token)
    const refused = await ana("halt", "--reason", "mine")
    assert.strictEqual(refused.code, 1)
    assert.include(refused.err.replace(/\s+/g, " "), "Only an operator halts")
    assert.include((await beside("principal", "roles", "ana", "owner")).out, "owner")
    // To look is not to take away.
    const bare = await beside("principal", "roles", "ana")
    assert.strictEqual(bare.code, 2)
    assert.include(bare.err, "--none")
    assert.include((await beside("principal", "show", "ana")).out, "owner")
    assert.strictEqual((await ana("halt", "--show")).out.trim(), "Nothing is stopped.")
    assert.strictEqual((await beside("principal", "disable", "ana")).code, 0)
    assert.include((await ana("confirmations")).err, "does not know this token")
    assert.strictEqual((await beside("principal", "enable", "ana")).code, 0)
    assert.strictEqual((await ana("confirmations")).code, 0)
  }, 120_000)
})

describe("keelson actions", () => {
  it("lists what was proposed, shows one whole, and takes a person's word only where nobody knows the end", async () => {
    const { actionId, confirmationId } = await ask("told", { path: "told.txt", content: "told" })
    assert.strictEqual((await beside("approve", confirmationId)).code, 0)
    await ended(actionId)
    const listed = await beside("actions", "--status", "Executed")
    assert.match(listed.out, /^ID +TOOL +ASKED BY +STATUS +SINCE \(UTC\)$/m)
    assert.include(listed.out, `${actionId}  file.write  person owner  Executed`)
    assert.notInclude((await beside("actions", "--status", "Unknown")).out, actionId)
    assert.deepInclude(
      JSON.parse((await beside("actions", "--json")).out).items.find((one: any) => one.actionId === actionId),
      { status: "Executed" }
    )
    const shown = await beside("actions", "show", actionId)
    for (const words of ["Executed", "told.txt", "decided by", "gave", actionId]) assert.include(shown.out, words)
    const settled = await beside("actions", "reconcile", actionId, "--outcome", "failed", "--reason", "looked")
    assert.deepStrictEqual([settled.code, /it is Executed/.test(settled.err)], [1, true], settled.err)
    assert.strictEqual((await beside("actions", "show", "nonsense")).code, 2)
  })
})

describe("keelson halt and resume", () => {
  it("stop everything with a reason that everybody sees, and let it go on", async () => {
    const { actionId, confirmationId } = await ask("held", { path: "held.txt", content: "held" })
    assert.strictEqual((await beside("halt")).code, 2)
    assert.strictEqual((await beside("halt", "--reason", "a drill")).code, 0)
    assert.include((await beside("halt", "--show")).out, "Everything is stopped by owner: a drill\nSince 2")
    const second = (await beside("halt", "--reason", "another drill")).out.replace(/\s+/g, " ")
    assert.include(second, "It was stopped already. Everything is stopped by owner: a drill The reason is yours now.")
    assert.include(second, "Let it go on: npm run keelson -- resume")
    assert.include((await beside("confirmations")).out, "Everything is stopped by owner: another drill")
    assert.strictEqual((await beside("approve", confirmationId)).code, 0)
    assert.isFalse(existsSync(join(service.workspace, "held.txt")))
    assert.strictEqual((await beside("resume")).code, 0)
    assert.strictEqual((await ended(actionId)).status, "Executed")
    const again = await beside("resume")
    assert.deepStrictEqual([again.code, again.err.trim()], [1, "keelson resume: Nothing is stopped."])
  })
})

const watchLines = (...args: ReadonlyArray<string>) =>
  keelson(["confirmations", "watch", "--url", service.url, "--data-folder", join(home.path, "data"), ...args])

describe("keelson confirmations watch, where there is no terminal", () => {
  // What the tests before left.
  beforeAll(async () => {
    for (const { confirmationId } of (await service.get("/v1/confirmations")).body.items) {
      await service.post(`/v1/confirmations/${confirmationId}/deny`, `clear-${confirmationId}`, {})
    }
  })

  it("prints each question once, and that it waits no more", async () => {
    const { confirmationId } = await ask("printed", { path: "printed.txt", content: "x" })
    const running = watchLines()
    for (;;) if ((await running.line()).includes(confirmationId)) break
    await beside("deny", confirmationId, "--reason", "done")
    for (;;) if ((await running.line()) === `${confirmationId} no longer waits.`) break
    running.signal("SIGTERM")
    const { code, out } = await running.ended
    assert.strictEqual(code, 143)
    assert.strictEqual(out.split(confirmationId).length, 3)
  })

  it("gives machines a line for what waits, what is gone, and a halt", async () => {
    const running = watchLines("--json")
    const next = async () => JSON.parse(await running.line())
    const { confirmationId } = await ask("machine", { path: "machine.txt", content: "x" })
    assert.strictEqual((await next()).waits.confirmationId, confirmationId)
    assert.strictEqual((await beside("halt", "--reason", "a drill")).code, 0)
    assert.deepInclude((await next()).halt, { halted: true, reason: "a drill" })
    assert.strictEqual((await beside("resume")).code, 0)
    assert.deepInclude((await next()).halt, { halted: false })
    await beside("deny", confirmationId, "--reason", "done")
    assert.deepStrictEqual(await next(), { gone: confirmationId })
    running.signal("SIGTERM")
    await running.ended
  })

  it("ends when nobody reads it any more", async () => {
    const running = watchLines("--json")
    const ends = running.ended
    running.unread()
    const { actionId, confirmationId } = await ask("unread", { path: "unread.txt", content: "x" })
    assert.strictEqual((await ends).code, 0)
    await beside("deny", confirmationId, "--reason", "done")
    await ended(actionId)
  })

  it("is refused before it begins, as any other command", async () => {
    const { code, err } = await as("kls_nonsense")("confirmations", "watch")
    assert.strictEqual(code, 1)
    assert.include(err.replace(/\s+/g, " "), "does not know this token")
  })
})
