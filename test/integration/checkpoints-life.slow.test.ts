/** Checkpoints over the life of a real service: kills, a rotation, an erasure; on both databases. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { sha256OfHex } from "#layers/digest/NodeDigest.ts"
import * as Ed25519 from "#layers/signer/Ed25519.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import type { Hash } from "#src/kernel/Ids.ts"
import * as Merkle from "#src/kernel/Merkle.ts"
import * as Postgres from "#test/kit/postgres.ts"
import * as Programs from "#test/kit/programs.ts"
import * as Service from "#test/kit/service.ts"
import { folder, keelson } from "./cli-kit.ts"
import * as Tamper from "./tamper-kit.ts"

const server = await Postgres.server()
const hasPython = Programs.has("python3")
const checker = resolve(import.meta.dirname, "../../docs/samples/check_proof.py")

const databases: ReadonlyArray<readonly [name: string, url: Tamper.Place["url"]]> = [
  ["PGlite", null],
  ...(server === null ? [] : [["PostgreSQL", server.url] as const])
]

for (const [name, url] of databases) {
  describe(`checkpoints of a service on ${name}`, { timeout: 180_000 }, () => {
    const home = folder()
    const place: Tamper.Place = {
      data: join(home.path, "data"),
      schema: url === null ? "keelson" : Postgres.freshSchema(),
      url
    }
    const checkpoints = join(place.data, "checkpoints")
    const options: Service.Options = {
      folder: home.path,
      flags: { "checkpoint-interval-millis": 100, ...(url === null ? {} : { "database-schema": place.schema }) },
      environment: Tamper.environmentOf(place)
    }
    const run = async (...args: ReadonlyArray<string>) => {
      const ended = await keelson([...args, ...Tamper.flagsOf(place)], Tamper.environmentOf(place)).ended
      assert.strictEqual(ended.code, 0, ended.err)
      return ended.out
    }
    const file = (path: string, text: string) => {
      writeFileSync(join(home.path, path), text)
      return join(home.path, path)
    }
    const sizes = () =>
      existsSync(checkpoints)
        ? readdirSync(checkpoints).flatMap((path) => (path.endsWith(".checkpoint") ? [Number.parseInt(path, 10)] : []))
        : []
    const newest = () => Math.max(0, ...sizes())
    const noteOf = (size: number) =>
      readFileSync(join(checkpoints, `${String(size).padStart(16, "0")}.checkpoint`), "utf8")
    afterAll(() => home.remove())

    it("lose no event and take none twice, wherever the process is killed", async () => {
      for (let life = 0; life < 3; life++) {
        const service = await Service.start(options)
        let answered = 0
        const load = Array.from({ length: 4 }, async (_, caller) => {
          for (let number = 0; number < 200; number++) {
            const answer = await service.post("/v1/sessions", `${life}/${caller}/${number}`, {}).catch(() => null)
            if (answer === null) return
            answered += 1
            await service
              .post(`/v1/sessions/${answer.body.sessionId}/close`, `c${life}/${caller}/${number}`, {})
              .catch(() => null)
          }
        })
        const before = newest()
        // Sometimes at once after a checkpoint, sometimes in the middle of the work for the next one.
        await Tamper.until(() => (life % 2 === 0 ? newest() > before && answered > 5 : answered > 25))
        await service.kill()
        await Promise.all(load)
      }
      await Service.using(options, async (service) => {
        assert.strictEqual((await service.stop()).code, 0)
      })
      const found = JSON.parse(await run("verify", "--json", "--checkpoint", file("newest", await run("checkpoint"))))
      assert.deepInclude(found, { clean: true, signed: found.counts.events })

      // Every checkpoint of every life says the same of the same events.
      const bytes = readFileSync(join(checkpoints, "leaves")).toString("hex")
      const leaves = Array.from({ length: bytes.length / 64 }, (_, at) => bytes.slice(64 * at, 64 * at + 64) as Hash)
      assert.strictEqual(leaves.length, found.counts.events)
      const keys = Checkpoint.parseKeys(sha256OfHex, readFileSync(join(checkpoints, "public-keys.txt"), "utf8"))!
      assert.isAtLeast(sizes().length, 2)
      for (const size of sizes()) {
        const checkpoint = Checkpoint.parse(noteOf(size))!
        assert.isTrue(Checkpoint.isSigned(checkpoint, keys, Ed25519.verify))
        const tree = Merkle.grow(sha256OfHex, Merkle.empty, leaves.slice(0, size))
        assert.strictEqual(checkpoint.root, Merkle.root(sha256OfHex, tree))
      }
    })

    it("are signed with another key after a rotation beside the running service, and continue the older ones", async () => {
      const before = newest()
      const oldKeys = file("old-keys", await run("checkpoint", "--show-keys"))
      const old = file("old", noteOf(before))
      await Service.using(options, async (service) => {
        await run("checkpoint", "--rotate-key")
        await service.post("/v1/sessions", "rotated", {})
        await Tamper.until(() => newest() > before)
        await service.stop()
      })
      const keys = file("keys", await run("checkpoint", "--show-keys"))
      assert.strictEqual(readFileSync(keys, "utf8").trim().split("\n").length, 2)
      assert.strictEqual(readFileSync(join(checkpoints, "public-keys.txt"), "utf8"), readFileSync(keys, "utf8"))
      const proof = file("growth", await run("prove", "--from", old))
      assert.match(await run("prove", "--check", proof, "--from", old, "--keys", keys), /^It holds: /)
      const judged = await keelson(["prove", "--check", proof, "--from", old, "--keys", oldKeys]).ended
      assert.strictEqual(judged.code, 1)
      assert.match(judged.err.replace(/\s+/g, " "), /is not signed by the key given/)
      if (hasPython)
        assert.match(execFileSync("python3", [checker, keys, proof, old], { encoding: "utf8" }), /^holds: /)
    })

    it("prove the events of an erased session, by the same proof as before its erasure", async () => {
      const word = "Archaeopteryx-0815"
      let sessionId = ""
      await Service.using(options, async (service) => {
        const opened = await service.post("/v1/sessions", "to-forget", { title: `about ${word}` })
        sessionId = opened.body.sessionId
        await service.post(`/v1/sessions/${sessionId}/close`, "to-forget-close", {})
        await service.stop()
      })
      const checkpoint = file("before", await run("checkpoint"))
      const position = newest() - 1
      const before = await run("prove", String(position), "--to", checkpoint)
      await Service.using(options, async (service) => {
        const erased = await service.post(`/v1/sessions/${sessionId}/erase`, "forget", {})
        assert.strictEqual(erased.body.status, "Erased", JSON.stringify(erased.body))
        await service.stop()
      })
      assert.isAbove(newest(), position + 1)
      assert.strictEqual(await run("prove", String(position), "--to", checkpoint), before)
      const { event } = Checkpoint.parseInclusion(before)!
      assert.include(event, `session:${sessionId}`)
      assert.notInclude(event, word)
      // Against the newest checkpoint too, which covers the erasure.
      const after = file("after", await run("prove", String(position)))
      const keys = file("keys", await run("checkpoint", "--show-keys"))
      assert.match(await run("prove", "--check", after, "--keys", keys), /^It holds: evt_/)
      if (hasPython) assert.match(execFileSync("python3", [checker, keys, after], { encoding: "utf8" }), /^holds: evt_/)
      const found = JSON.parse(await run("verify", "--json", "--checkpoint", checkpoint))
      assert.deepInclude(found, { clean: true, signed: position + 1 })
    })
  })
}
