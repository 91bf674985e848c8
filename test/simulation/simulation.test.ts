/**
 * The short form of `npm run simulate`: what `simulation.slow.test.ts` does with thousands of seeds.
 */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Machine from "./machine.ts"
import { change, mutants, restoreUnmarked } from "./mutants.ts"
import { only, plan } from "./plan.ts"
import type { Plan } from "./steps.ts"
import * as Pool from "./pool.ts"
import * as Process from "./process.ts"
import * as Seeds from "./seeds.ts"
import { shrink } from "./shrink.ts"

const root = resolve(import.meta.dirname, "../..")

const simulate = (...given: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [join(root, "test/simulation/main.ts"), ...given], { encoding: "utf8" })

const failuresOf = ({ stretches }: Pool.Report) => stretches.flatMap(({ failures }) => failures)

/** Tables as the formatter writes them say the same as without their blanks. */
const narrow = (text: string) => text.replace(/ +/g, " ").replace(/-{3,}/g, "---")

/** What the page tells between two marks is what is the case; KEELSON_TEST_UPDATE=1 writes it there. */
const told = (name: string, text: string) => {
  const path = join(root, "docs/simulation.md")
  const page = readFileSync(path, "utf8")
  const [before, , after] = page.split(new RegExp(`(?<=<!-- ${name} -->\\n)([\\s\\S]*?)(?=<!-- end of ${name} -->)`))
  assert.isDefined(after, `docs/simulation.md has no place for ${name}`)
  if (process.env["KEELSON_TEST_UPDATE"] !== undefined) {
    writeFileSync(path, `${before}\n${text}\n\n${after}`)
    return
  }
  const [, shown = ""] = page.split(`<!-- ${name} -->`)
  const stale = "KEELSON_TEST_UPDATE=1 npx vitest run test/simulation && npm run format"
  assert.strictEqual(narrow(shown.split("<!-- end of")[0]!.trim()), narrow(text), `the page is stale: ${stale}`)
}

describe("simulated runs", () => {
  it("hold in sixty seeds, and the same seeds in another thread give the same bytes", async () => {
    const options = { first: 1, count: 60, mutant: null, untilFailure: false, threads: 1 }
    const first = await Pool.run(options)
    assert.deepStrictEqual(failuresOf(first), [])
    assert.isAbove(
      first.stretches.reduce((sum, { events }) => sum + events, 0),
      1_000
    )
    assert.isAbove(
      first.stretches.reduce((sum, { runs }) => sum + runs, 0),
      50
    )
    const again = await Pool.run({ ...options, count: 20 })
    const digests = (report: Pool.Report) => report.stretches.flatMap((stretch) => stretch.digests)
    assert.deepStrictEqual(digests(first).slice(0, 20), digests(again))
  })

  it("hold today in every plan that once found something", () => {
    const seeds = Seeds.make()
    const folder = join(import.meta.dirname, "found")
    const files = readdirSync(folder)
    assert.isAbove(files.length, 0)
    for (const file of files) {
      const found = JSON.parse(readFileSync(join(folder, file), "utf8")) as Plan
      assert.isNull(seeds.replay(found).violation, file)
    }
  })
})

describe("mutants", () => {
  it("fit the file that each of them changes, exactly once", () => {
    for (const [name, mutant] of Object.entries({ ...mutants, restoreUnmarked })) {
      const source = readFileSync(join(root, mutant.file), "utf8")
      assert.notStrictEqual(change(name, mutant, source), source)
      assert.throws(() => change(name, mutant, ""), "0 times")
      assert.throws(() => change(name, mutant, source + source), "2 times")
    }
  })

  it.each(["acknowledge-before-commit", "decide-twice", "forget-expiry", "cache-past-erasure"])(
    "%s is found within 200 seeds",
    async (mutant) => {
      const report = await Pool.run({ first: 1, count: 200, mutant, untilFailure: true, shorten: false, threads: 1 })
      assert.isNotEmpty(failuresOf(report))
    }
  )

  it("end the command with 1, after a short history: that of docs/simulation.md", () => {
    const { status, stdout } = simulate("--mutant", "decide-twice", "--seeds", "40", "--threads", "1")
    assert.strictEqual(status, 1)
    const history = stdout.split("\n\n")[0]!.trim()
    assert.include(history, "DOES NOT HOLD: decided twice")
    assert.isBelow(history.split("\n").length, 30)
    told("history", `\`\`\`\n${history}\n\`\`\``)
  })

  it("are those that docs/simulation.md names", () => {
    const rows = Object.entries(mutants).map(([name, { about }]) => `| \`${name}\` | ${about} |`)
    told("mutants", ["| mutant | what is wrong |", "| --- | --- |", ...rows].join("\n"))
  })
})

describe("a plan", () => {
  const whole = plan(7)

  it("is made short until no step can be left out", () => {
    const [, second, third, , fifth] = whole.steps.map(({ number }) => number)
    const needed = [second!, third!, fifth!]
    const short = shrink(whole, ({ steps }) => needed.every((one) => steps.some(({ number }) => number === one)))
    assert.deepStrictEqual(
      short.steps.map(({ number }) => number),
      needed
    )
  })

  it("runs the same, whole or in part, when it is run again", () => {
    const seeds = Seeds.make()
    const part = only(whole, new Set(whole.steps.slice(0, 12).map(({ number }) => number)))
    for (const chosen of [whole, part]) {
      assert.deepStrictEqual(seeds.replay(chosen), seeds.replay(chosen))
    }
  })
})

describe("the simulated machine", () => {
  const outside = { ran: () => undefined }

  it("wakes sleepers at their time, and nobody who was killed", () => {
    const machine = Machine.make(0)
    const woken: Array<string> = []
    const sleep = (life: Machine.Life, millis: number) =>
      Effect.runForkWith(Process.running(life, outside))(
        Effect.delay(
          Effect.sync(() => void woken.push(`${life.name} ${machine.nowMillis()}`)),
          millis
        )
      )
    const [one, other] = [machine.live("one"), machine.live("other")]
    sleep(one, 20)
    sleep(other, 10)
    sleep(other, 30)
    machine.pass(25)
    other.kill()
    machine.pass(25)
    assert.deepStrictEqual(woken, ["other 10", "one 20"])
    assert.strictEqual(machine.nowMillis(), 50)
  })

  it("says so where no time passes any more", () => {
    const machine = Machine.make(0)
    Effect.runForkWith(Process.running(machine.live("one"), outside))(Effect.forever(Effect.yieldNow))
    assert.throws(() => machine.pass(1), "circle")
  })
})

describe("the command", () => {
  it("prints one history, the same every time", () => {
    const { status, stdout } = simulate("--seed", "3")
    assert.strictEqual(status, 0)
    assert.include(stdout, "everything held")
    assert.strictEqual(simulate("--seed", "3").stdout, stdout)
  })

  it.each([["--seeds", "0"], ["--mutant", "nobody"], ["--speed"]])("refuses %s %s", (...given) => {
    const { status, stderr } = simulate(...given)
    assert.strictEqual(status, 2)
    assert.include(stderr, "usage: npm run simulate")
  })
})
