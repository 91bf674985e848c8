import { assert, describe, it } from "@effect/vitest"
import * as DemoProof from "#layers/cli/DemoProof.ts"
import type { Json } from "#src/kernel/Canonical.ts"

type Fact = readonly [stream: string, type: string, payload?: { readonly [field: string]: Json }]

/** A journal of these facts, as the door shows one: positions, versions, ids and chains are right. */
const journal = (facts: ReadonlyArray<Fact>): ReadonlyArray<DemoProof.SeenEvent> => {
  const heads = new Map<string, { readonly version: number; readonly hash: string }>()
  return facts.map(([stream, type, payload = {}], index) => {
    const head = heads.get(stream) ?? { version: 0, hash: "0".repeat(64) }
    const position = index + 1
    const hash = position.toString(16).padStart(64, "a")
    heads.set(stream, { version: head.version + 1, hash })
    const occurredAt = "2026-01-01T00:00:00.000Z"
    const place = { position, stream, version: head.version + 1, eventId: `evt_${position}` }
    return { ...place, type, occurredAt, hash, prevHash: head.hash, payload }
  })
}

const ran = (id: string, ending: string): ReadonlyArray<Fact> => [
  [`action:${id}`, "action.proposed"],
  [`action:${id}`, "confirmation.requested"],
  [`action:${id}`, "confirmation.approved", { missing: 0 }],
  [`action:${id}`, "action.permitted", { permitId: `pmt_${id}` }],
  [`action:${id}`, "action.claimed", { permitId: `pmt_${id}`, claimId: `clm_${id}` }],
  [`action:${id}`, ending, { claimId: `clm_${id}` }]
]

const facts: ReadonlyArray<Fact> = [
  ["session:s", "session.created"],
  ...ran("one", "action.executed"),
  ["action:two", "action.proposed"],
  ["action:two", "confirmation.requested"],
  ["action:two", "confirmation.denied"],
  ...ran("three", "action.unknown")
]

const evidence = (events = journal(facts)): DemoProof.Evidence => ({
  acknowledged: [
    { what: "a session", stream: "session:s", type: "session.created" },
    { what: "an approval", stream: "action:three", type: "confirmation.approved" }
  ],
  events,
  files: [
    { path: "one.txt", actionId: "one", before: null, after: "1", found: "1" },
    { path: "two.txt", actionId: "two", before: "0", after: "2", found: "0" },
    { path: "three.txt", actionId: "three", before: "0\n", after: "0\n3\n", found: "0\n3\n" }
  ],
  denied: ["two"],
  repeated: { actionId: "three", type: "confirmation.approved", first: { a: 1 }, second: { a: 1 }, replayed: true },
  stopped: { exitCode: 0, millis: 120 },
  verified: { exitCode: 0, events: events.length, problems: 0 }
})

const broken = (evidence: DemoProof.Evidence): ReadonlyArray<string> =>
  DemoProof.prove(evidence)
    .filter(({ verdict }) => verdict !== "holds")
    .map(({ name }) => name)

const without = (type: string, stream: string) => journal(facts.filter(([s, t]) => s !== stream || t !== type))
const withFile = (actionId: string, found: string | null): DemoProof.Evidence => {
  const good = evidence()
  return { ...good, files: good.files.map((file) => (file.actionId === actionId ? { ...file, found } : file)) }
}

