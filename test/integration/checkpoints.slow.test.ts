/**
 * What the owner of a database does so well that the store alone looks clean, the real commands name with a checkpoint
 * that was kept elsewhere: on both databases.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Ed25519 from "#layers/signer/Ed25519.ts"
import { sha256OfHex } from "#layers/digest/NodeDigest.ts"
import * as Checkpoint from "#src/kernel/Checkpoint.ts"
import * as Postgres from "#test/kit/postgres.ts"
import * as Service from "#test/kit/service.ts"
import { folder, keelson } from "./cli-kit.ts"
import * as Tamper from "./tamper-kit.ts"

const server = await Postgres.server()

/** Each look is a process of its own, and an embedded store opens slowly where others work too. */
const patience = 120_000

const databases: ReadonlyArray<readonly [name: string, url: Tamper.Place["url"]]> = [
  ["PGlite", null],
  ...(server === null ? [] : [["PostgreSQL", server.url] as const])
]

interface Found {
  readonly clean: boolean
  readonly signed?: number
  readonly problems: ReadonlyArray<{ table: string; position: number; stream: string | null; what: string }>
}

for (const [name, url] of databases) {
  describe(`a journal in ${name}, with a checkpoint kept elsewhere`, { timeout: patience }, () => {
    const home = folder()
    const place: Tamper.Place = {
      data: join(home.path, "data"),
      schema: url === null ? "keelson" : Postgres.freshSchema(),
      url
    }
    const elsewhere = join(home.path, "elsewhere")
    const kept = join(elsewhere, "keelson.checkpoint")
    const keys = join(elsewhere, "public-keys.txt")
    const options: Service.Options = {
      folder: home.path,
      flags: { "checkpoint-interval-millis": 100, ...(url === null ? {} : { "database-schema": place.schema }) },
      environment: Tamper.environmentOf(place)
    }
    let story: Tamper.Story

    const run = (...args: ReadonlyArray<string>) =>
      keelson([...args, ...Tamper.flagsOf(place)], Tamper.environmentOf(place)).ended
    const verify = async (...args: ReadonlyArray<string>): Promise<Found & { readonly code: number | null }> => {
      const { code, err, out } = await run("verify", "--json", ...args)
      assert.strictEqual(err, "")
      return { ...(JSON.parse(out) as Found), code }
    }

    const journal = join(place.data, "journal")
    const untouched = join(home.path, "untouched")
    const restore = async () => {
      if (url !== null) return Tamper.restore(place)
      rmSync(journal, { recursive: true })
      cpSync(untouched, journal, { recursive: true })
    }

    /**
     * Does harm, looks with the checkpoint, and undoes it. What the store alone would say is what is not about the
     * checkpoint; where told, it is asked too.
     */
    const harmed = async (harm: (ask: Tamper.Ask) => Effect.Effect<void, unknown>, ask = false) => {
      await Tamper.asOwner(place, harm)
      const held = await verify("--checkpoint", kept, "--keys", keys)
      const alone = held.problems.filter(({ table }) => table !== "checkpoint")
      if (ask) assert.strictEqual((await verify()).clean, alone.length === 0)
      await restore()
      return { alone: alone.map(({ what }) => what), held }
    }
    const said = ({ problems }: Found) =>
      problems.filter(({ table }) => table === "checkpoint").map(({ position, what }) => [position, what] as const)

    beforeAll(async () => {
      await Service.using(options, async (service) => {
        story = await Tamper.live(service)
        assert.strictEqual((await service.stop()).code, 0, service.log())
      })
      mkdirSync(elsewhere)
      const { code, out } = await run("checkpoint")
      assert.strictEqual(code, 0)
      writeFileSync(kept, out)
      writeFileSync(keys, (await run("checkpoint", "--show-keys")).out)
      if (url === null) cpSync(journal, untouched, { recursive: true })
      else await Tamper.keep(place)
    }, patience)
    afterAll(() => home.remove())

    it("is covered to its last event once the service has stopped", async () => {
      const checkpoint = Checkpoint.parse(readFileSync(kept, "utf8"))
      assert.strictEqual(checkpoint?.size, story.head)
      assert.isAbove(story.head, 15)
      const { code, out } = await run("verify", "--checkpoint", kept, "--keys", keys)
      assert.strictEqual(code, 0, out)
      assert.match(out.replace(/\s+/g, " "), new RegExp(`Signed: the first ${story.head} events are the very ones`))
    })

    it("is seen to have lost its last event", async () => {
      const { alone, held } = await harmed((ask) =>
        Effect.flatMap(Tamper.forget(ask, story.sessions.at(-1)!), (position) => Tamper.closeGap(ask, position))
      )
      assert.deepStrictEqual(alone, [])
      assert.strictEqual(held.code, 1)
      assert.deepStrictEqual(said(held), [
        [story.head, `the journal was cut at position ${story.head - 1}: position ${story.head} was signed`]
      ])
    })

    it("is seen to have lost a stream, whether its gap was left or closed", async () => {
      let at = 0
      const left = await harmed((ask) =>
        Effect.map(Tamper.forget(ask, story.sessions[1]!), (position) => void (at = position))
      )
      assert.include(left.alone, `position ${at} is missing before it`)
      assert.deepStrictEqual(said(left.held), [[at, `position ${at} was signed and taken out`]])

      const closed = await harmed((ask) =>
        Effect.flatMap(Tamper.forget(ask, story.sessions[1]!), (position) => Tamper.closeGap(ask, position))
      )
      assert.deepStrictEqual(closed.alone, [])
      assert.strictEqual(closed.held.code, 1)
      const [first, ...rest] = said(closed.held)
      assert.deepStrictEqual(first, [at, `it was signed at position ${at + 1}: somebody moved it`])
      assert.match(rest.at(-1)![1], new RegExp(`was cut at position ${story.head - 1}`))
    })

    it("is seen to have a history that was changed, with every hash made anew", async () => {
      let positions: ReadonlyArray<number> = []
      const { alone, held } = await harmed((ask) =>
        Effect.map(Tamper.rehash(ask, `session:${story.busy}`), (changed) => void (positions = changed))
      )
      assert.isAbove(positions.length, 2)
      assert.deepStrictEqual(alone, [])
      assert.strictEqual(held.code, 1)
      assert.deepStrictEqual(
        said(held),
        positions.map((position) => [position, "it is not the event that was signed at this position"])
      )
      assert.deepStrictEqual(new Set(held.problems.map(({ stream }) => stream)), new Set([`session:${story.busy}`]))
    })

    it("is seen to have two events in each other's place", async () => {
      const [one, other] = [story.head - 2, story.head - 1]
      const { alone, held } = await harmed((ask) => Tamper.swap(ask, one, other))
      assert.deepStrictEqual(alone, [])
      assert.strictEqual(held.code, 1)
      assert.deepStrictEqual(said(held), [
        [one, `it was signed at position ${other}: somebody moved it`],
        [other, `it was signed at position ${one}: somebody moved it`]
      ])
    })

    it("is seen not to be the one that was signed where nothing but the checkpoint is left", async () => {
      const mine = join(place.data, "checkpoints")
      renameSync(mine, `${mine}.away`)
      const { held } = await harmed((ask) => Effect.asVoid(Tamper.rehash(ask, `session:${story.busy}`)))
      const swapped = await harmed((ask) => Tamper.swap(ask, story.head - 2, story.head - 1))
      renameSync(`${mine}.away`, mine)
      for (const found of [held, swapped.held]) {
        assert.strictEqual(found.code, 1)
        assert.match(said(found)[0]![1], /the first \d+ events are not the ones that were signed/)
      }
    })

    it("proves nothing once it is not the one that was signed", async () => {
      await Tamper.asOwner(place, (ask) => Effect.asVoid(Tamper.rehash(ask, `session:${story.busy}`)))
      const { code, err, out } = await run("prove", "1")
      await restore()
      assert.deepStrictEqual([code, out], [1, ""])
      assert.match(
        err.replace(/\s+/g, " "),
        /are not the ones that were signed; keelson verify --checkpoint names them/
      )
      assert.strictEqual((await run("prove", "1")).code, 0)
    })

    it("is not held against a checkpoint that is changed, unsigned or signed with another key", async () => {
      const note = readFileSync(kept, "utf8")
      const { origin, root, size } = Checkpoint.parse(note)!
      const forger = Buffer.alloc(32, 3)
      const forged = Checkpoint.textOf({ origin, root, size: size - 1 })
      const { id } = Checkpoint.publicKey(sha256OfHex, origin, Ed25519.publicBytes(forger))
      const wrong: ReadonlyArray<readonly [string, RegExp]> = [
        [note.replace(`\n${size}\n`, `\n${size - 1}\n`), /is not signed by/],
        [Checkpoint.noteOf(forged, [{ name: origin, id, bytes: Ed25519.sign(forger, forged) }]), /is not signed by/]
      ]
      for (const [text, why] of wrong) {
        const path = join(elsewhere, "wrong.checkpoint")
        writeFileSync(path, text)
        const { code, err, out } = await run("verify", "--checkpoint", path)
        assert.deepStrictEqual([code, out], [3, ""])
        assert.match(err.replace(/\s+/g, " "), why)
        assert.include(err.replace(/\s+/g, " "), "Nothing was verified.")
      }
      const others = join(elsewhere, "others.txt")
      writeFileSync(
        others,
        `${Checkpoint.keyText(Checkpoint.publicKey(sha256OfHex, origin, Ed25519.publicBytes(forger)))}\n`
      )
      assert.strictEqual((await run("verify", "--checkpoint", kept, "--keys", others)).code, 3)
    })

    it("is not signed any further by a service that starts on a journal that was rolled back", async () => {
      await Tamper.asOwner(place, (ask) =>
        Effect.flatMap(Tamper.forget(ask, story.sessions.at(-1)!), (position) => Tamper.closeGap(ask, position))
      )
      const before = readdirSync(join(place.data, "checkpoints"))
      await Service.using(options, async (service) => {
        const check = async () => {
          const { body } = await service.get("/ready")
          return [body.ready, body.checks.find((one: { name: string }) => one.name === "checkpoints").reason]
        }
        await Tamper.until(async () => (await check())[1] !== null)
        assert.deepStrictEqual(await check(), [
          false,
          `${story.head} events were signed, and the journal ends before position ${story.head}`
        ])
        assert.include((await service.get("/metrics")).body, "checkpoint_contradicted 1")
        // The work of agents goes on, and grows the journal past what was signed: that makes nothing good.
        for (const key of ["a", "b", "c"]) await service.post("/v1/sessions", `later-${key}`, {})
        await service.stop()
        assert.match(service.log(), /the journal contradicts its checkpoint/)
      })
      await restore()
      assert.deepStrictEqual(readdirSync(join(place.data, "checkpoints")), before)
    })

    const olderCopy = async () => {
      cpSync(journal, join(home.path, "older"), { recursive: true })
      await Service.using(options, async (service) => {
        await service.post("/v1/sessions", "newer", {})
        await service.stop()
      })
      writeFileSync(join(elsewhere, "newer.checkpoint"), (await run("checkpoint")).out)
      renameSync(journal, join(home.path, "newer"))
      renameSync(join(home.path, "older"), journal)
      assert.deepInclude(await verify(), { clean: true, code: 0 })
      const found = await verify("--checkpoint", join(elsewhere, "newer.checkpoint"))
      assert.strictEqual(found.code, 1)
      assert.match(said(found)[0]![1], /the journal was cut at position/)
      rmSync(journal, { recursive: true })
      renameSync(join(home.path, "newer"), journal)
    }
    const meanwhile = async () => {
      await Service.using(options, async (service) => {
        await service.post("/v1/sessions", "meanwhile", {})
        assert.deepInclude(await verify("--checkpoint", kept), { clean: true, signed: story.head })
        assert.strictEqual((await run("prove", "1")).code, 0)
      })
    }
    it(`is ${url === null ? "seen to be an older copy of itself" : "verified and proven while a service works on it"}`, () =>
      url === null ? olderCopy() : meanwhile())
  })
}
