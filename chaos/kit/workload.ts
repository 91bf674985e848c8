/**
 * What clients do with the service while it may die at any moment: a few steps each, none of which waits for good.
 *
 * Chance decides what comes next; keys are unique, so that every step can be asked for again.
 */
import type { Answer, Service } from "#test/kit/service.ts"
import type { Ledger } from "./ledger.ts"

/** One after the other, as an ordinary day brings them. */
export const recipes = [
  "session",
  "touch",
  "close",
  "expire",
  "erase",
  "turn",
  "cancel",
  "approve",
  "deny",
  "rivals",
  "forget",
  "withdraw",
  "fail",
  "lapse",
  "abandon",
  "reconcile",
  "remote",
  "renew",
  "halt",
  "declare",
  "principal"
] as const
export type Recipe = (typeof recipes)[number]

/** These stop or fill something for everybody: done only where they are the point. */
const rare: ReadonlySet<Recipe> = new Set([
  "renew",
  "halt",
  "declare",
  "principal",
  "forget",
  "lapse",
  "abandon",
  "reconcile"
])
const ordinary = recipes.filter((recipe) => !rare.has(recipe))

/** The agent that runs a tool elsewhere. */
export interface Agent {
  readonly token: string
  readonly tool: string
  /** What it claimed and never spoke of again, oldest first: for people to settle, in this life or a later one. */
  readonly abandoned: Array<{ readonly path: string; readonly atMillis: number }>
}

/** How long a question waits for people, and a claim of the service itself lasts. */
export const confirmationMillis = 4_000
export const leaseMillis = 2_500
/** How long a claim of the agent lasts: the shortest there is. */
const remoteLeaseMillis = 5_000

export const policies = `
@id("mark") @gate("human") permit (principal, action == Action::"chaos.mark", resource);
@id("look") permit (principal, action in [Action::"file.read", Action::"file.list"], resource);
@id("write") @gate("human") permit (principal, action == Action::"file.write", resource);
@id("remote") permit (principal, action, resource)
  unless { [Action::"chaos.mark", Action::"file.read", Action::"file.list", Action::"file.write",
    Action::"shell.run"].contains(action) };
`

/** Makes the agent and its tool; the same in every life, by the same keys. */
export const prepare = async (service: Service): Promise<Agent> => {
  const made = await service.post("/v1/principals", "chaos-agent", { principalId: "chaos-agent", kind: "AGENT" })
  const tool = "chaos.elsewhere"
  const inputSchema = { type: "object", properties: {}, additionalProperties: false }
  const lease = { leaseMillis: remoteLeaseMillis, executorId: "chaos-agent" }
  const declared = { name: tool, description: "Runs elsewhere.", inputSchema, ...lease }
  const answer = await service.post("/v1/tools", "chaos-tool", declared)
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return { token: made.body.token, tool, abandoned: [] }
}

export interface Client {
  readonly name: string
  readonly random: () => number
  readonly ledger: Ledger
  readonly agent: Agent
  /** What it claimed, by action: an executor runs nothing twice. */
  readonly claimed: Map<string, number>
  sessionId: string | null
  count: number
}

/** Does what chance brings, the favourite every second time, until the service is gone or `isOver`. */
export const work = async (
  client: Client,
  service: Service,
  favourite: Recipe | null,
  isOver: () => boolean
): Promise<void> => {
  while (!isOver()) {
    const ordinaryOne = ordinary[Math.floor(client.random() * ordinary.length)]!
    const recipe = favourite !== null && client.random() < 0.5 ? favourite : ordinaryOne
    if (!(await step(client, service, recipe))) return
  }
}

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

type Post = (path: string, body?: unknown, token?: string) => Promise<Answer>

class Gone extends Error {}

/** One recipe from its beginning; false where the service is gone. */
const step = async (client: Client, service: Service, recipe: Recipe): Promise<boolean> => {
  const post: Post = async (path, body = {}, token = service.token) => {
    const key = `${client.name}-${(client.count += 1)}`
    const answer = await client.ledger.send(service, { path, key, body, token, sessionId: client.sessionId })
    if (answer === null) throw new Gone()
    return answer
  }
  try {
    await doing[recipe](client, post)
    return true
  } catch (cause) {
    // A session of a life that never was: begin anew.
    client.sessionId = null
    if (cause instanceof Gone) return false
    throw cause
  }
}

const session = async (client: Client, post: Post): Promise<string> => {
  if (client.sessionId !== null) return client.sessionId
  const { body, status } = await post("/v1/sessions", { title: client.name })
  if (status === 201) client.sessionId = body.sessionId
  return body.sessionId ?? "ses_none"
}

/** Ends what it is about, so that the next step begins another. */
const ending = async (client: Client, post: Post, deed: string): Promise<void> => {
  const sessionId = await session(client, post)
  if (deed === "erase") client.ledger.erases(sessionId)
  await post(`/v1/sessions/${sessionId}/${deed}`)
  client.sessionId = null
}

