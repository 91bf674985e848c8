import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import * as FileKeyRing from "#layers/key-ring/FileKeyRing.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as PglitePgClient from "#layers/sql-client/PglitePgClient.ts"
import { at, folder, keelson, type Running, started, type Started } from "./cli-kit.ts"

const stack = /^\s+at .*:\d+:\d+\)?$/m

const home = folder()
const data = () => ["--data-folder", join(home.path, "data")]
afterAll(() => home.remove())

describe("keelson start, as a process", () => {
  let service: Running
  let told: Started
  beforeAll(async () => {
    service = keelson(["start", "--json", ...at(home.path)])
    told = started(await service.line())
  })
  afterAll(async () => {
    service.signal("SIGKILL")
    await service.ended
  })

  const get = (path: string, token: string) =>
    fetch(`${told.listening}${path}`, { headers: { authorization: `Bearer ${token}` } })

  it("listens where it says, for the token in the file it names", async () => {
    const token = readFileSync(told.ownerTokenPath, "utf8").trim()
    assert.strictEqual((await get("/v1/whoami", token)).status, 200)
    assert.strictEqual((await get("/v1/whoami", `${token.slice(0, -1)}_`)).status, 401)
    assert.strictEqual(told.pid, service.pid)
  })

  it("goes on where nobody reads its log any more", async () => {
    service.deafen()
    const token = readFileSync(told.ownerTokenPath, "utf8").trim()
    // Each of these is a line of the log.
    for (let call = 0; call < 5; call++) assert.strictEqual((await get("/v1/whoami", "nobody")).status, 401)
    assert.strictEqual((await get("/v1/whoami", token)).status, 200)
  })

  it("refuses a second process on its folder, naming the one that holds it", async () => {
    const { code, err, out } = await keelson(["start", ...at(home.path)]).ended
    assert.strictEqual(code, 1)
    assert.strictEqual(out, "")
    assert.include(err, String(service.pid))
    assert.notMatch(err, stack)
  })

  it("can't be verified while it holds its folder: exit code 3, and who holds it", async () => {
    const { code, err } = await keelson(["verify", ...data()]).ended
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

describe("keelson on a store that a service has left", () => {
  const refusal = async (args: ReadonlyArray<string>, environment = {}) => {
    const { code, err, out } = await keelson(["start", ...args], environment).ended
    assert.strictEqual(out, "", "nothing is said to listen")
    assert.notMatch(err, stack)
    return { code, err }
  }

  it("does not start where the port is taken: a sentence, and what to do", async () => {
    const server = await listening()
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const nowhere = join(home.path, "nothing-is-made")
    const { code, err } = await refusal(at(nowhere, port))
    server.close()
    assert.isFalse(existsSync(nowhere))
    assert.strictEqual(code, 1)
    assert.match(err.replace(/\s+/g, " "), new RegExp(`keelson start: Port ${port} on 127.0.0.1 is taken`))
    assert.include(err, "--port")
  })

  it("does not start where a policy is wrong: file and line", async () => {
    const policies = join(home.path, "policies")
    mkdirSync(policies)
    const text = '@id("mine")\npermit (\n  principal,\n  action == Action::"file.wirte",\n  resource\n);\n'
    writeFileSync(join(policies, "mine.cedar"), text)
    const { code, err } = await refusal([...at(home.path), "--policy-folder", policies])
    assert.strictEqual(code, 1)
    assert.match(err, /mine\.cedar:4: .*"file\.wirte"/)
  })

  it("says what the policies of a start would do, without a service", async () => {
    const asks = (path: string, expect: string) =>
      keelson([
        "policy",
        "test",
        ...data(),
        "--tool",
        "file.read",
        "--input",
        JSON.stringify({ path }),
        "--expect",
        expect
      ]).ended
    assert.deepInclude(await asks("a.txt", "run"), { code: 0, err: "" })
    assert.deepInclude(await asks(".env", "deny"), { code: 0, err: "" })
    assert.deepInclude(await asks(".env", "run"), { code: 1, err: "expected run, but it is deny\n" })
    const listed = await keelson(["policy", "check", "--json", ...data()]).ended
    const { policies, tools } = JSON.parse(listed.out) as {
      policies: ReadonlyArray<object>
      tools: ReadonlyArray<string>
    }
    assert.isAbove(policies.length, 5)
    assert.includeMembers([...tools], ["file.list", "file.read", "file.write"])
  })

  it("does not start where the owner's token is open to others: the command that mends it", async () => {
    const token = join(home.path, "data", "owner.token")
    chmodSync(token, 0o644)
    const { code, err } = await refusal(at(home.path))
    chmodSync(token, 0o600)
    assert.strictEqual(code, 1)
    assert.include(err, `Run: chmod 600 '${token}'`)
  })

  it("does not start with the wrapping keys of another journal", async () => {
    const key = join(home.path, "data", "keys", "wrapping-1.key")
    const own = readFileSync(key)
    const foreign = folder()
    await Effect.runPromise(
      Effect.scoped(FileKeyRing.make({ folder: foreign.path, createIfEmpty: true })).pipe(
        Effect.provide(NodePrivateFiles.layer)
      )
    )
    writeFileSync(key, readFileSync(join(foreign.path, "wrapping-1.key")))
    const { code, err } = await refusal(at(home.path))
    writeFileSync(key, own)
    foreign.remove()
    assert.strictEqual(code, 1)
    assert.include(err.replace(/\s+/g, " "), "wrapping-1.key is not the key of this journal")
  })

  it("does not start where the journal is gone and its keys are not", async () => {
    const [journal, aside] = [join(home.path, "data", "journal"), join(home.path, "aside")]
    renameSync(journal, aside)
    for (let start = 0; start < 2; start++) {
      const { code, err } = await refusal(at(home.path))
      assert.strictEqual(code, 1)
      assert.include(err.replace(/\s+/g, " "), "restore the journal they belong to")
    }
    rmSync(journal, { recursive: true })
    renameSync(aside, journal)
  })

  it("does not start where the workspace and the data folder lie in one another", async () => {
    const inside = join(home.path, "data", "workspace")
    const { code, err } = await refusal(["--port", "0", ...data(), "--workspace-folder", inside])
    assert.strictEqual(code, 1)
    assert.include(err.replace(/\s+/g, " "), "lie in one another")
  })

  it("does not verify what is no store, and makes none", async () => {
    const empty = join(home.path, "empty")
    mkdirSync(join(empty, "journal"), { recursive: true, mode: 0o700 })
    const { code, err } = await keelson(["verify", "--data-folder", empty]).ended
    assert.strictEqual(code, 3)
    assert.include(err, "There is no store in")
    assert.isFalse(existsSync(join(empty, "journal", "pgdata")))
  })

  it("does not say that there is no store where it can't look", async () => {
    const loop = join(home.path, "loop")
    symlinkSync(loop, loop)
    const { code, err } = await keelson(["verify", "--data-folder", loop]).ended
    assert.strictEqual(code, 3)
    assert.match(
      err.replace(/\s+/g, " "),
      /This user can't look into \S+ \(ELOOP\), so whether there is a store is not known/
    )
  })

  it("does not start where its folder can't be made, and says so at once", async () => {
    const link = join(home.path, "nowhere")
    symlinkSync(join(home.path, "not", "there"), link)
    const { code, err } = await refusal(["--port", "0", "--data-folder", join(link, "data")])
    assert.strictEqual(code, 1)
    assert.match(err.replace(/\s+/g, " "), /nowhere\/data can't be made \(EEXIST\)/)
  })

  it("does not start where the database does not answer, and does not tell its password", async () => {
    const url = "postgres://keelson:hunter2@127.0.0.1:9/keelson"
    const { code, err } = await refusal(at(home.path), { KEELSON_DATABASE_URL: url })
    assert.strictEqual(code, 1)
    assert.notInclude(err, "hunter2")
    assert.include(err, "Look whether the database runs")
  })

  it("does not start where a setting is wrong: exit code 2, and nothing is made", async () => {
    const elsewhere = join(home.path, "elsewhere")
    const { code, err } = await refusal([...at(elsewhere), "--turn-steps-max", "0"])
    assert.strictEqual(code, 2)
    assert.include(err, '--turn-steps-max: expected a value between 1 and 1000, but is "0"')
    assert.isFalse(existsSync(elsewhere))
  })

  it("verifies it: exit code 0, and what was looked at", async () => {
    const { code, out } = await keelson(["verify", "--json", ...data()]).ended
    assert.strictEqual(code, 0)
    const { clean, counts } = JSON.parse(out) as { clean: boolean; counts: Record<string, number> }
    assert.isTrue(clean)
    for (const name of ["events", "streams", "receipts", "rows", "counters", "keys"]) {
      assert.isAbove(counts[name] ?? 0, 0, name)
    }
  })

  it("names the event in which a letter was changed: exit code 1", async () => {
    const event = await Effect.runPromise(tampered(join(home.path, "data", "journal")))
    const { code, out } = await keelson(["verify", ...data()]).ended
    assert.strictEqual(code, 1)
    const words = out.replace(/\s+/g, " ")
    for (const part of [`position ${event.position}`, `stream ${event.stream}`, `event ${event.event_id}`]) {
      assert.include(words, part)
    }
    assert.notInclude(words, "Clean")
  })

  it("can't verify what is not there: exit code 3, and nothing is made", async () => {
    const nowhere = join(home.path, "nowhere")
    const { code, err, out } = await keelson(["verify", "--data-folder", nowhere]).ended
    assert.strictEqual(code, 3)
    assert.strictEqual(out, "")
    assert.include(err, "There is no store")
    assert.isFalse(existsSync(nowhere))
  })
})

interface Stored {
  readonly position: bigint
  readonly stream: string
  readonly event_id: string
}

/** Changes one letter of the fifth event's text, past the triggers that forbid it; answers which event that was. */
const tampered = (folder: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    yield* sql`ALTER TABLE keelson.event DISABLE TRIGGER ALL`
    yield* sql`UPDATE keelson.event SET body = replace(body, '"actor"', '"acter"') WHERE position = 5`
    yield* sql`ALTER TABLE keelson.event ENABLE TRIGGER ALL`
    yield* sql`ALTER TABLE keelson.event ENABLE ALWAYS TRIGGER protected`
    const [event] = yield* sql<Stored>`SELECT position, stream, event_id FROM keelson.event WHERE position = 5`
    return event!
  }).pipe(Effect.provide(PglitePgClient.layer({ folder })), Effect.scoped)

const listening = (): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => resolve(server))
  })

/** Waits on a condition that other work makes true. */
const waitUntil = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resume) => setImmediate(resume))
}
