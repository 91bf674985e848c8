/**
 * The running service, from a command beside it: where it is, who asks, and its refusals as sentences.
 *
 *   --url or the settings' host and port; KEELSON_TOKEN or <data folder>/owner.token
 *
 * Owns both, and the way from a problem (RFC 9457) to a refusal of a command. The token never stands on a command line.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { resolve } from "node:path"
import * as Client from "#layers/client/Client.ts"
import * as FileIdentity from "#layers/identity/FileIdentity.ts"
import * as NodePrivateFiles from "#layers/private-files/NodePrivateFiles.ts"
import * as Variables from "#src/kernel/Variables.ts"
import { CommandRefused } from "../CommandRefused.ts"
import * as Page from "../Page.ts"
import type { BasicSettings, Environment } from "../SettingsSource.ts"

export interface Service {
  readonly client: Client.Client
  readonly url: string
}

/** What `work` does with the service; its problems and a service that is not there come as refusals. */
export const withService = Effect.fnUntraced(function* <A, E, R>(
  settings: BasicSettings,
  typedUrl: Option.Option<string>,
  environment: Environment,
  work: (service: Service) => Effect.Effect<A, E, R>
): Effect.fn.Return<A, CommandRefused, Exclude<R, HttpClient.HttpClient>> {
  const url = yield* addressOf(settings, typedUrl, environment)
  const token = yield* tokenOf(settings, environment)
  return yield* Effect.flatMap(Client.make({ url, token, retriesMax: 4 }), (client) => work({ client, url })).pipe(
    Effect.mapError((error) => refusal(error, url)),
    Effect.provide(patient)
  )
})

/** Any failure of a call, for the person who typed the command. */
export const refusal = (error: unknown, url: string): CommandRefused => {
  if (error instanceof CommandRefused) return error
  if (HttpClientError.isHttpClientError(error) && Cause.isTimeoutError(error.reason.cause)) {
    return told(
      "ServiceSilent",
      `The service at ${url} did not answer in time.`,
      "Look before you repeat it: what was asked may have been done."
    )
  }
  if (HttpClientError.isHttpClientError(error)) {
    return told(
      "ServiceUnreachable",
      `No service answers at ${url}.`,
      "Start it with keelson start, or say where it is with --url."
    )
  }
  if (isProblem(error)) return fromProblem(error)
  return told("AnswerUnknown", `${url} answered something that is not Keelson's.`, "Look whether --url is right.")
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

/** How long one request may take; none of them waits for people. */
const requestMillisMax = 10_000

/** Connections that no answer comes from are given up: the same request is sent again a few times (`Client`). */
const patient = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(
    HttpClient.HttpClient,
    HttpClient.transform((response, request) =>
      Effect.catchTag(Effect.timeout(response, requestMillisMax), "TimeoutError", (cause) =>
        Effect.fail(
          new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
        )
      )
    )
  )
).pipe(Layer.provide(NodeHttpClient.layerUndici))

const told = (code: string, detail: string, remedy: string | null, exitCode: 1 | 2 = 1): CommandRefused =>
  new CommandRefused({ code, detail, remedy, exitCode })

const addressOf = (settings: BasicSettings, typed: Option.Option<string>, environment: Environment) => {
  const given = Option.isSome(typed)
    ? Variables.asForm("--url", "KEELSON_URL", typed.value)
    : Variables.judged(environment, "KEELSON_URL")
  if (Result.isFailure(given)) return Effect.fail(told("AddressWrong", given.failure, null, 2))
  if (given.success !== null) {
    const text = given.success
    return Effect.try({
      try: () => new URL(text).origin,
      catch: () => told("AddressWrong", `There is no such address: ${Variables.quoted(text)}.`, null, 2)
    })
  }
  if (settings.port === 0) {
    return Effect.fail(told("AddressMissing", "The settings leave the port open (0).", "Say --url.", 2))
  }
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host
  return Effect.succeed(`http://${host}:${settings.port}`)
}

const tokenOf = (settings: BasicSettings, environment: Environment) => {
  const given = Variables.judged(environment, "KEELSON_TOKEN")
  if (Result.isFailure(given)) return Effect.fail(told("TokenWrong", given.failure, null, 2))
  if (given.success !== null) return Effect.succeed(Redacted.make(given.success.trim(), { label: "token" }))
  const folder = resolve(settings.dataFolder)
  return FileIdentity.readOwnerToken({ folder }).pipe(
    Effect.map(({ token }) => token),
    Effect.provide(NodePrivateFiles.layer),
    Effect.mapError(() =>
      told(
        "TokenMissing",
        `There is no owner's token to be read in ${folder}.`,
        "Name the service's --data-folder, or put a token into KEELSON_TOKEN."
      )
    )
  )
}

interface ProblemLike {
  readonly code: string
  readonly detail: string
  readonly state?: unknown
  readonly kind?: unknown
}

const isProblem = (error: unknown): error is ProblemLike =>
  Predicate.hasProperty(error, "code") &&
  typeof error.code === "string" &&
  Predicate.hasProperty(error, "detail") &&
  typeof error.detail === "string"

/** A name that stands first stays as it is typed: `path: …`. */
const sentence = (detail: string): string =>
  /^[\w.[\]-]+:/.test(detail) ? detail : detail.replace(/^./, (first) => first.toUpperCase())

const fromProblem = ({ code, detail, kind, state }: ProblemLike): CommandRefused => {
  switch (code) {
    case "Unauthenticated":
      return told(code, "The service does not know this token.", "Look at KEELSON_TOKEN, or at --data-folder.")
    case "Forbidden":
      return told(
        code,
        `${sentence(Page.visible(detail))}.`,
        "That is what this token may not do: it is KEELSON_TOKEN's, or else the owner's in --data-folder."
      )
    case "Conflict":
      if (kind === "halt") return told(code, "Nothing is stopped.", null)
      return told(code, `Somebody or something else was first: it is ${String(state)}.`, null)
    case "Halted":
      return told(
        code,
        "Everything is stopped by a person.",
        "See who and why: keelson halt --show. Then: keelson resume."
      )
    default:
      return told(code, `${sentence(Page.visible(detail))}.`, null)
  }
}
