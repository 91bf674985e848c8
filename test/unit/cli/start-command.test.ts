import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { assert, describe, it } from "@effect/vitest"
import { stopMillis } from "#layers/cli/StartCommand.ts"
import { AddressUnusable, PortTaken } from "#layers/edge/HttpDoor.ts"
import { FolderLocked } from "#layers/sql-client/FolderLock.ts"
import { EventStoreError } from "#src/ports/EventStore.ts"
import { PolicyError } from "#src/ports/PolicyEngine.ts"
import { PrivateFileError } from "#src/ports/PrivateFiles.ts"
import { keelson, running, secret } from "./kit.ts"

const asked = Effect.succeed("SIGTERM" as const)
/** The service is told about, then asked to stop. */
const soon = Effect.yieldNow.pipe(Effect.repeat({ times: 50 }), Effect.andThen(asked))

describe("start", () => {
  it.effect("tells where it listens, where data lies, which store and responder, and what to do next", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* keelson(["start"], { signal: soon })
      assert.strictEqual(exitCode, 0)
      const parts = [
        "Keelson 9.9.9",
        "http://127.0.0.1:7717",
        "PGlite in /data/journal; fsync was seen",
        "8 policies in /data/policies",
        "keelson/commands: deterministic, not a language model",
        "/data/owner.token",
        "keelson confirmations watch keelson demo curl",
        'curl -H "Authorization: Bearer $(cat /data/owner.token)" http://127.0.0.1:7717/v1/whoami',
        "Stopping (SIGTERM)",
        "Stopped."
      ]
      for (const part of parts) assert.include(out.replace(/\s+/g, " "), part)
      for (const line of out.split("\n")) if (!line.includes("curl")) assert.isAtMost(line.length, 80)
    })
  )

  it.effect("shows the owner's token on a terminal, and nowhere else", () =>
    Effect.gen(function* () {
      assert.include((yield* keelson(["start"], { signal: soon, terminal: true })).out, secret)
      for (const args of [["start"], ["start", "--json"]]) {
        const { err, out } = yield* keelson(args, { signal: soon })
        assert.notInclude(out + err, secret)
      }
      const json = yield* keelson(["start", "--json"], { signal: soon, terminal: true })
      assert.notInclude(json.out, secret)
    })
  )

  it.effect("looks at the policies again each time it is told to", () =>
    Effect.gen(function* () {
      const told = yield* Queue.bounded<void>(2)
      yield* Queue.offerAll(told, [undefined, undefined])
      const looked = yield* Queue.bounded<void>(2)
      const open = Effect.succeed({ ...running, reload: Effect.asVoid(Queue.offer(looked, undefined)) })
      const signal = Effect.andThen(Queue.takeN(looked, 2), asked)
      const { exitCode } = yield* keelson(["start"], { open, reread: Queue.take(told), signal })
      assert.strictEqual(exitCode, 0)
    })
  )

  it.effect("gives machines one line once it listens and one once it stopped", () =>
    Effect.gen(function* () {
      const { out } = yield* keelson(["start", "--json"], { signal: soon })
      const [first, second, ...rest] = out.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.strictEqual(first?.["listening"], "http://127.0.0.1:7717")
      assert.strictEqual(first?.["ownerTokenPath"], "/data/owner.token")
      assert.deepStrictEqual(second, { stopped: "SIGTERM" })
      assert.deepStrictEqual(rest, [])
    })
  )

  it.effect("warns where it runs as root, and only there", () =>
    Effect.gen(function* () {
      const { out } = yield* keelson(["start"], { signal: soon })
      assert.strictEqual(out.includes("This runs as root"), process.getuid?.() === 0)
    })
  )

  it.effect("warns where it can be reached from other machines", () =>
    Effect.gen(function* () {
      const open = yield* keelson(["start", "--host", "0.0.0.0"], { signal: soon })
      assert.include(open.out, "0.0.0.0 can be reached from other machines")
      for (const host of ["127.0.0.1", "localhost", "::1"]) {
        assert.notInclude((yield* keelson(["start", "--host", host], { signal: soon })).out, "other machines")
      }
    })
  )

  it.effect("releases what it opened before it says that it stopped, also when asked while it still opens", () =>
    Effect.gen(function* () {
      for (const signal of [soon, asked]) {
        let released = false
        const { exitCode } = yield* keelson(["start"], {
          signal,
          released: Effect.sync(() => {
            released = true
          })
        })
        assert.isTrue(released)
        assert.strictEqual(exitCode, 0)
      }
      const { exitCode, out } = yield* keelson(["start"], { signal: asked, open: Effect.never })
      assert.strictEqual(exitCode, 0)
      assert.notInclude(out, "listening")
    })
  )

  it.effect("says so, with exit code 1, where the release takes longer than was promised", () =>
    Effect.gen(function* () {
      const releasing = yield* Deferred.make<void>()
      const released = Effect.andThen(Deferred.succeed(releasing, undefined), Effect.never)
      const fiber = yield* Effect.forkChild(keelson(["start"], { signal: soon, released }))
      yield* Deferred.await(releasing)
      yield* TestClock.adjust(Duration.millis(stopMillis))
      const { err, exitCode } = yield* Fiber.join(fiber)
      assert.strictEqual(exitCode, 1)
      assert.include(err, `was not released within ${stopMillis} ms`)
    })
  )

  it.effect("opens nothing where a setting is wrong", () =>
    Effect.gen(function* () {
      let opened = false
      const { err, exitCode } = yield* keelson(["start", "--port", "x"], { opened: () => (opened = true) })
      assert.strictEqual(exitCode, 2)
      assert.isFalse(opened)
      assert.include(err, 'keelson start: --port: expected a whole number, but is "x"')
    })
  )
})

