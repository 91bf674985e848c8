/**
 * Every way through a wall that we know of, and the guard that must refuse it.
 *
 * `rooms` is a small house with the real configuration around it; each breach is one more file in it.
 */

export interface Breach {
  readonly sin: string
  readonly file: string
  readonly text: string
  readonly guard: "compiler" | "linter"
  /** The compiler's code, or the linter's rule. */
  readonly by: string
}

/** The compiler's word for a file that a project does not own. */
export const outsideOfProject = "TS6307"

const breach =
  (guard: Breach["guard"], by: string) =>
  (sin: string, file: string, text: string): Breach => ({ sin, file, text: `${text}\n`, guard, by })

const noSuchName = breach("compiler", "TS2304")
const noSuchNameDom = breach("compiler", "TS2584")
const noNodeName = breach("compiler", "TS2591")
const imported = breach("linter", "eslint(no-restricted-imports)")
const named = breach("linter", "eslint(no-restricted-globals)")

/** The lawful house: nothing in it may be refused. */
export const rooms: { readonly [file: string]: string } = {
  "src/kernel/Ids.ts": "export type Id = string\n",
  "src/kernel/Permit.ts": "export const redeem = (): number => 1\nexport const spend = (): boolean => true\n",
  "src/ports/Store.ts": 'import type { Id } from "../kernel/Ids.ts"\nexport interface Store {\n  readonly id: Id\n}\n',
  "src/ports/Feed.ts": 'import type { Store } from "./Store.ts"\nexport type Feed = Store\n',
  "src/gateway/Protocol.ts": 'import type { Id } from "../kernel/Ids.ts"\nexport type Command = Id\n',
  "src/gateway/Session.ts": 'import type { Command } from "./Protocol.ts"\nexport type Session = Command\n',
  "src/gateway/ActionRunner.ts": 'import { redeem } from "../kernel/Permit.ts"\nexport const run = redeem()\n',
  "src/memory/Record.ts":
    'import * as Effect from "effect/Effect"\nimport type { Command } from "../gateway/Protocol.ts"\nimport type { Feed } from "../ports/Feed.ts"\nexport const record = (a: Command, b: Feed) => Effect.succeed([a, b])\n',
  "layers/sql-client/Client.ts": 'import * as fs from "node:fs"\nexport const client = fs.existsSync\n',
  "layers/event-store/Sql.ts":
    'import type { Store } from "#src/ports/Store.ts"\nimport { client } from "../sql-client/Client.ts"\nexport const make = (store: Store) => [store, client]\n',
  "layers/read-models/gateway/Rows.ts":
    'import { client } from "../../sql-client/Client.ts"\nexport const rows = client\n',
  "layers/vault/Vault.ts": 'import { spend } from "#src/kernel/Permit.ts"\nexport const vault = spend\n',
  "layers/edge/Routes.ts":
    'import { vault } from "#layers/vault/Vault.ts"\nimport type { Session } from "#src/gateway/Session.ts"\nexport const route = (session: Session) => [session, vault]\n',
  "layers/edge/Api.ts": "export const api = 1\n",
  "layers/client/Client.ts": 'import { api } from "#layers/edge/Api.ts"\nexport const client = api\n',
  "layers/cli/Commands.ts": "export const commands = 1\n",
  "layers/profiles/laptop.ts": 'import { route } from "#layers/edge/Routes.ts"\nexport const laptop = route\n',
  "layers/main.ts":
    'import { commands } from "./cli/Commands.ts"\nimport { laptop } from "./profiles/laptop.ts"\nexport const main = [commands, laptop]\n'
}