describe("the demo's proof", () => {
  it("stands for a journal in which all held", () => {
    const checks = DemoProof.prove(evidence())
    assert.deepStrictEqual(broken(evidence()), [])
    assert.isTrue(DemoProof.stands(checks, false))
  })

  it("takes both honest endings of an action that the kill cut off", () => {
    assert.deepStrictEqual(broken(withFile("three", "0\n")), [])
    const late = journal([...facts, ["action:three", "action.executed", { claimId: "clm_three" }]])
    assert.deepStrictEqual(broken(evidence(late)), [])
    const seenTo = journal([...facts, ["action:three", "action.reconciled"]])
    assert.deepStrictEqual(broken(evidence(seenTo)), [])
  })

  it("takes every answer that a question can get, and of two people the one who decides", () => {
    const asked = (id: string, ...answers: ReadonlyArray<Fact>): ReadonlyArray<Fact> => [
      [`action:${id}`, "confirmation.requested"],
      ...answers
    ]
    const answered = journal([
      ...facts,
      ...asked("late", ["action:late", "confirmation.expired"]),
      ...asked("back", ["action:back", "confirmation.withdrawn"]),
      ...asked(
        "pair",
        ["action:pair", "confirmation.approved", { missing: 1 }],
        ["action:pair", "confirmation.approved", { missing: 0 }]
      )
    ])
    assert.deepStrictEqual(broken(evidence(answered)), [])
  })

  it("is no proof where there was nothing to look at", () => {
    const bare: DemoProof.Evidence = { ...evidence([]), acknowledged: [], files: [], denied: [] }
    assert.isFalse(DemoProof.stands(DemoProof.prove(bare), true))
    assert.isFalse(DemoProof.stands([], true))
    const onlyDenied = { ...evidence(), files: evidence().files.filter(({ actionId }) => actionId === "two") }
    assert.deepStrictEqual(broken(onlyDenied), ["the files are as the journal says"])
    const nobodyDenied = DemoProof.prove({ ...evidence(), denied: [], files: evidence().files.slice(0, 1) })
    assert.isFalse(DemoProof.stands(nobodyDenied, false))
    assert.isTrue(DemoProof.stands(nobodyDenied, true))
  })
})

