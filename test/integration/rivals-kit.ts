/** Rivals over HTTP, so many of each kind at once: two approvals, an approval and a denial, an approval and an expiry. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Service from "#test/kit/service.ts"
import * as TemporaryFolder from "#test/kit/TemporaryFolder.ts"

const flags = {
  "requests-per-second-max": 1_000_000,
  "confirmations-pending-max": 10_000,
  "confirmations-pending-per-session-max": 10_000,
  ...Service.manyWaits
}

/** Proposes `rounds` actions, each of which would append its own line to one file. */
const propose = async (service: Service.Service, name: string, rounds: number) => {
  writeFileSync(join(service.workspace, "lines.txt"), "")
  const session = await service.post("/v1/sessions", `session-${name}`, {})
  const sessionId: string = session.body.sessionId
  const asked = await Promise.all(
    Array.from({ length: rounds }, (_, index) =>
      service.post(`/v1/sessions/${sessionId}/actions`, `${name}-${index}`, {
        tool: "file.write",
        arguments: { path: "lines.txt", content: `${name}-${index}\n`, mode: "append" }
      })
    )
  )
  for (const { status, body } of asked) assert.strictEqual(status, 201, JSON.stringify(body))
  return asked.map(({ body }) => ({
    confirmationId: String(body.confirmationId),
    actionId: String(body.actionId),
    deadlineMillis: Date.parse(body.deadlineAt)
  }))
}

const ended = (service: Service.Service, actionId: string) =>
  service.get(`/v1/actions/${actionId}?waitMillis=20000`).then(({ body }) => String(body.status))

/** Every line of the file, and that none stands twice. */
const linesOnce = (service: Service.Service, executed: number) => {
  const lines = readFileSync(join(service.workspace, "lines.txt"), "utf8").split("\n").slice(0, -1)
  assert.strictEqual(new Set(lines).size, lines.length, "a line was written twice")
  assert.strictEqual(lines.length, executed)
}

const withService = (
  work: (service: Service.Service) => Promise<void>,
  more: { readonly [flag: string]: number } = {}
) =>
  Effect.scoped(
    Effect.flatMap(TemporaryFolder.make, (folder) =>
      Effect.promise(() => Service.using({ folder, flags: { ...flags, ...more } }, work))
    )
  )

export const rivals = (rounds: number): void => {
  describe(`rivals over HTTP, ${rounds} times at once`, () => {
    it.live(
      "of two approvals one wins, the other is told so, and the tool runs once",
      () =>
        withService(async (service) => {
          const asked = await propose(service, "aa", rounds)
          const decisions = await Promise.all(
            asked.flatMap(({ confirmationId }, index) => [
              service.post(`/v1/confirmations/${confirmationId}/approve`, `a-${index}`, {}),
              service.post(`/v1/confirmations/${confirmationId}/approve`, `b-${index}`, {})
            ])
          )
          for (let index = 0; index < rounds; index++) {
            const pair = [decisions[2 * index]!, decisions[2 * index + 1]!]
            assert.deepStrictEqual(
              pair.map(({ status }) => status).sort((a, b) => a - b),
              [200, 409]
            )
            const loser = pair.find(({ status }) => status === 409)!
            assert.include(["Approved", "Claimed", "Executed"], loser.body.state)
          }
          const states = await Promise.all(asked.map(({ actionId }) => ended(service, actionId)))
          assert.deepStrictEqual(new Set(states), new Set(["Executed"]))
          linesOnce(service, rounds)
        }),
      300_000
    )

    it.live(
      "of an approval and a denial one wins, and the tool runs only where the approval did",
      () =>
        withService(async (service) => {
          const asked = await propose(service, "ad", rounds)
          const decisions = await Promise.all(
            asked.flatMap(({ confirmationId }, index) => {
              const approve = () => service.post(`/v1/confirmations/${confirmationId}/approve`, `a-${index}`, {})
              const deny = () => service.post(`/v1/confirmations/${confirmationId}/deny`, `d-${index}`, {})
              return index % 2 === 0 ? [approve(), deny()] : [deny(), approve()]
            })
          )
          const states = await Promise.all(asked.map(({ actionId }) => ended(service, actionId)))
          states.forEach((state, index) => {
            const pair = [decisions[2 * index]!, decisions[2 * index + 1]!]
            assert.deepStrictEqual(
              pair.map(({ status }) => status).sort((a, b) => a - b),
              [200, 409]
            )
            const winner = pair.find(({ status }) => status === 200)!.body.status
            assert.strictEqual(state, winner === "Denied" ? "Denied" : "Executed")
            const told = pair.find(({ status }) => status === 409)!.body.state
            assert.strictEqual(told === "Denied", winner === "Denied")
          })
          assert.deepStrictEqual(new Set(states), new Set(["Executed", "Denied"]), "each kind wins at times")
          linesOnce(service, states.filter((state) => state === "Executed").length)
        }),
      300_000
    )

    it.live(
      "of an approval and an expiry one wins, and nothing runs that expired",
      () =>
        withService(
          async (service) => {
            const asked = await propose(service, "ae", rounds)
            // The first comes at once, the others spread over the deadline: before it, at it, after it.
            const decisions = await Promise.all(
              asked.map(async ({ confirmationId, deadlineMillis }, index) => {
                if (index > 0) await Service.untilClock(deadlineMillis - 100 + (200 * index) / rounds)
                return service.post(`/v1/confirmations/${confirmationId}/approve`, `a-${index}`, {})
              })
            )
            const states = await Promise.all(asked.map(({ actionId }) => ended(service, actionId)))
            assert.deepStrictEqual(new Set(decisions.map(({ status }) => status)), new Set([200, 409]))
            states.forEach((state, index) => {
              const { status, body } = decisions[index]!
              if (status === 409) {
                assert.strictEqual(body.state, "Expired")
                assert.strictEqual(state, "Expired")
              } else {
                // Approved a moment before the deadline, an action lapses unclaimed, or is claimed and refused by its
                // own permit: it never runs late.
                assert.include(["Executed", "Lapsed", "Failed"], state)
              }
            })
            linesOnce(service, states.filter((state) => state === "Executed").length)
            const counters = (await service.get("/v1/counters")).body.confirmations
            assert.strictEqual(
              counters.created,
              counters.approved + counters.denied + counters.expired + counters.withdrawn
            )
            assert.strictEqual(counters.pending, 0)
          },
          { "confirmation-ttl-millis": Math.max(3_000, 4 * rounds), "claim-lease-millis": 2_000 }
        ),
      300_000
    )
  })
}