/** What the compiler refuses in src: the world is not in scope there. */
const world: ReadonlyArray<Breach> = [
  breach("compiler", "TS2591")("the file system", "src/kernel/Fs.ts", 'export * from "node:fs"'),
  noNodeName("process", "src/kernel/Process.ts", "export const a = process.pid"),
  noNodeName("Buffer", "src/kernel/Bytes.ts", "export const a = Buffer.alloc(1)"),
  noSuchName("setTimeout", "src/kernel/Timer.ts", "export const a = setTimeout"),
  noSuchName("fetch", "src/kernel/Fetch.ts", 'export const a = fetch("http://127.0.0.1")'),
  noSuchNameDom("console", "src/kernel/Log.ts", "console.log(1)"),
  noSuchName("crypto", "src/kernel/Crypto.ts", "export const a = crypto.randomUUID()"),
  breach("compiler", outsideOfProject)(
    "an implementation",
    "src/gateway/Layers.ts",
    'import { vault } from "#layers/vault/Vault.ts"\nexport const a = vault'
  )
]

/** What only the linter sees in src. */
const impure: ReadonlyArray<Breach> = [
  named("a clock", "src/kernel/Clock.ts", "export const a = new Date().getTime()"),
  named("a clock by another name", "src/kernel/Clock2.ts", "export const a = globalThis"),
  named("the machine's locale", "src/kernel/Locale.ts", "export const a = new Intl.NumberFormat()"),
  named("a timer", "src/kernel/Timer2.ts", "export const a = setTimeout"),
  breach("linter", "eslint(no-restricted-properties)")(
    "chance",
    "src/kernel/Chance.ts",
    "export const a = Math.random()"
  ),
  breach("linter", "eslint(no-eval)")("code from text", "src/kernel/Eval.ts", 'export const a: unknown = eval("1")'),
  imported("the barrel", "src/kernel/Barrel.ts", 'import { Effect } from "effect"\nexport const a = Effect.void'),
  imported("a layer", "src/gateway/Layer.ts", 'import * as Layer from "effect/Layer"\nexport const a = Layer.empty'),
  imported(
    "Effect's clock",
    "src/gateway/Clock.ts",
    'import * as Clock from "effect/Clock"\nexport const a = Clock.Clock'
  ),
  imported("Effect's chance", "src/gateway/R.ts", 'import * as R from "effect/Random"\nexport const a = R.next'),
  imported(
    "Effect's SQL",
    "src/gateway/Sql.ts",
    'import * as S from "effect/sql/SqlClient"\nexport const a = S.SqlClient'
  ),
  imported("Node's module", "src/gateway/Node.ts", 'import * as os from "node:os"\nexport const a = os.hostname()'),
  imported("the platform", "src/ports/Node.ts", 'import * as P from "@effect/platform-node"\nexport const a = P'),
  imported(
    "an implementation",
    "src/kernel/Layers.ts",
    'import { vault } from "#layers/vault/Vault.ts"\nexport const a = vault'
  ),
  imported(
    "a way round to it",
    "src/kernel/Way.ts",
    'import { vault } from "../../layers/vault/Vault.ts"\nexport const a = vault'
  ),
  imported("the test runner", "src/gateway/It.ts", 'import { it } from "vitest"\nexport const a = it')
]

