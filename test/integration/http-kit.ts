/**
 * The HTTP door over the gateway in memory, with a caller that holds every answer against the API's own description.
 */
import { assert } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { request } from "node:http"
import { Api } from "#layers/edge/Api.ts"
import * as HttpDoor from "#layers/edge/HttpDoor.ts"
import * as Readiness from "#layers/edge/Readiness.ts"
import * as JournalIdentity from "#layers/identity/JournalIdentity.ts"
import * as StaticIdentity from "#layers/identity/StaticIdentity.ts"
import * as Token from "#layers/identity/Token.ts"
import { Feed } from "#src/ports/Feed.ts"
import { Identity, type Principal } from "#src/ports/Identity.ts"
import { actor } from "#test/kit/decider.ts"
import * as World from "#test/kit/world.ts"

/** Who calls. `nobody` brings no token. */
export const principals = {
  owner: World.owner,
  ana: World.person("ana", ["approver"]),
  bob: World.person("bob"),
  agent: { actor: actor("AGENT", "assistant"), roles: ["agent"] },
  robot: { actor: actor("AGENT", "robot"), roles: ["agent"] }
} satisfies { readonly [name: string]: Principal }
export type Name = keyof typeof principals | "nobody" | "stranger"

const tokens = new Map<string, Redacted.Redacted<string>>(
  [...Object.keys(principals), "stranger"].map((name) => [name, Token.mint()])
)
export const tokenOf = (name: Name): string => Redacted.value(tokens.get(name)!)

export const identity = StaticIdentity.layer(
  Object.entries(principals).map(([name, principal]) => ({ token: tokens.get(name)!, principal }))
)

/** The JSON Schema of tools that are run elsewhere. */
export const remoteSchema = {
  type: "object",
  properties: { text: { type: "string" } },
  required: ["text"],
  additionalProperties: false
}

export interface Call {
  readonly as?: Name
  /** Instead of the token of `as`. */
  readonly token?: string
  readonly key?: string
  readonly body?: unknown
  readonly headers?: { readonly [name: string]: string }
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Uint8Array
  /** An answer that is let in does not end: its head is taken, and the connection closed. */
  readonly endless?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: string }
  readonly text: string
  /** The body as JSON; the tests' own business what is in it. */
  readonly json: any
}

export class Caller extends Context.Service<
  Caller,
  {
    readonly url: string
    readonly port: number
    /** Calls and checks the answer against the description. */
    readonly call: (method: string, path: string, call?: Call) => Effect.Effect<Answer>
    readonly get: (path: string, call?: Call) => Effect.Effect<Answer>
    readonly post: (path: string, call?: Call) => Effect.Effect<Answer>
  }
>()("keelson/test/Caller") {}

/** A port of its own for every door of a test run, away from those that the system hands out. */
const port = (() => {
  let next = 20_000 + (process.pid % 600) * 20
  return () => (next = next >= 32_700 ? 20_000 : next + 1)
})()

export const door = (options: Partial<HttpDoor.Options> = {}) =>
  Layer.effect(
    HttpDoor.HttpAddress,
    Effect.suspend(() => HttpDoor.make({ host: "127.0.0.1", port: port(), ...options })).pipe(
      Effect.retry({ while: (error) => error._tag === "PortTaken", schedule: Schedule.recurs(50) })
    )
  )

export const caller = Layer.effect(
  Caller,
  Effect.map(HttpDoor.HttpAddress, ({ port, url }) => {
    const call = (method: string, path: string, options: Call = {}) =>
      Effect.map(
        Effect.promise((signal) => send(port, method, path, options, signal)),
        (answer) => {
          conforms(method, path, answer)
          return answer
        }
      )
    return Caller.of({
      url,
      port,
      call,
      get: (path, options) => call("GET", path, options),
      post: (path, options) => call("POST", path, options)
    })
  })
)

/** Those with tokens of their own, and whoever the journal knows. */
export const known = Layer.provide(JournalIdentity.layer, identity)

/** Who may call, and whether the service can work. */
export const ready = Layer.mergeAll(known, Readiness.layer())

/** The same callers, but from `delay` on it takes until `release` to look again whether that principal's key still opens. */
export const lateLook = (principalId: string) => {
  const released = Deferred.makeUnsafe<void>()
  let late = false
  const who = Layer.effect(
    Identity,
    Effect.map(Identity, (identity) =>
      Identity.of({
        ...identity,
        renew: (by) =>
          late && by.actor.id === principalId
            ? Effect.andThen(Deferred.await(released), identity.renew(by))
            : identity.renew(by)
      })
    )
  ).pipe(Layer.provide(known))
  return { who, delay: () => void (late = true), release: Deferred.succeed(released, undefined) }
}

/** The door over given ports, silent; `who` may call, those of the journal too unless told otherwise. */
export const doorOver = <A, E, R, R2 = never>(
  ports: Layer.Layer<A, E, R>,
  options: Partial<HttpDoor.Options> = {},
  who: Layer.Layer<Identity, never, R2> | typeof known = known
) =>
  caller.pipe(
    Layer.provideMerge(door(options)),
    Layer.provideMerge(Layer.mergeAll(who, Readiness.layer())),
    Layer.provideMerge(ports),
    Layer.provideMerge(Logger.layer([]))
  )

