import { assert, describe, it } from "@effect/vitest"
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ShellTool from "#layers/tool-executor/ShellTool.ts"
import { open } from "#layers/tool-executor/Workspace.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { caller, folder } from "./folder.ts"
import { containments, freshSleep, namespacesWork, waitUntil, withArgument } from "./processes.ts"

const commands = ["cat", "env", "false", "head", "printf", "pwd", "sh", "sleep", "yes"]

/** shell.run over a fresh workspace, and `sh` for what needs a script. */
const shell = Effect.fnUntraced(function* (options: Omit<ShellTool.ShellOptions, "workspace">) {
  const { inside } = yield* folder
  const workspace = yield* open({ root: inside })
  const tool = yield* ShellTool.make({ allowedCommands: commands, ...options, workspace })
  const call = yield* caller(tool.tools)
  const run = (command: string, args: ReadonlyArray<string> = [], more: object = {}) =>
    call(ShellTool.name, { command, arguments: args, ...more })
  const sh = (script: string, more: object = {}) => run("sh", ["-c", script], more)
  return { inside, run, sh, tool }
})

const noNewPrivileges = /^NoNewPrivs:\t1$/m
/** Where this process itself may gain none, nor has the program that gives them up, nothing could be seen. */
const privilegesCanBeSeen =
  process.platform === "linux" &&
  ["/usr/bin/setpriv", "/bin/setpriv"].some((file) => existsSync(file)) &&
  !noNewPrivileges.test(readFileSync("/proc/self/status", "utf8"))

const codeOf = (effect: Effect.Effect<unknown, { readonly code?: string }>) =>
  Effect.map(Effect.flip(effect), (error) => error.code)