/** Doors between rooms, and the order of the layers. */
const doors: ReadonlyArray<Breach> = [
  imported("kernel to ports", "src/kernel/Up.ts", 'export type { Store } from "../ports/Store.ts"'),
  imported("kernel to ports, by subpath", "src/kernel/Up2.ts", 'export type { Store } from "#src/ports/Store.ts"'),
  imported("ports to a room", "src/ports/Up.ts", 'export type { Command } from "../gateway/Protocol.ts"'),
  imported(
    "a room to another's inner file",
    "src/memory/Inner.ts",
    'export type { Session } from "../gateway/Session.ts"'
  ),
  imported("the same, by subpath", "src/memory/Inner2.ts", 'export type { Session } from "#src/gateway/Session.ts"'),
  imported("a port folder to its sibling", "layers/digest/A.ts", 'export { vault } from "#layers/vault/Vault.ts"'),
  imported("the same, relative", "layers/digest/B.ts", 'export { vault } from "../vault/Vault.ts"'),
  imported("event-store to a stranger", "layers/event-store/A.ts", 'export { vault } from "../vault/Vault.ts"'),
  imported("a read model to a stranger", "layers/read-models/x/A.ts", 'export { vault } from "../../vault/Vault.ts"'),
  imported("a port folder to the edge", "layers/digest/C.ts", 'export { route } from "#layers/edge/Routes.ts"'),
  imported("a port folder to a profile", "layers/digest/D.ts", 'export { laptop } from "../profiles/laptop.ts"'),
  imported("the edge to a profile", "layers/edge/P.ts", 'export { laptop } from "../profiles/laptop.ts"'),
  imported("the edge to the commands", "layers/edge/C.ts", 'export { commands } from "#layers/cli/Commands.ts"'),
  imported("a client to the service's inside", "layers/client/A.ts", 'export { route } from "#layers/edge/Routes.ts"'),
  imported("a client to a port folder", "layers/client/B.ts", 'export { vault } from "../vault/Vault.ts"'),
  imported("a profile to main", "layers/profiles/M.ts", 'export { main } from "../main.ts"'),
  imported("layers to tests", "layers/digest/T.ts", 'export { it } from "vitest"'),
  imported("layers into src by path", "layers/digest/S.ts", 'export { spend } from "../../src/kernel/Permit.ts"')
]

/** The one constructor of a permit. */
const redeem: ReadonlyArray<Breach> = [
  imported(
    "redeem in its room",
    "src/gateway/R1.ts",
    'import { redeem } from "../kernel/Permit.ts"\nexport const a = redeem'
  ),
  imported("redeem renamed", "src/gateway/R2.ts", 'export { redeem as mint } from "../kernel/Permit.ts"'),
  imported(
    "redeem through a namespace",
    "src/memory/R3.ts",
    'import * as P from "../kernel/Permit.ts"\nexport const a = P'
  ),
  imported("redeem beside it", "src/kernel/R4.ts", 'import { redeem } from "./Permit.ts"\nexport const a = redeem'),
  imported(
    "redeem in the layers",
    "layers/vault/R5.ts",
    'import { redeem } from "#src/kernel/Permit.ts"\nexport const a = redeem'
  ),
  imported(
    "redeem at the edge",
    "layers/edge/R6.ts",
    'import { redeem } from "#src/kernel/Permit.ts"\nexport const a = redeem'
  ),
  imported("redeem in main", "layers/profiles/R7.ts", 'export * from "#src/kernel/Permit.ts"')
]

/** Mistakes that run, for a while. */
const careless: ReadonlyArray<Breach> = [
  breach("linter", "typescript(no-floating-promises)")(
    "a promise nobody waits for",
    "layers/vault/Float.ts",
    "const f = async () => 1\nf()"
  ),
  breach("linter", "typescript(no-misused-promises)")(
    "a promise as a condition",
    "layers/vault/Misused.ts",
    "const f = async () => true\nexport const a = f() ? 1 : 2"
  ),
  breach("linter", "typescript(switch-exhaustiveness-check)")(
    "a case forgotten",
    "layers/vault/Switch.ts",
    'export const a = (x: "a" | "b") => {\n  switch (x) {\n    case "a":\n      return 1\n  }\n  return 2\n}'
  ),
  breach("linter", "import(no-cycle)")(
    "a circle",
    "layers/vault/Loop1.ts",
    'export { b as a } from "./Loop2.ts"\nexport const c = 1'
  ),
  breach("linter", "import(no-cycle)")(
    "its other half",
    "layers/vault/Loop2.ts",
    'export { c } from "./Loop1.ts"\nexport const b = 1'
  )
]

export const breaches: ReadonlyArray<Breach> = [...world, ...impure, ...doors, ...redeem, ...careless]
