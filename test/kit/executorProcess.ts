/**
 * An executor of one tool that runs elsewhere, as a process of its own: it does the tool's work by adding a line with
 * the action's id to a file. Told by lines on standard input: first what to serve (`Order`), later `go`.
 *
 * Says a line at every moment of a run, and goes no further from the moment `holdAt` before it was told `go`: whoever
 * reads it knows where it is when it kills it.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import * as Client from "#layers/client/Client.ts"
import * as RemoteTool from "#layers/client/RemoteTool.ts"

/**
 * Where a run is: the service has given the claim, and nobody here has read it; the handler was called, and has done
 * nothing; it has done its work, and is not over; it is over, and the service was not told; the service was told, and
 * nobody here has read its answer.
 */
export type Moment = "claimed" | "called" | "done" | "over" | "told"

export interface Order {
  readonly url: string
  readonly token: string
  readonly tool: string
  /** Gets a line for each run. */
  readonly file: string
  readonly leaseMillis: number
  readonly holdAt: Moment | null
  /** Looks into the file what became of runs of which nobody knows. */
  readonly checks: boolean
}

/** `declared`: the service has the tool. `stopped`: the handler was interrupted. `unheard`: nobody took the report. */
export interface Line {
  readonly at: Moment | "declared" | "stopped" | "unheard"
}

const say = (at: Line["at"]) => Effect.sync(() => void process.stdout.write(`${JSON.stringify({ at })}\n`))

const serve = Effect.fnUntraced(function* (order: Order, go: Effect.Effect<void>) {
  const { checks, file, holdAt, leaseMillis, token, tool, url } = order
  const reached = (moment: Moment) => Effect.andThen(say(moment), moment === holdAt ? go : Effect.void)
  const http = HttpClient.transform(yield* HttpClient.HttpClient, (exchange, request) => {
    if (request.url.endsWith("/v1/tools")) return Effect.tap(exchange, say("declared"))
    if (request.url.endsWith("/claim")) return Effect.tap(exchange, reached("claimed"))
    if (request.url.endsWith("/outcome")) {
      return Effect.andThen(reached("over"), exchange).pipe(
        Effect.tapError(() => say("unheard")),
        Effect.tap(reached("told"))
      )
    }
    return exchange
  })
  const client = yield* Effect.provideService(
    Client.make({ url, token: Redacted.make(token), retriesMax: 0 }),
    HttpClient.HttpClient,
    http
  )
  const Keep = Tool.make(tool, {
    description: "Keeps a text far away.",
    parameters: Schema.Struct({ text: Schema.String }),
    success: Schema.Struct({ kept: Schema.String })
  })
  const keep = RemoteTool.make(
    Keep,
    Effect.fnUntraced(
      function* ({ text }, { actionId }) {
        yield* reached("called")
        appendFileSync(file, `${actionId}\n`)
        yield* reached("done")
        return { kept: text }
      },
      Effect.onInterrupt(() => say("stopped"))
    ),
    {
      leaseMillis,
      check: checks
        ? ({ text }, { actionId }) =>
            existsSync(file) && readFileSync(file, "utf8").split("\n").includes(actionId)
              ? Effect.succeed({ kept: text })
              : Effect.fail(RemoteTool.failed("NotKept", "nothing was kept"))
        : undefined
    }
  )
  return yield* RemoteTool.serve(client, [keep], { pauseMillis: 50 })
})

const program = Effect.gen(function* () {
  const lines = createInterface({ input: process.stdin })
  const order = yield* Effect.callback<Order>((resume) => {
    lines.once("line", (line) => resume(Effect.succeed(JSON.parse(line) as Order)))
  })
  const told = Deferred.makeUnsafe<void>()
  lines.once("line", () => void Deferred.doneUnsafe(told, Effect.void))
  // Whoever started this is gone.
  lines.once("close", () => process.exit())
  return yield* serve(order, Deferred.await(told))
})

const log = Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])
program.pipe(Effect.provide(Layer.merge(NodeHttpClient.layerUndici, log)), NodeRuntime.runMain)
