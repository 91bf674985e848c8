#!/usr/bin/env node
/**
 * The command `keelson` of the published package.
 *
 * Owns: a clear sentence where Node is too old. Does not own: the commands (`layers/cli`).
 * Inside the repository it runs the sources, in the package what `npm run build` made of them.
 */
import { existsSync, readFileSync } from "node:fs"

const here = (/** @type {string} */ path) => new URL(`../${path}`, import.meta.url)
const floor = Number(/\d+/.exec(JSON.parse(readFileSync(here("package.json"), "utf8")).engines.node)?.[0])
const sources = here("layers/main.ts")

if (Number(process.versions.node.split(".")[0]) < floor) {
  process.stderr.write(`keelson needs Node ${floor} or newer; this is ${process.version}.\n`)
  process.exitCode = 1
} else await import((existsSync(sources) ? sources : here("dist/layers/main.js")).href)
