import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { at, folder, keelson, type Running, started, type Started } from "./cli-kit.ts"

const stack = /^\s+at .*:\d+:\d+\)?$/m

describe("keelson start, as a process", () => {
  const home = folder()
  let service: Running
  let told: Started
  beforeAll(async () => {
    service = keelson(["start", "--json", ...at(home.path)])
    told = started(await service.line())
  })
  afterAll(async () => {
    service.signal("SIGKILL")
    await service.ended
    home.remove()
  })

  const get = (path: string, token: string) =>
    fetch(`${told.listening}${path}`, { headers: { authorization: `Bearer ${token}` } })

  it("listens where it says, for the token in the file it names", async () => {
    const token = readFileSync(told.ownerTokenPath, "utf8").trim()
    assert.strictEqual((await get("/v1/whoami", token)).status, 200)
    assert.strictEqual((await get("/v1/whoami", `${token.slice(0, -1)}_`)).status, 401)
    assert.strictEqual(told.pid, service.pid)
  })

  it("refuses a second process on its folder, naming the one that holds it", async () => {
    const { code, err, out } = await keelson(["start", ...at(home.path)]).ended
    assert.strictEqual(code, 1)
    assert.strictEqual(out, "")
    assert.include(err, String(service.pid))
    assert.notMatch(err, stack)
  })

  it("can't be verified while it holds its folder: exit code 3, and who holds it", async () => {
    const { code, err } = await keelson(["verify", "--data-folder", join(home.path, "data")]).ended
    assert.strictEqual(code, 3)
    assert.include(err, String(service.pid))
    assert.include(err, "Nothing was verified.")
  })

  it("stops under load with exit code 0 within ten seconds, on SIGTERM", async () => {
    const token = readFileSync(told.ownerTokenPath, "utf8").trim()
    const answers: Array<number> = []
    let asking = true
    const load = Array.from({ length: 8 }, async (_, caller) => {
      for (let number = 0; asking; number++) {
        const answer = await fetch(`${told.listening}/v1/sessions`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${token}`,
            "content-type": "application/json",
            "idempotency-key": `load-${caller}-${number}`
          },
          body: "{}"
        }).catch(() => null)
        if (answer === null) return
        answers.push(answer.status)
        await answer.arrayBuffer().catch(() => null)
      }
    })
    await waitUntil(() => answers.length >= 50)
    const before = performance.now()
    service.signal("SIGTERM")
    const { code, err, out } = await service.ended
    asking = false
    await Promise.all(load)
    assert.strictEqual(code, 0, err)
    assert.isBelow(performance.now() - before, 10_000)
    assert.deepStrictEqual(JSON.parse(out.trim().split("\n").at(-1)!), { stopped: "SIGTERM" })
    for (const status of answers) assert.include([201, 429, 503], status)
  })
})

describe("keelson start is refused", () => {
  const homes: Array<{ readonly remove: () => void }> = []
  const home = () => {
    const made = folder()
    homes.push(made)
    return made.path
  }
  afterAll(() => homes.forEach((made) => made.remove()))

  const refusal = async (args: ReadonlyArray<string>, environment = {}) => {
    const { code, err, out } = await keelson(["start", ...args], environment).ended
    assert.strictEqual(out, "", "nothing is said to listen")
    assert.notMatch(err, stack)
    return { code, err }
  }

  it("where its port is taken, with a sentence and what to do", async () => {
    const server = await listening()
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const { code, err } = await refusal(at(home(), port))
    server.close()
    assert.strictEqual(code, 1)
    assert.match(err.replace(/\s+/g, " "), new RegExp(`keelson start: Port ${port} on 127.0.0.1 is taken`))
    assert.include(err, "--port")
  })

  it("where the owner's token is open to others, with the command that mends it", async () => {
    const path = home()
    const token = join(path, "data", "owner.token")
    mkdirSync(join(path, "data"), { mode: 0o700 })
    writeFileSync(token, "x", { mode: 0o644 })
    chmodSync(token, 0o644)
    const { code, err } = await refusal(at(path))
    assert.strictEqual(code, 1)
    assert.include(err, `Run: chmod 600 '${token}'`)
  })

  it("where a policy is wrong, with file and line", async () => {
    const path = home()
    const policies = join(path, "policies")
    mkdirSync(policies)
    writeFileSync(
      join(policies, "mine.cedar"),
      'permit (\n  principal,\n  action == Action::"file.wirte",\n  resource\n);\n'
    )
    const { code, err } = await refusal([...at(path), "--policy-folder", policies])
    assert.strictEqual(code, 1)
    assert.match(err, /mine\.cedar:\d+: /)
    assert.include(err, "file.wirte")
  })

  it("where the database does not answer, without its password", async () => {
    const url = "postgres://keelson:hunter2@127.0.0.1:9/keelson"
    const { code, err } = await refusal(at(home()), { KEELSON_DATABASE_URL: url })
    assert.strictEqual(code, 1)
    assert.notInclude(err, "hunter2")
    assert.include(err, "Look whether the database runs")
  })

  it("where a setting is wrong, with exit code 2, and nothing is made", async () => {
    const path = home()
    const { code, err } = await refusal([...at(path), "--turn-steps-max", "0"])
    assert.strictEqual(code, 2)
    assert.include(err, '--turn-steps-max: expected a value between 1 and 1000, but is "0"')
    assert.throws(() => readFileSync(join(path, "data")), /ENOENT/)
  })
})

const listening = (): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => resolve(server))
  })

/** Waits on a condition that other work makes true. */
const waitUntil = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resume) => setImmediate(resume))
}