for (const containment of containments) {
  describe(`shell.run (${containment})`, () => {
    it.live("passes arguments on as they are: nothing is split, joined, expanded or run", () =>
      Effect.gen(function* () {
        const { run } = yield* shell({ containment })
        const args = ["a b", "", "$HOME", "*", "`id`", "$(id)", "; id", "'\"", "\\n", "new\nline", "-x", "--", "é日"]
        const { stdout, ...rest } = yield* run("printf", ["<%s>", ...args])
        assert.strictEqual(stdout, args.map((argument) => `<${argument}>`).join(""))
        assert.deepStrictEqual(rest, { exitCode: 0, signal: null, stderr: "", truncated: false })
      })
    )

    it.live("gives the command the workspace, a bare environment and nothing to read", () =>
      Effect.gen(function* () {
        const { inside, run } = yield* shell({ containment, environment: { EXTRA: "1" } })
        assert.strictEqual((yield* run("pwd")).stdout, `${inside}\n`)
        const lines = String((yield* run("env")).stdout)
          .trim()
          .split("\n")
        // What a shell in front of the command sets of its own.
        const own = lines.filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line))
        assert.deepStrictEqual(own.sort(), [
          "EXTRA=1",
          `HOME=${inside}`,
          "LANG=C.UTF-8",
          `PATH=${ShellTool.defaultPath.join(":")}`
        ])
        assert.strictEqual((yield* run("cat")).stdout, "")
      })
    )

    it.live("tells exit codes and signals as results", () =>
      Effect.gen(function* () {
        const { run, sh } = yield* shell({ containment })
        assert.deepInclude(yield* run("false"), { exitCode: 1 })
        assert.deepInclude(yield* sh("echo out; echo err >&2; exit 129"), {
          exitCode: 129,
          signal: null,
          stdout: "out\n",
          stderr: "err\n"
        })
        const signal = containment === "group" ? "SIGSEGV" : null
        assert.deepInclude(yield* sh("kill -SEGV $$"), { exitCode: 139, signal, stderr: "" })
      })
    )

    it.live("keeps the first bytes of much output, each stream for itself, and lets the command end", () =>
      Effect.gen(function* () {
        const { sh } = yield* shell({ containment })
        const much = yield* sh("yes é | head -c 10000000; yes x | head -c 10 >&2; exit 7")
        assert.deepInclude(much, { exitCode: 7, truncated: true, stderr: "x\nx\nx\nx\nx\n" })
        assert.isAtMost(Buffer.byteLength(much.stdout), Bounds.shellOutputBytesMax)
        assert.isAtLeast(Buffer.byteLength(much.stdout), Bounds.shellOutputBytesMax - 2)
        assert.match(much.stdout, /^(é\n)+é?$/u)
      })
    )

    it.live("gives text that fits into a result, whatever bytes came", () =>
      Effect.gen(function* () {
        const { sh } = yield* shell({ containment })
        assert.strictEqual((yield* sh("printf 'a\\377b\\0c'")).stdout, "a\ufffdb\0c")
        const worst = yield* sh("head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2")
        assert.isAtMost(JSON.stringify(worst).length, Bounds.resultTextMax)
        assert.isTrue(worst.truncated)
      })
    )

    it.live("ends at its time limit with all it has started", () =>
      Effect.gen(function* () {
        const { sh } = yield* shell({ containment })
        const [one, two] = [freshSleep(), freshSleep()]
        const code = yield* codeOf(sh(`sleep ${one} & sh -c 'sleep ${two}'`, { timeoutMillis: 300 }))
        assert.strictEqual(code, "TimedOut")
        assert.deepStrictEqual([withArgument(one), withArgument(two)], [[], []])
      })
    )

    it.live("ends with its caller, also when it ignores SIGTERM", () =>
      Effect.gen(function* () {
        const { sh } = yield* shell({ containment })
        const mark = freshSleep()
        const fiber = yield* Effect.forkChild(sh(`trap '' TERM; sleep ${mark}; sleep ${mark}`))
        yield* waitUntil("the command runs", () => withArgument(mark).length === 1)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(withArgument(mark), [])
      })
    )

    it.live("lets a command clean up on SIGTERM before it is killed", () =>
      Effect.gen(function* () {
        const { inside, sh } = yield* shell({ containment })
        const mark = freshSleep()
        const script = `trap 'echo cleaned > done; exit 0' TERM; sleep ${mark} & wait`
        const fiber = yield* Effect.forkChild(sh(script))
        yield* waitUntil("the command runs", () => withArgument(mark).length === 1)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual((yield* sh("cat done")).stdout, "cleaned\n", inside)
      })
    )

    it.live.skipIf(!privilegesCanBeSeen)("gains no privilege by what it starts", () =>
      Effect.gen(function* () {
        const { run } = yield* shell({ containment })
        assert.match((yield* run("cat", ["/proc/self/status"])).stdout, noNewPrivileges)
      })
    )

    it.live("leaves nothing running behind a command that has ended", () =>
      Effect.gen(function* () {
        const { sh } = yield* shell({ containment })
        const mark = freshSleep()
        assert.deepInclude(yield* sh(`sleep ${mark} & echo started`), { exitCode: 0, stdout: "started\n" })
        assert.deepStrictEqual(withArgument(mark), [])
      })
    )
  })
}

describe.skipIf(!namespacesWork)("shell.run in a namespace", () => {
  it.live("ends what left the process group, too", () =>
    Effect.gen(function* () {
      const { sh } = yield* shell({ containment: "namespace" })
      const [gone, left] = [freshSleep(), freshSleep()]
      yield* sh(`setsid sleep ${gone} & echo`)
      const code = yield* codeOf(sh(`setsid sleep ${left} & sleep ${left}`, { timeoutMillis: 300 }))
      assert.strictEqual(code, "TimedOut")
      assert.deepStrictEqual([withArgument(gone), withArgument(left)], [[], []])
    })
  )

  it.live("neither reads this process's environment nor signals it", () =>
    Effect.gen(function* () {
      const inNamespace = yield* shell({ containment: "namespace" })
      const script = `head -c 1 /proc/${process.pid}/environ | od; kill -0 ${process.pid}`
      const told = yield* inNamespace.sh(script)
      assert.deepInclude(told, { exitCode: 1 })
      assert.match(told.stderr, /Permission denied/)
      const inGroup = yield* shell({ containment: "group" })
      assert.deepInclude(yield* inGroup.sh(script), { exitCode: 0 }, "counter-check: in a group it does both")
    })
  )
})

