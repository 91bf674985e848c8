/**
 * Writes the golden history of a version: `node test/golden/regenerate.ts v1`.
 *
 * Once per release, for a version that is not written yet. What is written is never changed: old journals exist.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { history, line, rowsDigest } from "./history.ts"

const version = process.argv[2]
if (version === undefined || !/^v\d+$/.test(version)) throw new Error("which version? for example: v2")
const folder = join(import.meta.dirname, version)
if (existsSync(join(folder, "gateway.txt")))
  throw new Error(`${version} is written; golden histories are never rewritten`)
const events = await Effect.runPromise(history)
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, "gateway.txt"), `${events.map(line).join("\n")}\n`)
writeFileSync(join(folder, "gateway.digest"), `${rowsDigest(events)}\n`)
