/**
 * What Keelson promises, how each promise is tried, and what shows that the trial can fail.
 *
 * `promises.generate.ts` makes the page of it. It refuses a command that is none, a file that is not there, and a control
 * whose title does not begin a test of its file exactly once.
 */

export interface Promised {
  /** The promise, in one sentence. */
  readonly says: string
  /** Tries it: an `npm run` script with its arguments, or the tests of some files. */
  readonly command: string
  /**
   * What breaks the promise on purpose, or plants what must be found: a test, by its file and its title, or a mutant of
   * the simulation.
   */
  readonly control: readonly [file: string, title: string] | { readonly mutant: string }
  /** Reports below `figures/` whose figures are shown. */
  readonly figures?: ReadonlyArray<string>
}

const crashControl = [
  "test/integration/crash.integration.test.ts",
  "says what was lost by a service that acknowledges before it commits, within fifty kills"
] as const

export const promises: { readonly [group: string]: ReadonlyArray<Promised> } = {
  "What was acknowledged is there": [
    {
      says: "A SIGKILL at any moment loses nothing acknowledged, runs nothing twice, leaves nothing half done.",
      command: "npm run test:crash -- --kills 200 --seed 1 --store pglite",
      control: crashControl,
      figures: ["crash-pglite"]
    },
    {
      says: "The same on PostgreSQL, whose own process is killed too.",
      command: "npm run test:crash -- --kills 200 --seed 1 --store postgres",
      control: crashControl,
      figures: ["crash-postgres"]
    },
    {
      says: "Of 60 sessions acknowledged right before a SIGKILL, 60 are there.",
      command: "npm run test:burst -- --runs 20 --store postgres",
      control: [
        "test/integration/burst.integration.test.ts",
        "is seen to lose sessions where it acknowledges before it commits"
      ],
      figures: ["burst-pglite", "burst-postgres"]
    },
    {
      says: "One key is one effect and one answer: in flight, later, after a restart.",
      command: "npm test -- test/integration/http-idempotency.test.ts test/integration/durability.integration.test.ts",
      control: { mutant: "drop-receipt" }
    },
    {
      says: "No follower misses an event, with any number of writing processes.",
      command: "npm test -- test/integration/event-store-processes.integration.test.ts",
      control: [
        "test/integration/event-store-processes.integration.test.ts",
        "lose nothing for a follower: every event once, in order; a follower by bare sequence loses one"
      ]
    },
    {
      says: "A client sees each event once and in order, however often it and the service are killed.",
      command: "npm run test:slow -- test/integration/resume.slow.test.ts",
      control: [
        "test/integration/resume.slow.test.ts",
        "are seen to miss an event, or to see one twice, where they go on one position off (the control)"
      ]
    }
  ],
  "Nothing acts without a permit": [
    {
      says: "A permit that is forged, cloned, expired, foreign, unclaimed or replayed runs nothing and leaves an event.",
      command: "npm test -- test/integration/permits.test.ts",
      control: { mutant: "reuse-permit" }
    },
    {
      says: "Of rival decisions one wins, the others are told which, and the tool runs at most once.",
      command: "npm run test:burst -- --runs 1 --store postgres",
      control: ["test/integration/burst.integration.test.ts", "a tool that ran twice"],
      figures: ["burst-pglite", "burst-postgres"]
    },
    {
      says: "Twenty WebSockets on the same sessions and actions see only what one step at a time explains.",
      command: "npm run test:race -- --runs 10 --store postgres",
      control: [
        "test/integration/race.integration.test.ts",
        "see what one step at a time explains, and the journal agrees"
      ],
      figures: ["race-pglite", "race-postgres"]
    },
    {
      says: "The rules hold in any order of steps, crashes and lost answers.",
      command: "npm run simulate -- --seeds 10000",
      control: { mutant: "decide-twice" },
      figures: ["simulation"]
    },
    {
      says: "Each of fifteen rules, broken on purpose, is found.",
      command: "npm run simulate -- --mutants",
      control: ["test/simulation/simulation.test.ts", "fit the file that each of them changes, exactly once"],
      figures: ["mutants"]
    },
    {
      says: "After a halt is acknowledged no tool starts, and a resume loses nothing.",
      command: "npm test -- test/integration/halt.test.ts test/integration/halt-doors.test.ts",
      control: { mutant: "claim-while-halted" }
    },
    {
      says: "A tool elsewhere that dies after its claim ends as Unknown, and is never claimed again.",
      command: "npm run test:slow -- test/integration/remote-killed.slow.test.ts",
      control: ["test/integration/audit-queries.integration.test.ts", "has one for each published query"]
    },
    {
      says: "Every door opens to exactly whom the law lets in.",
      command: "npm test -- test/integration/http-authority.test.ts",
      control: ["test/integration/http-authority.test.ts", "are all in that table"]
    },
    {
      says: "A key that is revoked ends its WebSocket, its stream and its long poll within a second.",
      command: "npm test -- test/integration/revocation.test.ts",
      control: ["test/integration/socket-life.test.ts", "a change that takes nothing away leaves a WebSocket open"]
    }
  ],
  "The journal can't be changed unseen": [
    {
      says: "A changed character in any column of any table is named.",
      command: "npm test -- test/integration/event-store-verify.integration.test.ts",
      control: [
        "test/integration/event-store-verify.integration.test.ts",
        "names a change in each column once at least"
      ]
    },
    {
      says: "A cut tail, a stream taken out, a history hashed anew, two events in each other's place: a checkpoint names each.",
      command: "npm run test:slow -- test/integration/checkpoints.slow.test.ts",
      control: ["test/integration/checkpoints.slow.test.ts", "is seen to have lost its last event"]
    },
    {
      says: "A proof is checked by a program that shares no code with Keelson.",
      command: "npm test -- docs/samples/checkpoints.test.ts",
      control: ["test/integration/checkpoints.slow.test.ts", "proves nothing once it is not the one that was signed"]
    },
    {
      says: "The published queries find each fault that a crash may never leave.",
      command: "npm test -- test/integration/audit-queries.integration.test.ts",
      control: ["test/integration/audit-queries.integration.test.ts", "has one for each published query"]
    }
  ],
  "What is forgotten is gone": [
    {
      says: "An erased session's words are at no door, in no file and in no log.",
      command: "npm test -- test/integration/erasure.integration.test.ts",
      control: ["test/kit/canary.test.ts", "is found in every form, at its very offset"]
    }
  ],
  "What was saved comes back": [
    {
      says: "A backup taken while work goes on is the journal up to its position: the same digest, on the same database and across.",
      command: "npm run test:slow -- test/integration/backup.slow.test.ts test/integration/backup-across.slow.test.ts",
      control: [
        "test/integration/backup.slow.test.ts",
        "is refused where it was changed or cut, where the place is not empty"
      ]
    },
    {
      says: "A restore killed at any of its moments leaves nothing, all of the backup, or a place that no start serves.",
      command: "npm run test:slow -- test/integration/restore-killed.slow.test.ts",
      control: [
        "test/integration/restore-killed.slow.test.ts",
        "that marks nothing is seen to be served without what was forgotten since the backup (the control)"
      ]
    },
    {
      says: "What was erased after a backup stays erased in its restore.",
      command: "npm run test:slow -- test/integration/backup.slow.test.ts",
      control: [
        "test/integration/backup.slow.test.ts",
        "holds one moment of a service at work, and an erased session stays erased by the ledger"
      ]
    }
  ],
  "It bears what comes": [
    {
      says: "Every limit refuses at its edge, and says when to come again.",
      command: "npm test -- test/integration/limits-table.test.ts test/integration/limits.test.ts",
      control: [
        "test/integration/limits-table.test.ts",
        "is found wanting where a row or a test is missing or says something else"
      ]
    },
    {
      says: "No request that the document allows, and none that it does not, gets a 5xx or an answer that is not as described.",
      command: "npm run test:slow -- test/integration/http-fuzz.slow.test.ts",
      control: ["test/integration/http-openapi.test.ts", "judges answers, and would notice a wrong one"]
    },
    {
      says: "Others keep their p99, and the service its heap (32 MB), whatever connections do.",
      command: "npm run test:slow -- test/integration/socket-load.slow.test.ts",
      control: ["test/integration/socket-load.slow.test.ts", "says what was too much"]
    },
    {
      says: "State that fibers share is whole under thousands of interleavings.",
      command: "npm test -- test/unit/edge/registry.test.ts test/unit/edge/in-hand.test.ts",
      control: ["test/unit/edge/registry.test.ts", "is not, with a get and a set instead of a transaction"]
    },
    {
      says: "A full disk, a lost database and an ended session refuse; nothing is half done.",
      command:
        "npm test -- test/integration/disk-full.integration.test.ts test/integration/service-postgres.integration.test.ts",
      control: [
        "test/integration/disk-full.integration.test.ts",
        "is seen to lose sessions where the service acknowledges before it commits (the control)"
      ]
    }
  ],
  "How fast it is, beside a floor of the same run": [
    {
      says: "Appends to the journal, beside plain inserts: the goal is 0.8 of the floor with 20 callers, 1.5 with 200.",
      command: "npm run bench -- journal",
      control: [
        "test/integration/bench-journal.integration.test.ts",
        "appends beside a floor of the same run, finds what was acknowledged, and notices an event that was taken out"
      ],
      figures: ["bench-journal"]
    },
    {
      says: "Commands over WebSocket: the goal is 0.5 of the floor with 20 outstanding, 1.0 with 200 and p99 below 25 ms. Beside it stands what its journal does alone with the same appends.",
      command: "npm run bench -- concurrency",
      control: [
        "test/integration/bench-service.integration.test.ts",
        "find in the journal what was acknowledged over twenty WebSockets, and notice an event that was taken out"
      ],
      figures: ["bench-concurrency"]
    },
    {
      says: "A thousand actions asked (goal: 170 ms), then approved and run (goal: 260 ms).",
      command: "npm run bench -- human-gate",
      control: [
        "test/integration/bench-service.integration.test.ts",
        "ask people about many actions at once, see each that is approved run once, and notice one that did not"
      ],
      figures: ["bench-human-gate"]
    },
    {
      says: "Faster than DBOS and Effect's persisted cluster at the same work; what a hand-written actor without proofs does is shown beside it.",
      command: "npm run bench -- peers",
      control: [
        "test/integration/bench-long.slow.test.ts",
        "do the same work by Keelson and by a hand-written actor, and notice what was taken out of either"
      ],
      figures: ["bench-peers"]
    },
    {
      says: "Ready after a SIGKILL with 10,000 sessions and 100,000 events: the goal is 3 s.",
      command: "npm run bench -- recovery",
      control: [
        "test/integration/bench-long.slow.test.ts",
        "finds every session again beside a journal that holds one, and notices an event that was taken out"
      ],
      figures: ["bench-recovery"]
    },
    {
      says: "The default traces cost at most 5 %: 0.95 of a service that writes none.",
      command: "npm run bench -- tracing",
      control: [
        "test/integration/bench-long.slow.test.ts",
        "trace nothing, into a file, and to a collector as well, and notice an event that was taken out"
      ],
      figures: ["bench-tracing"]
    },
    {
      says: "Decisions of the policy engine, beside Cedar's own call.",
      command: "npm run bench -- policy",
      control: [
        "test/integration/bench-parts.integration.test.ts",
        "end where an answer is another than is expected, of the engine as of its floor (the control)"
      ],
      figures: ["bench-policy"]
    },
    {
      says: "A journal read back: folded, verified and opened, written to tables.",
      command: "npm run bench -- replay",
      control: [
        "test/integration/bench-parts.integration.test.ts",
        "end where a row, a text or a key is another than the gateway's (the control)"
      ],
      figures: ["bench-replay"]
    }
  ]
}