/** What can stand in the way, what a person is told, and its code for machines. */
const obstacles: ReadonlyArray<readonly [error: Error, code: string, says: RegExp]> = [
  [
    new PortTaken({ host: "127.0.0.1", port: 7717, retryable: false }),
    "PortTaken",
    /^keelson start: Port 7717 on 127.0.0.1 is taken/
  ],
  [
    new FolderLocked({
      folder: "/d",
      holderPid: 4711,
      detail: "/d is in use by process 4711; stop it first",
      retryable: true
    }),
    "FolderInUse",
    /process 4711/
  ],
  [
    new PrivateFileError({
      reason: "Insecure",
      path: "/d/owner.token",
      detail: "/d/owner.token is open to others (mode 0644); run: chmod 600 '/d/owner.token'",
      retryable: false
    }),
    "FileInsecure",
    /\(mode 0644\)\.\n  Run: chmod 600 '\/d\/owner\.token'$/m
  ],
  [
    new PolicyError({
      problems: [
        { file: "agents.cedar", line: 7, detail: "there is no tool file.wirte" },
        { file: "never.cedar", line: null, detail: "is a folder" }
      ],
      retryable: false
    }),
    "PoliciesWrong",
    /agents\.cedar:7: there is no tool file\.wirte\nnever\.cedar: is a folder/
  ],
  [
    new EventStoreError({ reason: "Unavailable", operation: "open", detail: "connection refused", retryable: true }),
    "StoreUnavailable",
    /Look whether the database runs/
  ],
  [
    new AddressUnusable({ host: "192.0.2.1", port: 7717, code: "EADDRNOTAVAIL", retryable: false }),
    "AddressUnusable",
    /it\s+is\s+no\s+address\s+of\s+this\s+machine/
  ],
  [new Error("boom"), "Unexpected", /boom/]
]

describe("a start that is refused", () => {
  it.effect("says in a sentence what is the matter, with exit code 1 and no stack", () =>
    Effect.gen(function* () {
      for (const [error, code, says] of obstacles) {
        const { err, exitCode, out } = yield* keelson(["start"], { open: Effect.fail(error) })
        assert.strictEqual(exitCode, 1, code)
        assert.match(err, says)
        assert.notMatch(err, /^\s+at /m)
        assert.strictEqual(out, "")
      }
    })
  )

  it.effect("names its code for machines", () =>
    Effect.gen(function* () {
      for (const [error, code] of obstacles) {
        const { err } = yield* keelson(["start", "--json"], { open: Effect.fail(error) })
        assert.strictEqual((JSON.parse(err) as { readonly refused: string }).refused, code)
      }
    })
  )
})
