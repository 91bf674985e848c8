/**
 * How the demo is told: acts, what is said, what a person is asked.
 *
 * Owns pacing and layout. Does not own the story (`DemoPlay`) or what is claimed at its end (`DemoProof`).
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import type { Question } from "./DemoClient.ts"
import type { Check } from "./DemoProof.ts"
import * as Page from "./Page.ts"

export interface Stage {
  readonly act: (title: string) => Effect.Effect<void>
  /** What happens, in the narrator's words. */
  readonly say: (text: string) => Effect.Effect<void>
  /** What somebody said or a file holds, line by line. */
  readonly show: (label: string, text: string) => Effect.Effect<void>
  readonly question: (question: Question, why: string) => Effect.Effect<void>
  /** Time to read; none where nobody watches. */
  readonly pause: Effect.Effect<void>
}

/** Reading time after a thing that matters, in milliseconds. */
const pauseMillis = 700

export const make = (look: Page.Look, options: { readonly silent: boolean; readonly paced: boolean }): Stage => {
  const write = (text: string) => (options.silent ? Effect.void : Console.log(text))
  return {
    act: (title) => write(`\n${Page.mark(look, "bold", title)}`),
    say: (text) => write(Page.indented(look, Page.visible(text), "  ")),
    show: (label, text) =>
      write(
        [
          `  ${Page.mark(look, "dim", label)}`,
          ...Page.wrap(Page.visible(text).replace(/\n$/, ""), look.width - 4).map(
            (line) => `    ${Page.mark(look, "cyan", line)}`
          )
        ].join("\n")
      ),
    question: Effect.fnUntraced(function* (question, why) {
      const now = yield* Clock.currentTimeMillis
      const ends = question.expiresAt === null ? now : Date.parse(question.expiresAt)
      const { argumentsText, policies, proposer, tool } = question
      yield* write(
        Page.rows(
          look,
          [
            ["tool", tool],
            ["arguments", Page.visible(argumentsText), true],
            ["asked by", `${proposer.kind} ${proposer.id}`],
            ["policy", Page.visible(Page.listed(policies))],
            ["why", Page.visible(why)],
            ["time left", `${Math.max(0, Math.round((ends - now) / 1000))} s, then it expires by itself`]
          ],
          "    "
        )
      )
    }),
    pause: options.paced ? Effect.sleep(Duration.millis(pauseMillis)) : Effect.void
  }
}

/** What the person at this terminal decides: null to approve, else the reason for a denial. */
export const decide = Effect.gen(function* () {
  const yes = yield* Prompt.run(Prompt.Confirm({ message: "May the agent do exactly this?", initial: false }))
  if (yes) return null
  return (yield* Prompt.run(Prompt.String({ message: "Why not? (Enter: no reason)" }))) || "No."
})

/** The proof as a person reads it: verdict, figures, and the check that gave them. */
export const proof = (look: Page.Look, checks: ReadonlyArray<Check>): string =>
  checks
    .map(({ by, name, says, verdict }) => {
      const sign = { holds: "  ok  ", broken: " FAIL ", "not shown": "  --  " }[verdict]
      const color = { holds: "green", broken: "red", "not shown": "yellow" } as const
      return [
        Page.indented(look, name, "      ", Page.mark(look, color[verdict], sign)),
        Page.indented(look, says, "      "),
        Page.mark(look, "dim", Page.indented(look, `from ${by}`, "      "))
      ].join("\n")
    })
    .join("\n")

/** The proof as one line for machines. */
export const machine = (checks: ReadonlyArray<Check>, stands: boolean): string => JSON.stringify({ stands, checks })