/** Known-bad evidence, each with the check that must name it. */
const forgeries: ReadonlyArray<readonly [what: string, evidence: DemoProof.Evidence, check: string]> = [
  [
    "an acknowledged approval is not in the journal",
    evidence(without("confirmation.approved", "action:three")),
    "nothing acknowledged was lost"
  ],
  [
    "an event is missing",
    evidence(journal(facts).filter(({ position }) => position !== 3)),
    "the journal has no gap and no double"
  ],
  [
    "an event stands there twice",
    evidence([...journal(facts), journal(facts)[0]!]),
    "the journal has no gap and no double"
  ],
  [
    "two events in their places share an id",
    evidence(journal(facts).map((event) => (event.position === 2 ? { ...event, eventId: "evt_1" } : event))),
    "the journal has no gap and no double"
  ],
  [
    "an event's hash is another one",
    evidence(journal(facts).map((event) => (event.position === 2 ? { ...event, hash: "f".repeat(64) } : event))),
    "every stream is one unbroken chain"
  ],
  [
    "a version is left out of a chain whose hashes agree",
    evidence(journal(facts).map((event) => (event.position > 2 ? { ...event, version: event.version + 1 } : event))),
    "every stream is one unbroken chain"
  ],
  [
    "a stream begins behind something",
    evidence(journal(facts).map((event) => (event.position === 1 ? { ...event, prevHash: "f".repeat(64) } : event))),
    "every stream is one unbroken chain"
  ],
  ["a claim has no permit", evidence(without("action.permitted", "action:one")), "no tool ran without a permit"],
  ["an outcome has no claim", evidence(without("action.claimed", "action:one")), "no tool ran without a permit"],
  [
    "a claim comes before its permit",
    evidence(
      journal([
        ...facts,
        ["action:four", "action.claimed", { permitId: "pmt_four", claimId: "clm_four" }],
        ["action:four", "action.permitted", { permitId: "pmt_four" }]
      ])
    ),
    "no tool ran without a permit"
  ],
  [
    "a claim names another permit than its action's",
    evidence(
      journal([
        ...facts,
        ["action:four", "action.permitted", { permitId: "pmt_four" }],
        ["action:four", "action.claimed", { permitId: "pmt_one", claimId: "clm_four" }]
      ])
    ),
    "no tool ran without a permit"
  ],
  [
    "a claim follows what only names its permit",
    evidence(
      journal([
        ...facts,
        ["action:four", "permit.refused", { permitId: "pmt_four" }],
        ["action:four", "action.claimed", { permitId: "pmt_four", claimId: "clm_four" }]
      ])
    ),
    "no tool ran without a permit"
  ],
  [
    "a failure has no claim",
    evidence(journal([...facts, ["action:two", "action.failed", { claimId: "clm_two" }]])),
    "no tool ran without a permit"
  ],
  [
    "an outcome names another claim than its action's",
    evidence(journal([...facts, ["action:three", "action.executed", { claimId: "clm_other" }]])),
    "no tool ran without a permit"
  ],
  [
    "an outcome names the claim of another action",
    evidence(journal([...facts, ["action:three", "action.executed", { claimId: "clm_one" }]])),
    "no tool ran without a permit"
  ],
  [
    "an outcome comes before its claim",
    evidence(
      journal([
        ...facts,
        ["action:four", "action.permitted", { permitId: "pmt_four" }],
        ["action:four", "action.executed", { claimId: "clm_four" }],
        ["action:four", "action.claimed", { permitId: "pmt_four", claimId: "clm_four" }]
      ])
    ),
    "no tool ran without a permit"
  ],
  [
    "an action was claimed twice",
    evidence(journal([...facts, ["action:one", "action.claimed", { permitId: "pmt_one", claimId: "clm_again" }]])),
    "nothing ran twice"
  ],
  [
    "an action has two outcomes",
    evidence(journal([...facts, ["action:one", "action.executed", { claimId: "clm_one" }]])),
    "nothing ran twice"
  ],
  [
    "an action was executed and then failed",
    evidence(journal([...facts, ["action:one", "action.failed", { claimId: "clm_one" }]])),
    "nothing ran twice"
  ],
  [
    "what was denied has no denial in the journal",
    evidence(without("confirmation.denied", "action:two")),
    "what was denied was not done"
  ],
  [
    "what was denied was claimed all the same",
    evidence(journal([...facts, ["action:two", "action.claimed", { permitId: "pmt_two", claimId: "clm_two" }]])),
    "what was denied was not done"
  ],
  [
    "what was denied was permitted all the same",
    evidence(journal([...facts, ["action:two", "action.permitted", { permitId: "pmt_two" }]])),
    "what was denied was not done"
  ],
  ["what was denied was written", withFile("two", "2"), "what was denied was not done"],
  ["the file lacks what was executed", withFile("one", null), "the files are as the journal says"],
  [
    "the file lacks what was unknown and is executed since",
    {
      ...evidence(journal([...facts, ["action:three", "action.executed", { claimId: "clm_three" }]])),
      files: withFile("three", "0\n").files
    },
    "the files are as the journal says"
  ],
  ["the line stands there twice", withFile("three", "0\n3\n3\n"), "the files are as the journal says"],
  [
    "a file was written for what never ended",
    evidence(without("action.executed", "action:one")),
    "the files are as the journal says"
  ],
  [
    "a question of two people was answered by one of them",
    evidence(
      journal([
        ...facts,
        ["action:four", "confirmation.requested"],
        ["action:four", "confirmation.approved", { missing: 1 }]
      ])
    ),
    "every question has one answer"
  ],
  [
    "a question was answered twice",
    evidence(journal([...facts, ["action:one", "confirmation.expired"]])),
    "every question has one answer"
  ],
  [
    "a question was never answered",
    evidence(journal([...facts, ["action:four", "confirmation.requested"]])),
    "every question has one answer"
  ],
  [
    "the repeated decision was decided again",
    evidence(journal([...facts, ["action:three", "confirmation.approved", { missing: 0 }]])),
    "the same decision again changed nothing"
  ],
  [
    "the repeated decision is not in the journal",
    evidence(without("confirmation.approved", "action:three")),
    "the same decision again changed nothing"
  ],
  [
    "the repeated decision got another answer",
    { ...evidence(), repeated: { ...evidence().repeated, second: { a: 2 } } },
    "the same decision again changed nothing"
  ],
  [
    "the repeated decision was taken for a new one",
    { ...evidence(), repeated: { ...evidence().repeated, replayed: false } },
    "the same decision again changed nothing"
  ],
  [
    "the service did not stop cleanly",
    { ...evidence(), stopped: { exitCode: 1, millis: 5 } },
    "the service stops when it is asked to"
  ],
  [
    "the service took too long to stop",
    { ...evidence(), stopped: { exitCode: 0, millis: 10_000 } },
    "the service stops when it is asked to"
  ],
  [
    "verify found something",
    { ...evidence(), verified: { exitCode: 1, events: 16, problems: 1 } },
    "the store verifies"
  ],
  [
    "verify named a problem and ended well",
    { ...evidence(), verified: { exitCode: 0, events: 16, problems: 1 } },
    "the store verifies"
  ],
  [
    "verify named no problem and ended badly",
    { ...evidence(), verified: { exitCode: 1, events: 16, problems: 0 } },
    "the store verifies"
  ],
  [
    "verify saw another journal",
    { ...evidence(), verified: { exitCode: 0, events: 15, problems: 0 } },
    "the store verifies"
  ]
]

describe("the demo's proof falls", () => {
  for (const [what, forged, check] of forgeries) {
    it(`when ${what}`, () => assert.include(broken(forged), check))
  }
})
