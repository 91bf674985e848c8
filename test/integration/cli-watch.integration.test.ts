/**
 * The live view as a person has it: a terminal of 24 lines and 80 columns, its keys, and what stays of it.
 *
 * Needs `script` of util-linux (Debian: bsdutils) for a pseudo terminal.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import * as WatchScreen from "#layers/cli/people/WatchScreen.ts"
import * as Service from "#test/kit/service.ts"
import { folder, main } from "./cli-kit.ts"

const there = existsSync("/usr/bin/script")
if (!there) process.stderr.write("SKIP the watch in a terminal: it needs script of util-linux (apt install bsdutils)\n")

const home = folder()
let service: Service.Service
let session: string

beforeAll(async () => {
  service = await Service.start({ folder: home.path })
  session = (await service.post("/v1/sessions", "session", {})).body.sessionId
  mkdirSync(service.workspace, { recursive: true })
})
afterAll(async () => {
  await service.kill()
  home.remove()
})

const ask = async (key: string, args: object) => {
  const answer = await service.post(`/v1/sessions/${session}/actions`, key, { tool: "file.write", arguments: args })
  assert.strictEqual(answer.body.status, "Pending", JSON.stringify(answer.body))
  return answer.body as { readonly confirmationId: string; readonly actionId: string }
}
const ended = async (actionId: string) => (await service.get(`/v1/actions/${actionId}?waitMillis=20000`)).body

const enter = "\u001b[?1049h"
const left = "\u001b[?25h\u001b[?1049l"
const top = "\u001b[H"

interface Terminal {
  /** Everything that was sent to it. */
  readonly raw: () => string
  /** Waits until this was sent since the last key. */
  readonly shows: (text: string) => Promise<void>
  /** Waits until the screen as it was drawn last holds. */
  readonly drawn: (holds: (screen: string) => boolean) => Promise<void>
  readonly press: (keys: string) => void
  /** Decides by a key, once the watch takes one for the question that came up. */
  readonly decide: (key: string) => Promise<void>
  readonly ended: Promise<number | null>
}

const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`

/** The words as a command in a terminal; `before` and `after` are what `stty` says of it. */
const terminal = (words: ReadonlyArray<string>, environment: { readonly [name: string]: string } = {}): Terminal => {
  const command = `stty rows 24 cols 80; stty -g; ${words.map(quoted).join(" ")}; code=$?; stty -g; exit $code`
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], TERM: "xterm-256color", ...environment },
    stdio: ["pipe", "pipe", "inherit"]
  })
  const end = () => child.kill("SIGKILL")
  process.once("exit", end)
  let raw = ""
  let at = 0
  let wake = () => {}
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    raw += chunk
    wake()
  })
  const ended = new Promise<number | null>((done) =>
    child.once("close", (code) => {
      process.off("exit", end)
      done(code)
      wake()
    })
  )
  const more = () => new Promise<void>((resume) => (wake = resume))
  const shows = async (text: string) => {
    while (!raw.slice(at).includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended before it showed ${text}:\n${raw}`)
      await more()
    }
  }
  const drawn = async (holds: (screen: string) => boolean) => {
    while (!holds(raw.slice(raw.lastIndexOf(top)))) {
      if (child.exitCode !== null) throw new Error(`ended before that was drawn:\n${raw}`)
      await more()
    }
  }
  const press = (keys: string) => {
    at = raw.length
    child.stdin.write(keys)
  }
  const decide = async (key: string) => {
    await Service.untilClock(Date.now() + WatchScreen.settleMillis)
    press(key)
  }
  return { raw: () => raw, shows, drawn, press, decide, ended }
}

const beside = () => [
  ...["--url", service.url, "--data-folder", join(home.path, "data")],
  ...["--workspace-folder", service.workspace]
]
const watch = () => terminal([process.execPath, main, "confirmations", "watch", ...beside()])

/** The terminal's settings are those from before, and the screen and its cursor are given back. */
const isAsBefore = (raw: string) => {
  const [before, after] = [
    raw.trim().split("\n").at(0)?.trim(),
    raw.trim().split("\n").at(-1)?.split(left).at(-1)?.trim()
  ]
  assert.strictEqual(after, before)
  assert.include(raw, enter)
  assert.include(raw, left)
  assert.isAbove(raw.lastIndexOf(left), raw.lastIndexOf("\u001b[H"))
}

