/** The real service over a real folder: a change, a mistake and its mending, by the system's watch and by SIGHUP. */
import { assert, describe, it } from "vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Service from "#test/kit/service.ts"

const forbid = `@id("stop") forbid (principal, action == Action::"file.list", resource);\n`

/** Asks until it is so; each answer takes its time, so this is no busy loop. */
const until = async <A>(ask: () => Promise<A>, holds: (found: A) => boolean): Promise<A> => {
  for (let asked = 0; asked < 20_000; asked++) {
    const found = await ask()
    if (holds(found)) return found
  }
  throw new Error("it did not come about")
}

describe("a service whose policies change", () => {
  it("takes them while it runs, refuses wrong ones in log and readiness, and looks at once on SIGHUP", async () => {
    const folder = mkdtempSync(join(tmpdir(), "keelson-policies-"))
    try {
      await Service.using({ folder }, async ({ get, log, pid, stop }) => {
        const write = (name: string, text: string) => writeFileSync(join(folder, "policies", name), text)
        const policy = async () => (await get("/v1/policy")).body
        const check = async () =>
          (await get("/ready")).body.checks.find(({ name }: { name: string }) => name === "policies")
        const first = await until(policy, ({ since }) => since !== null)
        assert.deepStrictEqual(await check(), { name: "policies", ready: true, reason: null })

        write("stop.cedar", forbid)
        const second = await until(policy, ({ hash, since }) => hash !== first.hash && since !== null)
        assert.deepInclude(second.policies, { id: "stop", file: "stop.cedar", gate: null })

        write("typo.cedar", `@id("typo")\npermit (principal, action == Action::"file.lits", resource);\n`)
        const told = await until(check, ({ reason }) => reason !== null)
        assert.deepStrictEqual(told, {
          name: "policies",
          ready: true,
          reason: "last change refused: typo.cedar:2; the log says why"
        })
        assert.strictEqual((await get("/ready")).status, 200)
        assert.strictEqual((await policy()).hash, second.hash)
        assert.include(log(), "typo.cedar:2: there is no tool")

        rmSync(join(folder, "policies", "typo.cedar"))
        rmSync(join(folder, "policies", "stop.cedar"))
        process.kill(pid, "SIGHUP")
        await until(policy, ({ hash, since }) => hash === first.hash && since !== null)
        assert.isNull((await until(check, ({ reason }) => reason === null)).reason)
        const { body } = await get("/v1/events?stream=policy:current")
        assert.deepStrictEqual(
          body.items.map(({ payload, type }: any) => [type, payload.hash, payload.previousHash]),
          [
            ["policy.changed", first.hash, null],
            ["policy.changed", second.hash, first.hash],
            ["policy.changed", first.hash, second.hash]
          ]
        )
        assert.strictEqual((await stop()).code, 0)
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)
})
