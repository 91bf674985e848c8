/**
 * The HTTP door: one Node server with the API behind it.
 *
 * Owns the socket, its limits in connections, sizes and times, and closing it: at the end it stops taking
 * connections, ends long polls with what they know, lets requests in hand finish within `httpDrainMillis`, then
 * closes what is left. Does not own paths (`Api`), answers (`http/*`) or what they are about (the rooms).
 *
 * Listens on loopback unless told otherwise, without TLS: anything further needs a proxy that adds it.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSwagger from "effect/http-api/HttpApiSwagger"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { createServer, type IncomingMessage } from "node:http"
import { createServer as createSocketServer } from "node:net"
import * as Bounds from "#src/kernel/Bounds.ts"
import * as SystemCode from "#src/kernel/SystemCode.ts"
import { Api, asyncApiPath, docsPath, openApiPath } from "./Api.ts"
import * as AsyncApi from "./AsyncApi.ts"
import * as Belonging from "./Belonging.ts"
import * as HaltNews from "./HaltNews.ts"
import * as AccessLog from "./http/AccessLog.ts"
import * as ActionsDoor from "./http/ActionsDoor.ts"
import * as Admission from "./http/Admission.ts"
import * as Authentication from "./http/Authentication.ts"
import * as ClientErrors from "./http/ClientErrors.ts"
import * as ConfirmationsDoor from "./http/ConfirmationsDoor.ts"
import * as Drain from "./http/Drain.ts"
import * as Guard from "./http/Guard.ts"
import * as HaltDoor from "./http/HaltDoor.ts"
import * as Hosts from "./http/Hosts.ts"
import * as Intake from "./http/Intake.ts"
import * as JournalDoor from "./http/JournalDoor.ts"
import * as LongPoll from "./http/LongPoll.ts"
import * as MetricsDoor from "./http/MetricsDoor.ts"
import * as Paths from "./http/Paths.ts"
import * as Pipelining from "./http/Pipelining.ts"
import * as PrincipalsDoor from "./http/PrincipalsDoor.ts"
import * as ServiceDoor from "./http/ServiceDoor.ts"
import * as SessionsDoor from "./http/SessionsDoor.ts"
import * as Stalls from "./http/Stalls.ts"
import * as StreamDoor from "./http/StreamDoor.ts"
import * as Surplus from "./http/Surplus.ts"
import * as ToolsDoor from "./http/ToolsDoor.ts"
import * as TurnsDoor from "./http/TurnsDoor.ts"
import * as Upgrades from "./http/Upgrades.ts"
import * as SocketDoor from "./socket/SocketDoor.ts"

/** All of them are defaults in `kernel/Bounds`; tests make them small. */
export interface Limits {
  readonly bodyBytesMax: number
  readonly headerBytesMax: number
  readonly connectionsMax: number
  readonly requestsMax: number
  /** Of one principal. */
  readonly requestsPerSecondMax: number
  readonly waitsMax: number
  readonly waitsPerPrincipalMax: number
  readonly eventStreamsMax: number
  readonly eventStreamsPerPrincipalMax: number
  /** Between two heartbeats of a stream of events. */
  readonly heartbeatMillis: number
  readonly headersMillis: number
  readonly bodyMillis: number
  readonly idleMillis: number
  readonly stallMillis: number
  readonly drainMillis: number
  readonly sockets: SocketDoor.Limits
}

export interface Options {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Further host names to answer to, beside loopback's and `host`. */
  readonly hosts?: ReadonlyArray<string>
  /** Origins of pages that may open WebSockets, beside the service's own. */
  readonly origins?: ReadonlyArray<string>
  readonly limits?: Partial<Limits>
}

/** Somebody else listens there. */
export class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", {
  host: Schema.String,
  port: Schema.Int,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return `port ${this.port} on ${this.host} is in use; start with --port N or stop the other process`
  }
}

/** The address can't be listened on: it is not this machine's, or it takes more rights. `code` is the system's. */
export class AddressUnusable extends Schema.TaggedError<AddressUnusable>()("AddressUnusable", {
  host: Schema.String,
  port: Schema.Int,
  code: Schema.String,
  retryable: Schema.Literal(false)
}) {
  override get message() {
    return `can't listen on ${this.host} port ${this.port} (${this.code}); start with another --host or --port`
  }
}

/** Where the door is, once it is open. */
export class HttpAddress extends Context.Service<
  HttpAddress,
  {
    readonly host: string
    readonly port: number
    /** `http://127.0.0.1:7717` */
    readonly url: string
  }
>()("keelson/edge/HttpAddress") {}

