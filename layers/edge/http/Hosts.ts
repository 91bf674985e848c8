/**
 * Which host names the service answers to.
 *
 * A page in a browser can make a name of its own point to 127.0.0.1 (DNS rebinding) and so reach a service that
 * only loopback can. Its requests carry that name in `Host`: bound to loopback, no other than ours are answered.
 */

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)

/** Null where every name is answered, as behind a proxy. */
export const answered = (host: string, added: ReadonlyArray<string>): ReadonlySet<string> | null =>
  isLoopback(host) || added.length > 0
    ? new Set(["localhost", "127.0.0.1", "::1", host, ...added].map((name) => name.toLowerCase()))
    : null

/** The name in a `Host` header, without port and brackets; null where it is no host at all. */
export const nameOf = (header: string): string | null => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header)
  return match === null ? null : (match[1] ?? match[2] ?? "").toLowerCase()
}