/** The door over `world`, whole. */
export const serve = (world: World.World, options: Partial<HttpDoor.Options> = {}) => doorOver(world.layer, options)

export const send = (
  port: number,
  method: string,
  path: string,
  { as = "owner", body, endless = false, headers, key, raw, token }: Call,
  signal?: AbortSignal
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    const outgoing = request({
      host: "127.0.0.1",
      port,
      method,
      path,
      agent: false,
      ...(signal === undefined ? {} : { signal }),
      headers: {
        ...(as === "nobody" ? {} : { authorization: `Bearer ${token ?? tokenOf(as)}` }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
        ...(payload === undefined ? {} : { "content-type": "application/json" }),
        ...(payload === undefined || headers?.["transfer-encoding"] !== undefined
          ? {}
          : { "content-length": Buffer.byteLength(payload) }),
        ...headers
      }
    })
    outgoing.on("error", reject)
    outgoing.on("response", (incoming) => {
      const chunks: Array<Buffer> = []
      if (endless && incoming.statusCode === 200) {
        incoming.on("error", () => undefined)
        resolve(answerOf(200, incoming.headers, Buffer.alloc(0)))
        outgoing.destroy()
        return
      }
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.on("error", reject)
      incoming.on("end", () => resolve(answerOf(incoming.statusCode ?? 0, incoming.headers, Buffer.concat(chunks))))
    })
    outgoing.end(payload)
  })

const answerOf = (status: number, headers: NodeJS.Dict<string | Array<string>>, bytes: Buffer): Answer => {
  const text = bytes.toString("utf8")
  const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  const json = text !== "" && flat["content-type"]?.includes("json") === true ? JSON.parse(text) : undefined
  return { status, headers: flat, text, json }
}

/** Counts who waits for what, so that a test knows when a long poll has registered. */
export const watched = () => {
  const waiting = new Map<string, number>()
  const add = (stream: string, delta: number) =>
    Effect.sync(() => waiting.set(stream, (waiting.get(stream) ?? 0) + delta))
  const layer = (world: World.World) =>
    Layer.effect(
      Feed,
      Effect.map(Feed, (feed) =>
        Feed.of({
          ...feed,
          changed: (stream) =>
            Effect.andThen(
              Effect.acquireRelease(add(stream, 1), () => add(stream, -1)),
              feed.changed(stream)
            )
        })
      )
    ).pipe(Layer.provideMerge(world.layer))
  const count = (stream: string, expected: number) =>
    Effect.eventually(
      Effect.suspend(() => ((waiting.get(stream) ?? 0) === expected ? Effect.void : Effect.fail("not yet")))
    )
  return { layer, count }
}

// --- the description as a judge --------------------------------------------------------------

export const description = OpenApi.fromApi(Api)
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
ajv.addSchema({ $id: "urn:keelson:openapi", ...description })

const templates = Object.keys(description.paths).map((template) => ({
  template,
  pattern: new RegExp(`^${template.replace(/\{[^}]+\}/g, "[^/]*")}$`)
}))

const escape = (part: string) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))

/** The answer's body is what the description promises for this path, method and status. */
export const conforms = (method: string, path: string, { headers, json, status, text }: Answer): void => {
  const plain = path.split("?")[0]!
  assert.strictEqual(headers["cache-control"], "no-store")
  assert.strictEqual(headers["x-content-type-options"], "nosniff")
  assert.match(headers["x-request-id"] ?? "", /^[0-9a-f-]{36}$/)
  assert.isUndefined(headers["access-control-allow-origin"])
  if (status >= 400 && status !== 503) assert.strictEqual(headers["content-type"], "application/problem+json")
  const template = templates.find(({ pattern }) => pattern.test(plain))?.template
  const operations = template === undefined ? {} : (description.paths[template] as { [method: string]: any })
  const verb = method === "HEAD" ? "get" : method.toLowerCase()
  const operation = operations[verb]
  if (operation === undefined) {
    if (status >= 400) assert.include([400, 404, 405, 421], status)
    return
  }
  const type = headers["content-type"] ?? ""
  assert.isDefined(operation.responses[status], `${method} ${plain} may not answer ${status}`)
  if (method === "HEAD") return
  assert.isDefined(operation.responses[status].content[type], `${method} ${plain} may not answer ${status} as ${type}`)
  // What it tells is described message by message; only its head was taken.
  if (type === "text/event-stream") return
  const where = ["paths", template!, verb, "responses", String(status), "content", type, "schema"]
  const validate = ajv.getSchema(`urn:keelson:openapi#/${where.map(escape).join("/")}`)
  assert.isDefined(validate)
  if (validate!(type.includes("json") ? json : text) !== true)
    assert.fail(`${method} ${plain} ${status}: ${ajv.errorsText(validate!.errors)}`)
}
