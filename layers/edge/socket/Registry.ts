/**
 * Who is connected, and who follows what: the state that all WebSockets share.
 *
 *   members        connection -> its listener                how many there may be, in all and of one principal
 *   ofPrincipal    principal -> connections                  whom a revoked key concerns
 *   followers      followed -> connection -> follower        whom an event concerns
 *   followed       connection -> followed -> follower        what ends with a connection
 *
 * Owns these tables and their limits. Does not own what is sent (`Deliveries`, `Tail`) nor the truth: whatever spans
 * processes is a guard in the journal.
 *
 * Invariants: every operation is one transaction (`Effect.tx`), so the tables never contradict each other, whatever
 * interleaves; a limit is never passed, not for a moment; a connection that leaves is in none of them.
 */
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import * as TxHashMap from "effect/TxHashMap"
import type { PrincipalId } from "#src/kernel/Ids.ts"
import * as Problems from "../Problems.ts"
import type * as Followed from "./Followed.ts"

/** A connection, as others see it. */
export interface Member {
  readonly id: string
  readonly principalId: PrincipalId
}

export interface Limits {
  readonly socketsMax: number
  readonly socketsPerPrincipalMax: number
  readonly socketSessionsMax: number
}

export interface Counts {
  readonly sockets: number
  readonly follows: number
}

export interface Registry<M extends Member, F> {
  /** Takes a place; refused where there is none. */
  readonly admit: (member: M) => Effect.Effect<void, Problems.Problem>
  /** Gives back the place, and all that the connection had. Harmless a second time. */
  readonly leave: (id: string) => Effect.Effect<void>
  readonly membersOf: (principal: PrincipalId) => Effect.Effect<ReadonlyArray<M>>
  /** Refused where the connection follows it already, follows as many as it may, or left. */
  readonly follow: (id: string, key: Followed.Key, follower: F) => Effect.Effect<void, Problems.Problem>
  /** False where it did not. */
  readonly unfollow: (id: string, key: Followed.Key) => Effect.Effect<boolean>
  /** Those of any of the keys. */
  readonly followersOf: (...keys: ReadonlyArray<Followed.Key>) => Effect.Effect<ReadonlyArray<F>>
  /** What a connection follows. */
  readonly followedBy: (id: string) => Effect.Effect<ReadonlyArray<readonly [Followed.Key, F]>>
  readonly allFollowers: Effect.Effect<ReadonlyArray<F>>
  readonly counts: Effect.Effect<Counts>
}

/** Makes what an operation does one step; anything but a transaction stands here only as the control of its test. */
export interface Atomically {
  <A, E>(body: Effect.Effect<A, E, Effect.Transaction>, operation: string): Effect.Effect<A, E>
}

