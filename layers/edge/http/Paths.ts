/**
 * Which methods a path takes, so that a wrong method is told from a wrong path.
 */
import * as FindMyWay from "effect/http/FindMyWay"
import { Api, asyncApiPath, docsPath, openApiPath } from "../Api.ts"

/** One spelling of a path: whatever else stands between a proxy's rules and ours is no path. */
export const spelling: Partial<FindMyWay.RouterConfig> = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  maxParamLength: 100
}

export const make = () => {
  const known = FindMyWay.make<null>(spelling)
  const methods = new Set<string>()
  const add = (method: string, path: FindMyWay.PathInput) => {
    known.on(method, path, null)
    methods.add(method)
  }
  for (const group of Object.values(Api.groups)) {
    for (const endpoint of Object.values(group.endpoints)) add(endpoint.method, endpoint.path)
  }
  add("GET", docsPath)
  add("GET", openApiPath)
  add("GET", asyncApiPath)
  /** Empty where there is no such path. */
  return (url: string): ReadonlyArray<string> => {
    // The bare address; the router would take an empty path and the asterisk for it.
    if (url === "/" || url.startsWith("/?")) return ["GET", "HEAD"]
    const taken = [...methods].filter((method) => known.find(method, url) !== undefined)
    return taken.includes("GET") ? [...taken, "HEAD"].sort() : taken.sort()
  }
}
