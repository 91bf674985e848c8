/**
 * Compiles the package into `dist`: what `npm pack` ships, since Node runs no TypeScript below node_modules.
 *
 *   src, layers --tsc--> dist/src, dist/layers (JavaScript, declarations, maps)
 *   their other files are copied beside, and so are the starter policies
 *   dist/package.json: the same #src and #layers, pointing at what was compiled; for what is compiled, the root
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const dist = path.join(root, "dist")

/** @param {string} file */
const isCompiled = (file) => /\.ts$|(^|\/)tsconfig[^/]*\.json$|\.tsbuildinfo$/.test(file)

/**
 * TS2877: an import of #src or #layers ends in .ts and is not rewritten, since it is not relative. That is as
 * wanted: dist/package.json maps it. Every other diagnostic fails the build.
 * @param {string} output
 */
const faultsIn = (output) => output.split("\n").filter((line) => / error TS(?!2877)\d+:/.test(line))

fs.rmSync(dist, { recursive: true, force: true })
const tsc = [path.join(root, "node_modules/typescript/bin/tsc"), "-p", path.join(root, "deploy/tsconfig.build.json")]
const compiled = spawnSync(process.execPath, [...tsc, "--pretty", "false"], {
  cwd: root,
  encoding: "utf8",
  maxBuffer: 64 * 1024 * 1024
})
const output = `${compiled.stdout}${compiled.stderr}`
if (compiled.status !== 0 && (faultsIn(output).length > 0 || !output.includes("TS2877"))) {
  process.stderr.write(`${faultsIn(output).join("\n") || output}\n`)
  process.exit(1)
}

for (const top of ["src", "layers", "policies"]) {
  fs.cpSync(path.join(root, top), path.join(dist, top), {
    recursive: true,
    filter: (from) => fs.statSync(from).isDirectory() || !isCompiled(from)
  })
}
const { name, version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
const scope = {
  name,
  version,
  private: true,
  type: "module",
  imports: { "#src/*.ts": "./src/*.js", "#layers/*.ts": "./layers/*.js" }
}
fs.writeFileSync(path.join(dist, "package.json"), `${JSON.stringify(scope, null, 2)}\n`)
