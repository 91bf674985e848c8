/**
 * One connection after its handshake: what is kept of it for as long as it is open.
 *
 * A record, and beside it one fiber that reads; what works on it stands in the other rooms, once for all connections.
 * Thousands may lie idle, and what only a busy one needs is made when it is first needed.
 */
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { Socket as TcpSocket } from "node:net"
import type { Principal } from "#src/ports/Identity.ts"
import type { Closing } from "../api/Frames.ts"
import type * as Deliveries from "./Deliveries.ts"
import type * as Endings from "./Endings.ts"
import type * as Incoming from "./Incoming.ts"
import type { InHand } from "./InHand.ts"
import type { Held } from "./Listener.ts"
import type * as Notices from "./Notices.ts"
import type { Outbox } from "./Outbox.ts"

/** What comes, what goes, and what carries it. */
export interface Wire extends Pick<Socket.Reader, "pull"> {
  readonly writer: Socket.Writer
  readonly tcp: TcpSocket
}

export interface Peer extends Deliveries.Following, Notices.Notice, Endings.Reading {
  readonly listener: Held
  readonly caller: Principal
  readonly wire: Wire
  /** What reads, and what works beside it: they end together, before its scope closes. A bare set, since thousands lie idle. */
  readonly working: Set<Fiber.Fiber<void>>
  /** Undefined until it ends; null where the peer went. */
  ending: Closing | null | undefined
  /** Whether a heartbeat is on its way. */
  beating: boolean
  inHand: InHand | undefined
  nonsense: Incoming.Nonsense | undefined
}

export const make = (listener: Held, caller: Principal, scope: Scope.Closeable, wire: Wire, outbox: Outbox): Peer => ({
  listener,
  caller,
  scope,
  working: new Set(),
  wire,
  outbox,
  ending: undefined,
  inHand: undefined,
  nonsense: undefined,
  running: undefined,
  readTurns: undefined,
  beating: false,
  untold: null,
  waiting: false,
  came: false,
  begun: false,
  seenBytes: wire.tcp.bytesRead
})
