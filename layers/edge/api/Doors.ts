/**
 * What stands before every door of `/v1`: a bearer token, and a body that is exactly what the door takes.
 *
 * Owns the two middleware tags. Does not own their implementations (`../http/Authentication`, `../http/Intake`).
 */
import * as Context from "effect/Context"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import type { Principal } from "#src/ports/Identity.ts"
import { declare } from "./ProblemDocument.ts"

/** Who stands at the door. */
export class Caller extends Context.Service<Caller, Principal>()("keelson/edge/Caller") {}

export class Authentication extends HttpApiMiddleware.Service<Authentication, { provides: Caller }>()(
  "keelson/edge/Authentication",
  {
    security: {
      token: HttpApiSecurity.bearer.pipe(
        HttpApiSecurity.annotate(OpenApi.Description, "A Keelson token: `kls_` and 49 characters.")
      )
    },
    error: declare("Unauthenticated", "LimitReached", "Unavailable", "Corrupt")
  }
) {}

/** Reads and checks bodies, keys and parameters, and says what is wrong with them as a problem. */
export class Intake extends HttpApiMiddleware.Service<Intake>()("keelson/edge/Intake") {}
