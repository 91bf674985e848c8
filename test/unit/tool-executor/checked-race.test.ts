/**
 * The weaker resolution, at the moments between its looks: each swap that a process beside us could make is made there
 * by hand, so that no chance decides whether the test meets it.
 */
import { assert, describe, it } from "@effect/vitest"
import { constants, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileTools from "#layers/tool-executor/FileTools.ts"
import { attempt, type Directory, open, type Workspace } from "#layers/tool-executor/Workspace.ts"
import { caller, folder, outsideUntouched } from "./folder.ts"

/** `d/secret.txt` and `f` hold "mine". */
const place = Effect.gen(function* () {
  const { inside, outside } = yield* folder
  const workspace = yield* open({ root: inside, resolution: "checked" })
  mkdirSync(join(inside, "d"))
  writeFileSync(join(inside, "d", "secret.txt"), "mine")
  writeFileSync(join(inside, "f"), "mine")
  const held = join(inside, "held")
  return {
    inside,
    outside,
    workspace,
    /** `d` leads outside from here on. */
    leadOut: () => {
      renameSync(join(inside, "d"), held)
      symlinkSync(outside, join(inside, "d"))
    },
    leadBack: () => {
      unlinkSync(join(inside, "d"))
      renameSync(held, join(inside, "d"))
    }
  }
})

/** Does something right before the nth time that a name in the directory is used. */
const before = (nth: number, directory: Directory, swap: () => void): Directory => {
  let uses = 0
  return {
    ...directory,
    at: (name) => {
      if (++uses === nth) swap()
      return directory.at(name)
    }
  }
}

/** Opens a file for reading; the code with which that was refused. */
const codeOfOpening = (workspace: Workspace, directory: Directory, name: string) =>
  Effect.match(
    attempt(async () => (await workspace.file(directory, name, constants.O_RDONLY)).close()),
    { onFailure: ({ code }): string => code, onSuccess: () => "opened" }
  )

const directoryOf = (workspace: Workspace, parts: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(() => workspace.directory(parts)),
    ({ close }) => Effect.promise(close)
  )

describe("the checked resolution", () => {
  it.live("opens what stands there, where nobody swaps anything", () =>
    Effect.gen(function* () {
      const { workspace } = yield* place
      const directory = yield* directoryOf(workspace, ["d"])
      assert.strictEqual(yield* codeOfOpening(workspace, directory, "secret.txt"), "opened")
    })
  )

  it.live("refuses a file whose folder became a link out of the workspace between look and use", () =>
    Effect.gen(function* () {
      const { leadOut, workspace } = yield* place
      const directory = before(2, yield* directoryOf(workspace, ["d"]), leadOut)
      assert.strictEqual(yield* codeOfOpening(workspace, directory, "secret.txt"), "Moved")
    })
  )

  it.live("refuses it also where the folder is back before anybody looks again", () =>
    Effect.gen(function* () {
      const { leadBack, leadOut, workspace } = yield* place
      const directory = before(2, yield* directoryOf(workspace, ["d"]), leadOut)
      const returning: Directory = {
        ...directory,
        verify: (name, handle) => {
          leadBack()
          return directory.verify(name, handle)
        }
      }
      assert.strictEqual(yield* codeOfOpening(workspace, returning, "secret.txt"), "Moved")
    })
  )

  it.live("opens no link and no second name that took a file's place after it was looked at", () =>
    Effect.gen(function* () {
      const { inside, outside, workspace } = yield* place
      for (const put of [symlinkSync, linkSync]) {
        const directory = before(2, yield* directoryOf(workspace, []), () => {
          rmSync(join(inside, "f"))
          put(join(outside, "secret.txt"), join(inside, "f"))
        })
        assert.strictEqual(yield* codeOfOpening(workspace, directory, "f"), "LinkRefused", put.name)
        rmSync(join(inside, "f"))
        writeFileSync(join(inside, "f"), "mine")
      }
    })
  )

  it.live("leaves no file outside where a folder became a link while one was made", () =>
    Effect.gen(function* () {
      const found = yield* place
      const { leadBack, leadOut, workspace } = found
      for (const mode of ["create", "replace"]) {
        const swapped: Workspace = {
          ...workspace,
          // A replacement looks at the old file first.
          directory: async (parts) => before(mode === "create" ? 1 : 2, await workspace.directory(parts), leadOut)
        }
        const call = yield* caller(FileTools.over(swapped))
        const error = yield* Effect.flip(call("file.write", { path: "d/new", content: "x", mode }))
        assert.strictEqual(error.code, "Moved", mode)
        assert.isTrue(outsideUntouched(found), mode)
        leadBack()
      }
    })
  )

  it.live("does nothing at all once the workspace's own name means another folder", () =>
    Effect.gen(function* () {
      const found = yield* place
      const { inside, outside, workspace } = found
      const call = yield* caller(FileTools.over(workspace))
      renameSync(inside, `${inside}-moved`)
      symlinkSync(outside, inside)
      for (const way of [
        call("file.list", { path: "." }),
        call("file.read", { path: "secret.txt" }),
        call("file.write", { path: "new", content: "x" })
      ]) {
        assert.strictEqual((yield* Effect.flip(way)).code, "Moved")
      }
      assert.isTrue(outsideUntouched(found))
    })
  )
})