const propose = async (client: Client, post: Post, tool: string, args: object): Promise<Answer> =>
  post(`/v1/sessions/${await session(client, post)}/actions`, { tool, arguments: args })

const ask = async (client: Client, post: Post, line = `line-${client.name}-${client.count}`) =>
  String((await propose(client, post, "chaos.mark", { line })).body.confirmationId ?? "cnf_none")

/** Proposes what the agent runs elsewhere and, if it is to, claims it. */
const claim = async (client: Client, post: Post): Promise<{ readonly path: string; readonly claimId: string }> => {
  const { actionId = "act_none" } = (await propose(client, post, client.agent.tool, {})).body
  const path = `/v1/actions/${actionId}`
  const { body, status } = await post(`${path}/claim`, {}, client.agent.token)
  if (status === 200) client.claimed.set(actionId, (client.claimed.get(actionId) ?? 0) + 1)
  return { path, claimId: body.claimId ?? "clm_none" }
}

const pause = (millis: number) => new Promise<void>((wake) => setTimeout(wake, millis))

const decide = (deed: string) => async (client: Client, post: Post) => {
  await post(`/v1/confirmations/${await ask(client, post)}/${deed}`)
}

const doing: { readonly [R in Recipe]: (client: Client, post: Post) => Promise<unknown> } = {
  session: async (client, post) => {
    client.sessionId = null
    await session(client, post)
  },
  touch: async (client, post) => post(`/v1/sessions/${await session(client, post)}/touch`),
  close: (client, post) => ending(client, post, "close"),
  erase: async (client, post) => {
    await ask(client, post)
    await ending(client, post, "erase")
  },
  expire: async (_, post) => {
    await post("/v1/sessions", { title: "short", ttlMillis: 1_000 })
    await pause(200)
  },
  turn: async (client, post) => {
    await post(`/v1/sessions/${await session(client, post)}/turns`, { input: "list\nsay done" })
    await pause(50)
  },
  cancel: async (client, post) => {
    const { body } = await post(`/v1/sessions/${await session(client, post)}/turns`, { input: "write a.txt: hello" })
    if (body.turnId !== undefined) await post(`/v1/turns/${body.turnId}/cancel`)
  },
  approve: decide("approve"),
  deny: decide("deny"),
  withdraw: decide("withdraw"),
  fail: async (client, post) =>
    post(`/v1/confirmations/${await ask(client, post, `fail-${client.name}-${client.count}`)}/approve`),
  rivals: async (client, post) => {
    const path = `/v1/confirmations/${await ask(client, post)}`
    await Promise.all([post(`${path}/approve`), post(`${path}/deny`), post(`${path}/approve`)])
  },
  forget: async (client, post) => {
    await ask(client, post)
    await pause(300)
  },
  lapse: async (client, post) => {
    await propose(client, post, client.agent.tool, {})
    await pause(300)
  },
  abandon: async (client, post) => {
    const { path } = await claim(client, post)
    client.agent.abandoned.push({ path, atMillis: Date.now() })
    await pause(300)
  },
  reconcile: async (client, post) => {
    const [oldest] = client.agent.abandoned
    if (oldest === undefined || Date.now() < oldest.atMillis + remoteLeaseMillis + 100) {
      return doing.abandon(client, post)
    }
    client.agent.abandoned.shift()
    return post(`${oldest.path}/reconcile`, { outcome: "Failed", note: "looked: nothing is there" })
  },
  remote: async (client, post) => {
    const { claimId, path } = await claim(client, post)
    await post(`${path}/outcome`, { claimId, outcome: "Executed", output: {} }, client.agent.token)
  },
  renew: async (client, post) => {
    const { claimId, path } = await claim(client, post)
    // A sign of life that gains less is not written down.
    await pause(remoteLeaseMillis / 3 + 100)
    await post(`${path}/heartbeat`, { claimId }, client.agent.token)
    await post(`${path}/outcome`, { claimId, outcome: "Executed", output: {} }, client.agent.token)
  },
  halt: async (_, post) => {
    await post("/v1/halt", { reason: "chaos" })
    await post("/v1/resume", { reason: "chaos is over" })
  },
  declare: async (client, post) => {
    const name = `chaos.${client.name}.${client.count}`
    const inputSchema = { type: "object", properties: {}, additionalProperties: false }
    const tool = { name, description: "Declared and never used.", inputSchema, executorId: "chaos-agent" }
    await post("/v1/tools", tool)
    await post(`/v1/tools/${name}/withdraw`)
    await post("/v1/tools", tool)
  },
  principal: async (client, post) => {
    const principalId = `agent-${client.name}-${client.count}`
    await post("/v1/principals", { principalId, kind: "AGENT" })
    const path = `/v1/principals/${principalId}`
    await post(`${path}/keys`)
    await post(`${path}/keys`, { replace: true })
    await post(`${path}/roles`, { roles: ["agent"] })
    await post(`${path}/disable`)
    await post(`${path}/enable`)
  }
}
