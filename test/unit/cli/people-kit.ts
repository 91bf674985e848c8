/** A question as the API shows it. */
import type { Question } from "#layers/cli/people/Question.ts"

export const nowMillis = Date.parse("2026-01-01T00:00:00.000Z")

export const question = (id: string, more: Partial<Question> = {}): Question => ({
  confirmationId: `cfm_${id}`,
  sessionId: "ses_one",
  tool: "file.write",
  argumentsText: '{"content":"bread\\nsalt\\n","mode":"replace","path":"list.txt"}',
  arguments: { content: "bread\nsalt\n", mode: "replace", path: "list.txt" },
  digest: `digest of ${id}`,
  proposer: { kind: "AGENT", id: "assistant" },
  why: 'Policy "agents-write-files" permits it once a person agrees: Agents may write a file when a person has seen it.',
  policies: ["agents-write-files"],
  gate: "human",
  approvers: [],
  approvals: [],
  approvalsMissing: 1,
  edited: false,
  status: "Pending",
  createdAt: "2026-01-01T00:00:00.000Z",
  expiresAt: "2026-01-01T00:02:00.000Z",
  ...more
})