describe.skipIf(!there)("keelson confirmations watch in a terminal", () => {
  it("shows what changes in a file, and approves it with a key", async () => {
    writeFileSync(join(service.workspace, "list.txt"), "bread\nmilk\n")
    const wish = await ask("yes", { path: "list.txt", content: "bread\nsalt\n", mode: "replace" })
    const seen = watch()
    await seen.shows(wish.confirmationId)
    for (const part of ["list.txt: changes", "- milk", "+ salt", "a: approve"]) await seen.shows(part)
    await seen.decide("a")
    await seen.shows(`Approved ${wish.confirmationId}: file.write may run, once.`)
    assert.strictEqual((await ended(wish.actionId)).status, "Executed")
    assert.strictEqual(readFileSync(join(service.workspace, "list.txt"), "utf8"), "bread\nsalt\n")
    seen.press("q")
    assert.strictEqual(await seen.ended, 0)
    isAsBefore(seen.raw())
  }, 60_000)

  it("denies with a reason; Esc takes the reason back, and Ctrl-C leaves the watch", async () => {
    const wish = await ask("no", { path: "no.txt", content: "no" })
    const seen = watch()
    await seen.shows(wish.confirmationId)
    await seen.decide("d")
    await seen.shows("Why not?")
    seen.press("q\u001b")
    await seen.shows("a: approve")
    await seen.decide("d")
    await seen.shows("Why not?")
    seen.press("not today\r")
    await seen.shows(`Denied ${wish.confirmationId}: file.write does not run.`)
    assert.strictEqual((await ended(wish.actionId)).status, "Denied")
    seen.press("\u0003")
    assert.strictEqual(await seen.ended, 0)
    isAsBefore(seen.raw())
  }, 60_000)

  it("tells a halt while it lasts, and goes on when the service was away", async () => {
    const { confirmationId } = await ask("away", { path: "away.txt", content: "x" })
    const seen = watch()
    await seen.shows(confirmationId)
    seen.press("")
    await service.post("/v1/halt", "halt", { reason: "a drill" })
    // Right under the title, whole, in lines that fit.
    const stopped = "Everything is stopped by owner: a drill. Let it go on: npm run keelson -- resume"
    await seen.drawn((screen) => {
      const lines = stripVTControlCharacters(screen).split(/\r?\n/)
      assert.isTrue(lines.every((line) => line.length <= 80))
      return lines[0]!.startsWith("One action waits for you") && `${lines[1]}${lines[2]}` === stopped
    })
    await service.post("/v1/resume", "resume", {})
    await seen.drawn((screen) => screen.includes("One action waits") && !screen.includes("Everything is stopped"))
    const port = new URL(service.url).port
    await service.stop()
    seen.press("")
    await seen.shows("What is shown may be old")
    service = await Service.start({ folder: home.path, flags: { port } })
    seen.press("")
    await seen.shows("One action waits for you")
    await seen.decide("d")
    await seen.shows("Why not?")
    seen.press("back again\r")
    await seen.shows(`Denied ${confirmationId}: file.write does not run.`)
    seen.press("q")
    assert.strictEqual(await seen.ended, 0)
    isAsBefore(seen.raw())
  }, 90_000)

  it("says that what it shows may be old while the service hangs, and is left at once", async () => {
    const { confirmationId } = await ask("hangs", { path: "hangs.txt", content: "x" })
    const seen = watch()
    await seen.shows(confirmationId)
    process.kill(service.pid, "SIGSTOP")
    try {
      await seen.shows("has not answered for a while")
      const pressedAt = performance.now()
      seen.press("\u0003")
      assert.strictEqual(await seen.ended, 0)
      assert.isBelow(performance.now() - pressedAt, 5_000)
      isAsBefore(seen.raw())
    } finally {
      process.kill(service.pid, "SIGCONT")
    }
    await service.post(`/v1/confirmations/${confirmationId}/deny`, "deny-hangs", {})
  }, 60_000)

  it("obeys no sequence that an agent wrote", async () => {
    const evil = "\u001b[2J\u001b[31m\u202Egood\u0007"
    const { confirmationId } = await ask("evil", { path: `evil\n  exactly`, content: evil })
    const seen = watch()
    await seen.shows(confirmationId)
    await seen.shows("\\u{1b}[2J")
    // Its own single clearing of the screen, at the start.
    assert.strictEqual(seen.raw().split("\u001b[2J").length, 2)
    for (const obeyed of ["\u202e", "\u0007", "evil\r\n"]) assert.notInclude(seen.raw(), obeyed)
    await seen.decide("d")
    await seen.shows("Why not?")
    seen.press("no\r")
    await seen.shows("Denied")
    seen.press("q")
    await seen.ended
  }, 60_000)
})

describe.skipIf(!there)("keelson approve --edit in a terminal", () => {
  const edit = (id: string, editor: string) =>
    terminal([process.execPath, main, "approve", id, "--edit", ...beside()], { EDITOR: editor })

  it("shows what was changed and asks once more; no means that nothing was decided", async () => {
    const wish = await ask("edit", { path: "edit.txt", content: "asked" })
    const first = edit(wish.confirmationId, "sed -i s/asked/edited/")
    await first.shows("Approve exactly this?")
    assert.match(first.raw(), /- {3}"content": "asked"/)
    assert.match(first.raw(), /\+ {3}"content": "edited"/)
    first.press("n")
    assert.strictEqual(await first.ended, 1)
    assert.strictEqual((await service.get(`/v1/actions/${wish.actionId}`)).body.status, "Pending")
    const second = edit(wish.confirmationId, "sed -i s/asked/edited/")
    await second.shows("Approve exactly this?")
    second.press("y")
    assert.strictEqual(await second.ended, 0)
    assert.strictEqual((await ended(wish.actionId)).status, "Executed")
    assert.strictEqual(readFileSync(join(service.workspace, "edit.txt"), "utf8"), "edited")
  }, 60_000)

  it("approves nothing only because the editor was left without a change", async () => {
    const wish = await ask("same", { path: "same.txt", content: "asked" })
    const seen = edit(wish.confirmationId, "true")
    await seen.shows("Approve it as it stands?")
    seen.press("n")
    assert.strictEqual(await seen.ended, 1)
    assert.strictEqual((await service.get(`/v1/actions/${wish.actionId}`)).body.status, "Pending")
    await service.post(`/v1/confirmations/${wish.confirmationId}/deny`, "deny-same", {})
  }, 60_000)
})