export const make = Effect.fnUntraced(function* (options: Options) {
  const limits = { ...defaults, ...options.limits }
  const drain = yield* Drain.make
  // WebSockets outlive the requests that opened them; closed below, where their turn is.
  const lasting = yield* Scope.make("parallel")
  const app = yield* HttpRouter.toHttpEffect(routes(limits, options.origins ?? [], lasting)).pipe(
    Effect.provideService(Drain.Drain, drain),
    Effect.provideService(HttpRouter.RouterConfig, Paths.spelling)
  )
  const upgrades = Upgrades.make()
  const server = nodeServer(limits, upgrades.shouldUpgradeCallback)
  const guard = yield* Guard.make({
    hosts: Hosts.answered(options.host, options.hosts ?? []),
    requestsMax: limits.requestsMax,
    isSurplus: Surplus.watch(server, Surplus.limits(limits.connectionsMax)),
    isLast: upgrades.isLast
  }).pipe(Effect.provideService(Drain.Drain, drain))

  if (!Hosts.isLoopback(options.host)) {
    yield* Effect.logWarning(`listening on ${options.host}, beyond loopback, without TLS: keep a proxy in front`)
  }
  yield* Effect.forkScoped(Stalls.watch(server, limits.stallMillis))
  // In a scope of its own: what it opens with the first WebSocket would else close before anything else does, and wait
  // for all WebSockets to end, which nobody tells them to.
  const listening = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const http = yield* NodeHttpServer.make(() => server, {
    host: options.host,
    port: options.port,
    websocket: SocketDoor.handshake(limits.sockets.frameBytesMax),
    gracefulShutdownTimeout: Duration.millis(limits.drainMillis)
  }).pipe(
    Scope.provide(listening),
    Effect.mapError((error) => unusable(options, error.cause))
  )
  // Finalizers run from the last to the first: begin to close, let requests finish, end their fibers, cut the rest.
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  yield* Effect.addFinalizer((exit) => Scope.close(lasting, exit))
  const inTurn = Pipelining.make()
  yield* http.serve(guard(app), (answered) => inTurn(AccessLog.withAccessLog(answered)))
  yield* Effect.addFinalizer(() => drain.begin)

  const address = server.address()
  const port = address === null || typeof address === "string" ? options.port : address.port
  const host = options.host.includes(":") ? `[${options.host}]` : options.host
  return HttpAddress.of({ host: options.host, port, url: `http://${host}:${port}` })
})

/**
 * Listens for a moment, and fails as the door would: whoever starts a service asks first, before a database is made or
 * waited for. What takes the port in between is told of by the door.
 */
export const probe = (options: Pick<Options, "host" | "port">): Effect.Effect<void, PortTaken | AddressUnusable> =>
  options.port === 0
    ? Effect.void
    : Effect.callback((resume) => {
        const server = createSocketServer()
        server.once("error", (cause) => resume(Effect.fail(unusable(options, cause))))
        server.listen({ host: options.host, port: options.port, exclusive: true }, () =>
          server.close(() => resume(Effect.void))
        )
        return Effect.sync(() => server.close())
      })

export const layer = (options: Options) => Layer.effect(HttpAddress, make(options))

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const defaults: Limits = {
  bodyBytesMax: Bounds.httpBodyBytesMax,
  headerBytesMax: Bounds.httpHeaderBytesMax,
  connectionsMax: Bounds.httpConnectionsMax,
  requestsMax: Bounds.httpRequestsMax,
  requestsPerSecondMax: Bounds.httpRequestsPerSecondMax,
  waitsMax: Bounds.waitsMax,
  waitsPerPrincipalMax: Bounds.waitsPerPrincipalMax,
  eventStreamsMax: Bounds.eventStreamsMax,
  eventStreamsPerPrincipalMax: Bounds.eventStreamsPerPrincipalMax,
  heartbeatMillis: Bounds.heartbeatMillis,
  headersMillis: Bounds.httpHeadersMillis,
  bodyMillis: Bounds.httpBodyMillis,
  idleMillis: Bounds.httpIdleMillis,
  stallMillis: Bounds.httpStallMillis,
  drainMillis: Bounds.httpDrainMillis,
  sockets: SocketDoor.defaults
}

const nodeServer = (limits: Limits, shouldUpgradeCallback: (request: IncomingMessage) => boolean) => {
  const server = createServer({
    shouldUpgradeCallback,
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersMillis,
    // The door's own clock over the body ends first, and says so; this one catches what reads no body.
    requestTimeout: limits.headersMillis + limits.bodyMillis + 1_000,
    connectionsCheckingInterval: Math.min(1_000, limits.headersMillis),
    keepAliveTimeout: limits.idleMillis,
    // Two `Host`s or two keys must not pass as the first of them.
    joinDuplicateHeaders: true,
    // Refused as a problem, like everything else.
    requireHostHeader: false
  })
  // Whoever does not read an answer does not keep it, nor the connection.
  server.timeout = limits.stallMillis
  ClientErrors.attach(server)
  return server
}

const routes = (limits: Limits, origins: ReadonlyArray<string>, lasting: Scope.Scope) =>
  Layer.mergeAll(
    HttpApiBuilder.layer(Api, { openapiPath: openApiPath }),
    HttpApiSwagger.layer(Api, { path: docsPath }),
    HttpRouter.add("GET", asyncApiPath, HttpServerResponse.jsonUnsafe(AsyncApi.document())),
    // Whoever opens the bare address in a browser wants to know what this is.
    HttpRouter.add("GET", "/", HttpServerResponse.redirect(docsPath))
  ).pipe(
    Layer.provide([
      SessionsDoor.layer,
      TurnsDoor.layer,
      ActionsDoor.layer,
      ConfirmationsDoor.layer,
      ToolsDoor.layer,
      HaltDoor.layer,
      PrincipalsDoor.layer,
      JournalDoor.layer,
      StreamDoor.layer(limits),
      SocketDoor.layer(limits.sockets, origins, lasting),
      MetricsDoor.layer,
      ServiceDoor.layer
    ]),
    // A halt is looked at by the same reading of rows as everything else, which may wait for a change of them.
    Layer.provide([Authentication.layer, Intake.layer(limits), HaltNews.layer, Belonging.layer]),
    Layer.provide([Admission.layer(limits), Layer.effect(LongPoll.LongPoll, LongPoll.make(limits))]),
    Layer.provide(NodeHttpServer.layerHttpServices)
  )

const unusable = ({ host, port }: Pick<Options, "host" | "port">, cause: unknown): PortTaken | AddressUnusable => {
  const code = SystemCode.of(cause) ?? "unknown"
  return code === "EADDRINUSE"
    ? new PortTaken({ host, port, retryable: false })
    : new AddressUnusable({ host, port, code, retryable: false })
}
