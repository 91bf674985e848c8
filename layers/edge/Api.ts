/**
 * The HTTP API, whole: what is served, what `/openapi.json` says, and what a typed client is made from.
 *
 * Owns paths and shapes. Satisfies nothing, so a client imports it without the service.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { ActionsApi } from "./api/ActionsApi.ts"
import { ConfirmationsApi } from "./api/ConfirmationsApi.ts"
import { Authentication, Intake } from "./api/Doors.ts"
import { HaltApi } from "./api/HaltApi.ts"
import { JournalApi } from "./api/JournalApi.ts"
import { MetricsApi, PrometheusApi } from "./api/MetricsApi.ts"
import { PrincipalsApi } from "./api/PrincipalsApi.ts"
import { ProbesApi, ServiceApi } from "./api/ServiceApi.ts"
import { declare } from "./api/ProblemDocument.ts"
import { SessionsApi } from "./api/SessionsApi.ts"
import { SocketApi } from "./api/SocketApi.ts"
import { StreamApi } from "./api/StreamApi.ts"
import { ToolsApi } from "./api/ToolsApi.ts"
import { TurnsApi } from "./api/TurnsApi.ts"

/** Everything under `/v1`: read strictly, behind a token. The token is asked for before anything is read. */
const V1 = HttpApi.make("keelson/v1")
  .add(
    SessionsApi,
    TurnsApi,
    ActionsApi,
    ConfirmationsApi,
    ToolsApi,
    HaltApi,
    PrincipalsApi,
    JournalApi,
    StreamApi,
    SocketApi,
    ServiceApi,
    MetricsApi
  )
  .prefix("/v1")
  .middleware(Intake)
  .middleware(Authentication)

/** Where a scraper looks, behind the same doors. */
const Scraped = HttpApi.make("keelson/scraped").add(PrometheusApi).middleware(Intake).middleware(Authentication)

export const Api = HttpApi.make("keelson")
  .addHttpApi(V1)
  .addHttpApi(Scraped)
  .add(ProbesApi)
  .annotate(HttpApi.ParseOptions, { onExcessProperty: "error", errors: "all" })
  .annotate(HttpApi.HeadersParseOptions, { onExcessProperty: "ignore", errors: "all" })
  // Belongs to no operation: it says that there is none.
  .annotate(HttpApi.AdditionalSchemas, declare("MethodNotAllowed"))
  .annotateMerge(
    OpenApi.annotations({
      title: "Keelson",
      version: "1",
      description:
        "Sessions, turns, actions and confirmations of AI agents that act only with a permit. Every write takes an `Idempotency-Key`; every error is a problem document (RFC 9457).",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" }
    })
  )

/** The frames of a WebSocket: the same deeds, and the events of sessions. */
export * as Frames from "./api/Frames.ts"

/** Served beside the API, static, without a token: the description of the API, and a page that shows it. */
export const openApiPath = "/openapi.json"
export const asyncApiPath = "/asyncapi.json"
export const docsPath = "/docs"

/** Where a WebSocket is opened. */
export const socketPath = "/v1/socket"
