/**
 * What clients were told, so that it can be held against what is there after a crash.
 *
 * An operation is one request under one key. `answer` is null while nobody knows whether it happened.
 */
import type { Answer, Service } from "#test/kit/service.ts"

export interface Operation {
  readonly path: string
  readonly key: string
  readonly body: unknown
  readonly token: string
  /** What it is about, where that can be forgotten: nothing of it is answered afterwards. */
  readonly sessionId: string | null
  answer: Answer | null
}

export interface Violation {
  readonly kind: "lost" | "double" | "orphaned" | "phantom" | "broken"
  readonly detail: string
}

const isFinal = ({ status }: Answer) => status < 500 && status !== 429

/** Lines of the service's log beside a finding. */
const saidMax = 5

/** Answers that came late because the service was away are asked for this long. */
const patienceMillis = 20_000

export class Ledger {
  readonly #erased = new Set<string>()
  /** Since the last look. */
  #fresh: Array<Operation> = []
  /** Some of those before, looked at again: a later crash must not lose what an earlier one kept. */
  readonly #kept: Array<Operation> = []
  acknowledged = 0
  readonly violations: Array<Violation> = []

  /** Sends once; remembers what came back, or that nobody knows. */
  async send(
    service: Service,
    operation: Omit<Operation, "answer" | "token"> & { readonly token?: string }
  ): Promise<Answer | null> {
    const entry: Operation = { ...operation, token: operation.token ?? service.token, answer: null }
    this.#fresh.push(entry)
    const answer = await service.post(entry.path, entry.key, entry.body, entry.token).catch(() => null)
    if (answer !== null && isFinal(answer)) this.#settle(entry, answer)
    else if (answer?.status === 500) this.#violate("broken", entry, answer, service)
    return answer
  }

  /** Marks what belongs to a session as forgotten, whether or not the word came through. */
  erases(sessionId: string): void {
    this.#erased.add(sessionId)
  }

  /**
   * After a restart: everything that was acknowledged is answered the same, and what was in doubt is settled. Where the
   * service dies meanwhile, the next one is asked again.
   */
  async settle(service: Service, random: () => number): Promise<void> {
    const sample = this.#kept.filter(() => random() < 30 / Math.max(30, this.#kept.length))
    const entries = [...this.#fresh, ...sample]
    for (let next = 0; next < entries.length;) {
      const some = entries.slice(next, (next += 20))
      const gone = await Promise.all(some.map((entry) => this.#again(service, entry)))
      if (gone.includes(true)) return
    }
    this.#kept.push(...this.#fresh)
    this.#fresh = []
  }

  /** Answers whether the service is gone. */
  async #again(service: Service, entry: Operation): Promise<boolean> {
    const deadline = Date.now() + patienceMillis
    for (;;) {
      const answer = await service.post(entry.path, entry.key, entry.body, entry.token).catch(() => null)
      if (answer === null) return true
      if (!isFinal(answer)) {
        if (answer.status === 500 || Date.now() > deadline) {
          this.#violate("broken", entry, answer, service)
          return false
        }
        await new Promise((wake) => setTimeout(wake, 50))
        continue
      }
      if (entry.answer === null) {
        this.#settle(entry, answer)
        return false
      }
      const isForgotten = this.#erased.has(entry.sessionId ?? entry.answer.body.sessionId)
      const isSame = answer.status === entry.answer.status && told(answer) === told(entry.answer)
      if (entry.answer.status < 300 && !isForgotten && !isSame) this.#violate("lost", entry, answer, service)
      return false
    }
  }

  #settle(entry: Operation, answer: Answer): void {
    entry.answer = answer
    if (answer.status < 300) this.acknowledged += 1
  }

  #violate(kind: Violation["kind"], entry: Operation, answer: Answer, service: Service): void {
    const was = entry.answer === null ? "nothing" : `${entry.answer.status} ${told(entry.answer)}`
    const detail = `${entry.path} ${entry.key}: was told ${was}, now ${answer.status} ${told(answer)}`
    // What the service itself said before it answered so.
    const said = service
      .log()
      .split("\n")
      .filter((line) => /"level":"(ERROR|FATAL)"/.test(line))
      .slice(0, saidMax)
    this.violations.push({ kind, detail: [detail, ...said].join("\n    ") })
  }
}

/** A token is shown once and never again, as promised. */
const told = ({ body }: Answer): string =>
  JSON.stringify(body, (name, value: unknown) => (name === "token" ? undefined : value))
