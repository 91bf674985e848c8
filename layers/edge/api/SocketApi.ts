/** The door to a WebSocket (RFC 6455). What is said over it is described in `/asyncapi.json`, by `Frames`. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { declare, questions } from "./ProblemDocument.ts"

export const SocketApi = HttpApiGroup.make("socket")
  .add(
    HttpApiEndpoint.get("open", "/socket", {
      success: HttpApiSchema.Empty(101),
      error: [...questions, ...declare("UpgradeRequired", "LimitReached", "Overloaded")]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Open a WebSocket: deeds, answers and events on one connection",
        description:
          "Offer the subprotocol `keelson.v1`. A page in a browser, which can't set headers, offers `keelson.token.` and its token beside it. The frames are described in `/asyncapi.json`."
      })
    )
  )
  .annotateMerge(
    OpenApi.annotations({ title: "WebSocket", description: "One connection for everything that is said." })
  )
