/**
 * What comes in is read here, strictly, and what is wrong with it is said as a problem.
 *
 * Owns the reading of bodies and the wording of schema errors. Does not own the schemas (`api/*`) nor whether what
 * was asked for makes sense (the rooms).
 */
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { Intake } from "../api/Doors.ts"
import { parse as parseKey } from "../api/IdempotencyKey.ts"
import * as Problems from "../Problems.ts"
import * as Answers from "./Answers.ts"
import * as Exchange from "./Exchange.ts"
import * as Flaws from "./Flaws.ts"
import * as JsonBody from "./JsonBody.ts"

export const layer = (limits: JsonBody.Limits): Layer.Layer<Intake> =>
  Layer.succeed(
    Intake,
    Intake.of((door, { endpoint }) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest
        const { params } = yield* HttpRouter.RouteContext
        const exchange = yield* Exchange.Current
        exchange.route = endpoint.path
        exchange.ids = known(params)
        const read = endpoint.payload.size === 0 ? door : withBody(request, limits, door)
        return yield* Effect.catch(read, (error) =>
          HttpApiError.HttpApiSchemaError.is(error) ? said(error, request, params) : Effect.fail(error)
        )
      })
    )
  )

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Door = Parameters<Intake["Service"]>[0]

/** The request with its body read: what decodes it finds the text that was checked. */
const withBody = (request: HttpServerRequest, limits: JsonBody.Limits, door: Door) =>
  Effect.matchEffect(JsonBody.read(request, limits), {
    onFailure: Answers.refuse,
    onSuccess: (text) => {
      const checked: HttpServerRequest = Object.create(request, {
        text: { value: Effect.succeed(text) },
        headers: { value: { ...request.headers, "content-type": "application/json" } }
      })
      return Effect.provideService(door, HttpServerRequest, checked)
    }
  })

/** Ids of the path that have the shape of an id; anything else is not written down. */
const known = (params: { readonly [name: string]: string | undefined }): { readonly [name: string]: string } =>
  Object.fromEntries(
    Object.entries(params).flatMap(([name, id]) =>
      id !== undefined && /^[a-z]{3}_[0-9a-z]{26}$/.test(id) ? [[name, id]] : []
    )
  )

/** Of a parameter's name, which may be the caller's own. */
const nameMax = 100

const said = (
  error: HttpApiError.HttpApiSchemaError,
  request: HttpServerRequest,
  params: { readonly [name: string]: string | undefined }
) => {
  switch (error.kind) {
    case "Params": {
      const name = String(flaws(error)[0]?.path[0] ?? "")
      const id = params[name] ?? ""
      const kind = name === "name" ? "tool" : name.replace(/Id$/, "")
      return Answers.refuse(Problems.make("NotFound", `there is no ${kind} of this name`, { kind, id }))
    }
    case "Headers":
      return Answers.refuse(headerProblem(error, request))
    case "Query": {
      const [flaw] = flaws(error)
      const parameter = String(flaw?.path[0] ?? "").slice(0, nameMax)
      const detail = `${parameter}: ${flaw?.message ?? "not understood"}`
      return Answers.refuse(
        parameter === "after"
          ? Problems.make("InvalidCursor", detail)
          : Problems.make("InvalidParameter", detail, { parameter })
      )
    }
    case "Payload": {
      const errors = Flaws.of(error.cause.issue)
      const [first] = errors
      const detail = first === undefined ? "not understood" : `${first.pointer}: ${first.detail}`
      return Answers.refuse(Problems.make("InvalidBody", detail, { errors }))
    }
    case "Body":
    case "ResponseHeaders":
      return Effect.andThen(
        Effect.logError("an answer does not fit its own description", error.cause),
        Answers.refuse(Problems.make("InternalError"))
      )
  }
}

const flaws = (error: HttpApiError.HttpApiSchemaError) => Flaws.found(error.cause.issue)

const headerProblem = (error: HttpApiError.HttpApiSchemaError, request: HttpServerRequest): Problems.Problem => {
  const parameter = String(flaws(error)[0]?.path[0] ?? "")
  if (parameter === "last-event-id") {
    return Problems.make("InvalidParameter", "last-event-id: not a position of the journal", { parameter })
  }
  const key = request.headers["idempotency-key"]
  if (key === undefined) return Problems.make("IdempotencyKeyMissing")
  if (parseKey(key) === null) return Problems.make("IdempotencyKeyInvalid")
  return Problems.make("InvalidParameter", `${parameter}: not what was expected`, { parameter })
}