describe("shell.run's commands", () => {
  it.live("are those of the list, and the schema says so", () =>
    Effect.gen(function* () {
      const { run, tool } = yield* shell({ allowedCommands: ["echo", "no-such-program-here"] })
      assert.strictEqual((yield* run("echo", ["hi"])).stdout, "hi\n")
      for (const command of ["sh", "/bin/echo", "../echo", "", "echo hi"]) {
        const { detail } = yield* Effect.flip(run(command))
        assert.match(detail, /^command: Expected "echo" \| "no-such-program-here"$/)
      }
      assert.strictEqual(yield* codeOf(run("no-such-program-here")), "CommandNotFound")
      assert.strictEqual(tool.tools.length, 1)
    })
  )

  it.live("are given bounded arguments without NUL", () =>
    Effect.gen(function* () {
      const { run } = yield* shell({ allowedCommands: ["printf"] })
      const detail = (args: ReadonlyArray<string>) => Effect.map(Effect.flip(run("printf", args)), (it) => it.detail)
      assert.match(yield* detail(["a\0b"]), /^arguments\[0\]: Expected a string without NUL/)
      assert.match(yield* detail(Array.from({ length: Bounds.shellArgumentsMax + 1 }, () => "")), /^arguments: /)
      assert.strictEqual(yield* codeOf(run("printf", ["x".repeat(Bounds.inputTextMax + 1)])), "ArgumentsTooLong")
      assert.match((yield* Effect.flip(run("printf", [], { timeoutMillis: 0 }))).detail, /^timeoutMillis: /)
    })
  )

  it.live("are never taken from the workspace", () =>
    Effect.gen(function* () {
      const { inside } = yield* folder
      const workspace = yield* open({ root: inside })
      mkdirSync(join(inside, "bin"))
      writeFileSync(join(inside, "bin", "echo"), "#!/bin/sh\nprintf trap\n")
      chmodSync(join(inside, "bin", "echo"), 0o755)
      const refusal = yield* Effect.flip(ShellTool.make({ workspace, path: [join(inside, "bin")] }))
      assert.match(refusal.detail, /lies in the workspace/)
      const call = yield* caller((yield* ShellTool.make({ workspace })).tools)
      assert.strictEqual((yield* call(ShellTool.name, { command: "echo", arguments: ["real"] })).stdout, "real\n")
    })
  )

  it.live("are never taken from the workspace by a link on their path either", () =>
    Effect.gen(function* () {
      const { inside, outside } = yield* folder
      const workspace = yield* open({ root: inside })
      writeFileSync(join(inside, "trap"), "#!/bin/sh\nprintf trap\n")
      chmodSync(join(inside, "trap"), 0o755)
      symlinkSync(join(inside, "trap"), join(outside, "printf"))
      symlinkSync("/bin/echo", join(outside, "linked"))
      const allowedCommands = ["printf", "linked"]
      const alone = yield* caller((yield* ShellTool.make({ workspace, allowedCommands, path: [outside] })).tools)
      assert.strictEqual(yield* codeOf(alone(ShellTool.name, { command: "printf" })), "CommandNotFound")
      assert.strictEqual((yield* alone(ShellTool.name, { command: "linked", arguments: ["hi"] })).stdout, "hi\n")
      const path = [outside, ...ShellTool.defaultPath]
      const further = yield* caller((yield* ShellTool.make({ workspace, allowedCommands, path })).tools)
      assert.strictEqual((yield* further(ShellTool.name, { command: "printf", arguments: ["real"] })).stdout, "real")
    })
  )

  it.live(
    "by default open no file that an argument names; an empty list is no tool; a wrong setting stops the start",
    () =>
      Effect.gen(function* () {
        const { inside } = yield* folder
        const workspace = yield* open({ root: inside })
        assert.deepStrictEqual(ShellTool.defaultCommands, ["echo", "false", "printf", "pwd", "sleep", "true", "uname"])
        assert.deepStrictEqual((yield* ShellTool.make({ workspace, allowedCommands: [] })).tools, [])
        for (const options of [
          { allowedCommands: ["/bin/sh"] },
          { allowedCommands: ["a b"] },
          { path: ["bin"] },
          { environment: { PATH: "/tmp" } },
          { environment: { "A=B": "" } },
          { environment: { A: "\0" } }
        ]) {
          const error = yield* Effect.flip(ShellTool.make({ workspace, ...options }))
          assert.strictEqual(error._tag, "ToolInvalid", JSON.stringify(options))
        }
      })
  )
})