export const make = <M extends Member, F>(limits: Limits, atomically: Atomically = (body) => Effect.tx(body)) =>
  Effect.gen(function* () {
    const members = yield* TxHashMap.empty<string, M>()
    const ofPrincipal = yield* TxHashMap.empty<PrincipalId, HashSet.HashSet<string>>()
    const followers = yield* TxHashMap.empty<Followed.Key, HashMap.HashMap<string, F>>()
    const followed = yield* TxHashMap.empty<string, HashMap.HashMap<Followed.Key, F>>()

    const admit = (member: M) =>
      atomically(
        Effect.gen(function* () {
          if ((yield* TxHashMap.size(members)) >= limits.socketsMax) return yield* Problems.make("Overloaded")
          const mine = yield* at(ofPrincipal, member.principalId, HashSet.empty<string>())
          if (HashSet.size(mine) >= limits.socketsPerPrincipalMax) {
            return yield* Problems.limitReached("socketsPerPrincipal", limits.socketsPerPrincipalMax)
          }
          yield* TxHashMap.set(members, member.id, member)
          yield* TxHashMap.set(ofPrincipal, member.principalId, HashSet.add(mine, member.id))
        }),
        "admit"
      )

    const leave = (id: string) =>
      atomically(
        Effect.gen(function* () {
          const member = yield* TxHashMap.get(members, id)
          if (Option.isNone(member)) return
          const { principalId } = member.value
          const mine = HashSet.remove(yield* at(ofPrincipal, principalId, HashSet.empty<string>()), id)
          yield* keep(ofPrincipal, principalId, mine, HashSet.isEmpty)
          for (const key of HashMap.keys(yield* at(followed, id, HashMap.empty<Followed.Key, F>()))) {
            yield* forget(id, key)
          }
          yield* TxHashMap.remove(members, id)
          yield* TxHashMap.remove(followed, id)
        }),
        "leave"
      )

    /** Takes a follower out of the session's table. */
    const forget = Effect.fnUntraced(function* (id: string, key: Followed.Key) {
      const rest = HashMap.remove(yield* at(followers, key, HashMap.empty<string, F>()), id)
      yield* keep(followers, key, rest, HashMap.isEmpty)
    })

    const follow = (id: string, key: Followed.Key, follower: F) =>
      atomically(
        Effect.gen(function* () {
          if (!(yield* TxHashMap.has(members, id))) return yield* Problems.make("Draining")
          const mine = yield* at(followed, id, HashMap.empty<Followed.Key, F>())
          if (HashMap.has(mine, key)) return yield* Problems.conflict(key, "followed")
          if (HashMap.size(mine) >= limits.socketSessionsMax) {
            return yield* Problems.limitReached("sessionsPerSocket", limits.socketSessionsMax)
          }
          yield* TxHashMap.set(followed, id, HashMap.set(mine, key, follower))
          const others = yield* at(followers, key, HashMap.empty<string, F>())
          yield* TxHashMap.set(followers, key, HashMap.set(others, id, follower))
        }),
        "follow"
      )

    const unfollow = (id: string, key: Followed.Key) =>
      atomically(
        Effect.gen(function* () {
          const mine = yield* at(followed, id, HashMap.empty<Followed.Key, F>())
          if (!HashMap.has(mine, key)) return false
          yield* keep(followed, id, HashMap.remove(mine, key), HashMap.isEmpty)
          yield* forget(id, key)
          return true
        }),
        "unfollow"
      )

    const membersOf = (principal: PrincipalId) =>
      atomically(
        Effect.gen(function* () {
          const ids = yield* at(ofPrincipal, principal, HashSet.empty<string>())
          const all = yield* TxHashMap.snapshot(members)
          return [...ids].flatMap((id) => Option.toArray(HashMap.get(all, id)))
        }),
        "membersOf"
      )

    const counts = atomically(
      Effect.gen(function* () {
        const sockets = yield* TxHashMap.size(members)
        const follows = yield* TxHashMap.snapshot(followed)
        return { sockets, follows: HashMap.reduce(follows, 0, (sum, mine) => sum + HashMap.size(mine)) }
      }),
      "counts"
    )

    const registry: Registry<M, F> = {
      admit,
      leave,
      membersOf,
      follow,
      unfollow,
      followersOf: (...keys) =>
        Effect.map(TxHashMap.snapshot(followers), (all) =>
          keys.flatMap((key) => Option.match(HashMap.get(all, key), { onNone: () => [], onSome: HashMap.toValues }))
        ),
      followedBy: (id) => Effect.map(at(followed, id, HashMap.empty<Followed.Key, F>()), (mine) => [...mine]),
      allFollowers: Effect.map(TxHashMap.snapshot(followers), (all) =>
        [...HashMap.values(all)].flatMap((mine) => [...HashMap.values(mine)])
      ),
      counts
    }
    return registry
  })

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const at = <K, V>(map: TxHashMap.TxHashMap<K, V>, key: K, otherwise: V) =>
  Effect.map(
    TxHashMap.get(map, key),
    Option.getOrElse(() => otherwise)
  )

/** Empty entries are none. */
const keep = <K, V>(map: TxHashMap.TxHashMap<K, V>, key: K, value: V, empty: (value: V) => boolean) =>
  empty(value) ? TxHashMap.remove(map, key) : TxHashMap.set(map, key, value)
