import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as FileTools from "#layers/tool-executor/FileTools.ts"
import { open } from "#layers/tool-executor/Workspace.ts"
import { caller, folder, outsideUntouched, resolutions, secret, workspace } from "./folder.ts"

type Call = Effect.Success<ReturnType<typeof workspace>>["call"]

/** Every way to use a path; each must fail. Answers the codes, without repeats. */
const everyWay = (call: Call, path: string) =>
  Effect.forEach(
    [
      call("file.read", { path }),
      call("file.write", { path, content: "x" }),
      call("file.write", { path, content: "x", mode: "replace" }),
      call("file.write", { path, content: "x", mode: "append" })
    ],
    (attempt) =>
      Effect.map(Effect.flip(attempt), (error) => {
        assert.notInclude(error.detail, "/tmp")
        return error.code
      })
  ).pipe(Effect.map((codes) => [...new Set(codes.map(String))].sort()))

for (const resolution of resolutions) {
  describe(`the file tools (${resolution})`, () => {
    it.live("follow no symbolic link, wherever on the path it stands and whatever it points to", () =>
      Effect.gen(function* () {
        const place = yield* workspace(resolution)
        const { inside, outside, call } = place
        mkdirSync(join(inside, "d"))
        writeFileSync(join(inside, "d", "f"), "mine")
        symlinkSync(join(outside, "secret.txt"), join(inside, "file"))
        symlinkSync("../outside/secret.txt", join(inside, "relative"))
        symlinkSync(outside, join(inside, "directory"))
        symlinkSync("d/f", join(inside, "within"))
        symlinkSync("missing", join(inside, "dangling"))
        symlinkSync("loop", join(inside, "loop"))
        for (const link of ["file", "relative", "within", "dangling", "loop"]) {
          assert.deepStrictEqual(yield* everyWay(call, link), ["Exists", "LinkRefused"], link)
          assert.isTrue(lstatSync(join(inside, link)).isSymbolicLink())
        }
        for (const path of ["directory/secret.txt", "directory/new", "directory/deep/secret.txt"]) {
          assert.deepStrictEqual(yield* everyWay(call, path), ["LinkRefused"], path)
        }
        assert.strictEqual((yield* Effect.flip(call("file.list", { path: "directory/deep" }))).code, "LinkRefused")
        assert.strictEqual(readFileSync(join(inside, "d", "f"), "utf8"), "mine")
        assert.strictEqual(readlinkSync(join(inside, "dangling")), "missing")
        assert.isTrue(outsideUntouched(place))
      })
    )

    it.live("use no file that has a second name", () =>
      Effect.gen(function* () {
        const place = yield* workspace(resolution)
        const { inside, outside, call } = place
        linkSync(join(outside, "secret.txt"), join(inside, "hard"))
        assert.deepStrictEqual(yield* everyWay(call, "hard"), ["Exists", "LinkRefused"])
        assert.isTrue(outsideUntouched(place))
      })
    )

    it.live("neither open nor wait for pipes, sockets and devices", () =>
      Effect.gen(function* () {
        const { inside, call } = yield* workspace(resolution)
        execFileSync("mkfifo", [join(inside, "pipe")])
        const server = createServer()
        yield* Effect.acquireRelease(
          Effect.promise(() => new Promise<void>((resolve) => server.listen(join(inside, "socket"), resolve))),
          () => Effect.promise(() => new Promise<void>((resolve) => server.close(() => resolve())))
        )
        for (const path of ["pipe", "socket"]) {
          assert.deepStrictEqual(yield* everyWay(call, path), ["Exists", "NotAFile"], path)
        }
        const { entries } = yield* call("file.list", { path: "." })
        assert.deepStrictEqual(
          entries.map((entry: { type: string }) => entry.type),
          ["other", "other"]
        )
      })
    )

    it.effect.prop(
      "never touch or tell what is outside, whatever the path",
      [
        Schema.Array(Schema.Literals(["..", ".", "/", "/", "a", "link", "secret.txt", "outside", "\\", " ", "\0", "~"]))
      ],
      ([pieces]) =>
        Effect.gen(function* () {
          const place = yield* workspace(resolution)
          symlinkSync(place.outside, join(place.inside, "link"))
          mkdirSync(join(place.inside, "a"))
          const path = pieces.join("")
          for (const attempt of [
            place.call("file.read", { path }),
            place.call("file.list", { path }),
            place.call("file.write", { path, content: "x" }),
            place.call("file.write", { path, content: "x", mode: "replace" }),
            place.call("file.write", { path, content: "x", mode: "append" })
          ]) {
            const told = yield* Effect.match(attempt, { onFailure: (error) => error.detail, onSuccess: JSON.stringify })
            assert.notInclude(told, secret)
          }
          assert.isTrue(outsideUntouched(place))
        }),
      { arbitrary: { runs: 150 } }
    )
  })
}

describe("an open workspace", () => {
  it.live("stays the folder it was, also when its name comes to mean another", () =>
    Effect.gen(function* () {
      const place = yield* folder
      const { inside, outside } = place
      const call = yield* caller(FileTools.over(yield* open({ root: inside, resolution: "descriptor" })))
      yield* call("file.write", { path: "f", content: "mine" })
      renameSync(inside, `${inside}-moved`)
      symlinkSync(outside, inside)
      assert.strictEqual((yield* call("file.read", { path: "f" })).text, "mine")
      yield* call("file.write", { path: "g", content: "mine too" })
      assert.strictEqual(readFileSync(join(`${inside}-moved`, "g"), "utf8"), "mine too")
      assert.isTrue(outsideUntouched(place))
    })
  )
})
