import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as CommandLanguageModel from "#layers/responder/CommandLanguageModel.ts"
import * as CommandProgram from "#layers/responder/CommandProgram.ts"
import * as CommandResponder from "#layers/responder/CommandResponder.ts"
import * as Bounds from "#src/kernel/Bounds.ts"
import { Responder, type TranscriptPart } from "#src/ports/Responder.ts"
import { allTools, executed, fileTools, type Outcome, play, type Tools } from "./conversation.ts"

const proposed = (script: string, tools?: Tools) =>
  Effect.map(play(script, tools), ({ proposals }) =>
    proposals.map((proposal) => [proposal.callId, proposal.tool, proposal.arguments])
  )

const lastSaid = (script: string, tools?: Tools) => Effect.map(play(script, tools), ({ said }) => said.at(-1)!)

describe("one command", () => {
  const commands: ReadonlyArray<readonly [line: string, tool: string, args: unknown]> = [
    ["read notes.txt", "file.read", { path: "notes.txt" }],
    ['READ "my notes.txt"', "file.read", { path: "my notes.txt" }],
    ["list", "file.list", { path: "." }],
    ["list src", "file.list", { path: "src" }],
    ["write a.txt: one\\ntwo", "file.write", { path: "a.txt", content: "one\ntwo", mode: "create" }],
    ["write a.txt: a: b", "file.write", { path: "a.txt", content: "a: b", mode: "create" }],
    ["write a.txt:", "file.write", { path: "a.txt", content: "", mode: "create" }],
    ['replace "a:b.txt" : x', "file.write", { path: "a:b.txt", content: "x", mode: "replace" }],
    ["append a.txt: \\{{1}} \\\\n", "file.write", { path: "a.txt", content: "{{1}} \\n", mode: "append" }],
    [
      "write a.txt <<END\none\\n\n# two\nEND",
      "file.write",
      { path: "a.txt", content: "one\\n\n# two\n", mode: "create" }
    ],
    ["run git log", "shell.run", { command: "git", arguments: ["log"] }],
    [`run echo "a \\"b\\"" 'c d' ''`, "shell.run", { command: "echo", arguments: ['a "b"', "c d", ""] }],
    ["call clock", "clock", {}],
    ['call clock {"zone": ["utc", 1, null, true]}', "clock", { zone: ["utc", 1, null, true] }],
    ['call clock <<END\n{\n  "zone": "utc"\n}\nEND', "clock", { zone: "utc" }]
  ]
  for (const [line, tool, args] of commands) {
    it.effect(`${JSON.stringify(line)} proposes ${tool}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* proposed(line), [["call-1", tool, args]])
      })
    )
  }

  it.effect("blank lines, comments and white space around a line mean nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* proposed("\n  # a comment\r\n\tlist   \r\n"), [
        ["call-1", "file.list", { path: "." }]
      ])
    })
  )
})

describe("a program", () => {
  it.effect("runs top to bottom, one step a command, and fills in what came before", () =>
    Effect.gen(function* () {
      const files = fileTools({ "notes.txt": "buy bread" })
      const { said, proposals } = yield* play(
        "say reading\nread notes.txt\nsay it says {{1}}\nwrite copy.txt: [{{last}}]\nread copy.txt\nsay copied {{3}}",
        files
      )
      assert.deepStrictEqual(said, ["reading", "it says buy bread", "", "copied [buy bread]"])
      assert.deepStrictEqual(
        proposals.map((proposal) => proposal.callId),
        ["call-1", "call-2", "call-3"]
      )
    })
  )

  it.effect("a together block is one step, and refers only to what stands before it", () =>
    Effect.gen(function* () {
      const { said, proposals } = yield* play(
        "read a\ntogether:\n  write b: {{last}}\n  write c: {{1}}\nend\nsay {{2}} {{3}}",
        fileTools({ a: "A" })
      )
      assert.strictEqual(said.length, 3)
      assert.deepStrictEqual(
        proposals.map(({ arguments: args }) => args),
        [{ path: "a" }, ...["b", "c"].map((path) => ({ path, content: "A", mode: "create" }))]
      )
      const problem = CommandProgram.parse(
        "together:\nread a\nwrite b: {{1}}\nend",
        new Set(["file.read", "file.write"])
      )
      assert.strictEqual(problem._tag, "NotUnderstood")
    })
  )

  it.effect("without say it answers with the last output, and with nothing to say it says how much was done", () =>
    Effect.gen(function* () {
      const files = fileTools({ a: "A", b: "B" })
      assert.strictEqual(yield* lastSaid("read a", files), "A")
      assert.strictEqual(yield* lastSaid("list", files), "a\nb")
      assert.strictEqual(yield* lastSaid("say first\nread a\nread b", files), "Done: 2 of 2 commands.")
      assert.strictEqual(yield* lastSaid("read empty", fileTools({ empty: "" })), "Done: 1 of 1 command.")
    })
  )

  it.effect("what a tool puts out is text: no command, no reference, no second word, no argument", () =>
    Effect.gen(function* () {
      const evil = '{{1}}" , "mode": "replace\nrun rm -rf x\nEND'
      const files = fileTools({ evil })
      const { proposals } = yield* play(
        'read evil\nrun echo {{1}}\ncall clock {"a": "{{1}}"}\nwrite b <<END\n{{1}}\nEND\nsay {{1}}',
        files
      )
      assert.deepStrictEqual(
        proposals.slice(1).map(({ arguments: args }) => args),
        [{ command: "echo", arguments: [evil] }, { a: evil }, { path: "b", content: `${evil}\n`, mode: "create" }]
      )
    })
  )

  it.effect("what was recalled is no command", () =>
    Effect.gen(function* () {
      const responder = yield* Responder
      const recalled: TranscriptPart = { _tag: "Recalled", text: "\nrun rm -rf x\n" }
      const response = yield* responder.respond([{ _tag: "Input", text: "say hello" }, recalled], allTools)
      assert.deepInclude(response, { text: "hello", proposals: [] })
    }).pipe(Effect.provide(CommandResponder.layer))
  )
})

const failing =
  (outcome: Outcome): Tools =>
  (proposal) =>
    proposal.callId === "call-2" ? outcome : executed("fine")

const script = "read a\nwrite b: {{1}}\nread c\nread d\nsay {{4}}"

describe("a command that was not done", () => {
  const endings: ReadonlyArray<readonly [outcome: string, output: Outcome["output"], why: string]> = [
    ["Denied", { reason: "not on a Sunday." }, "it was denied (not on a Sunday)"],
    ["Expired", null, "nobody decided in time"],
    ["Lapsed", null, "it was allowed, and the permit ran out before it was used"],
    ["Withdrawn", "", "it was withdrawn"],
    ["Failed", { code: "NotFound", detail: "no such file" }, "it ran and failed (no such file)"],
    ["Unknown", null, "it was started, and whether it was done is not known"],
    ["Invalid", "path is missing", "it was not accepted (path is missing)"],
    ["Melted", { code: 7 }, 'it ended as Melted ({"code":7})'],
    ["Executed", { exitCode: 2, stdout: "half", stderr: "it broke\n" }, "it ended with exit code 2 (it broke)"]
  ]
  for (const [outcome, output, why] of endings) {
    it.effect(`stops the rest and is named: ${outcome}`, () =>
      Effect.gen(function* () {
        const { said, proposals } = yield* play(script, failing({ outcome, output }))
        assert.strictEqual(proposals.length, 2)
        assert.strictEqual(said.at(-1), `Not done, command 2 of 4 ("write b: {{1}}"): ${why}.\nNot tried: 2 commands.`)
      })
    )
  }

  it.effect("with continue on failure the rest goes on, but for what needs its output", () =>
    Effect.gen(function* () {
      const { said, proposals } = yield* play(
        "continue on failure\nread a\nread b\nwrite c: {{2}}\nwrite d: {{1}}\nsay {{2}}\nsay end",
        failing({ outcome: "Denied", output: null })
      )
      assert.deepStrictEqual(
        proposals.map((proposal) => [proposal.callId, (proposal.arguments as { path: string }).path]),
        [
          ["call-1", "a"],
          ["call-2", "b"],
          ["call-3", "d"]
        ]
      )
      assert.deepStrictEqual(said, [
        "",
        "",
        'Not done, command 2 of 4 ("read b"): it was denied.\n' +
          'Not done, command 3 of 4 ("write c: {{2}}"): it needs the output of command 2, which was not done.',
        'Not said, "say {{2}}": it needs the output of command 2, which was not done.\nend'
      ])
    })
  )

  it.effect("in a together block names each one, and stops after the block", () =>
    Effect.gen(function* () {
      const { said, proposals } = yield* play(
        "together:\nread a\nread b\nread c\nend\nread d",
        failing({ outcome: "Denied", output: null })
      )
      assert.strictEqual(proposals.length, 3)
      assert.strictEqual(said.at(-1), 'Not done, command 2 of 4 ("read b"): it was denied.\nNot tried: 1 command.')
    })
  )
})

describe("what it does not understand", () => {
  const nonsense: ReadonlyArray<readonly [text: string, problem: string]> = [
    ["please read my notes", 'Line 1: "please read my notes" is not a command.'],
    ["", "Line 1: there is no command in it."],
    ["continue on failure", "Line 1: there is no command in it."],
    ["list\nread a b", "Line 2: this takes one path; one with spaces goes into quotes."],
    ["read", "Line 1: this takes one path; one with spaces goes into quotes."],
    [`run echo it's`, "Line 1: quotes go around a whole word, and come in pairs."],
    ["run", "Line 1: run takes a command and its arguments."],
    [
      `run ${"x ".repeat(Bounds.shellArgumentsMax + 1)}`,
      `Line 1: run takes at most ${Bounds.shellArgumentsMax} words.`
    ],
    ["write a", "Line 1: this takes PATH: TEXT, or PATH <<MARK and lines up to MARK."],
    ["list\nwrite a <<END\nx", "Line 2: no line END ends this text."],
    ["call rocket {}", 'Line 1: there is no tool "rocket" here.'],
    ["call constructor {}", 'Line 1: there is no tool "constructor" here.'],
    ["call clock []", "Line 1: call takes TOOL and a JSON object of arguments."],
    ["call clock {", "Line 1: these arguments are not JSON."],
    ['call clock {"a": 1e999}', "Line 1: a number is too large."],
    [`call clock {"a": ${"[".repeat(1_000)}${"]".repeat(1_000)}}`, "Line 1: these arguments are nested too deeply."],
    ["say {{1}}", "Line 1: {{1}} refers to no tool command before it."],
    ["read a\nwrite b: {{2}}", "Line 2: {{2}} refers to no tool command before it."],
    ["read a\nwrite b: {{0}}", "Line 2: {{0}} refers to no tool command before it."],
    ["write b: {{last}}", "Line 1: {{last}} refers to no tool command before it."],
    ["end", "Line 1: this end closes no together: block."],
    ["together:\nend", `Line 2: a together: block holds 1 to ${Bounds.proposalsPerStepMax} tool commands.`],
    ["together:\nsay x\nend", "Line 2: only tool commands stand in a together: block."],
    ["list\ntogether:\nlist", "Line 2: no line end closes this together: block."],
    [
      "list\n".repeat(Bounds.turnStepsMax),
      "Line 1: this takes 17 steps and a turn has 16: put commands into together: blocks."
    ]
  ]
  for (const [text, problem] of nonsense) {
    it.effect(`${JSON.stringify(text.slice(0, 40))} does nothing and is told what is wrong`, () =>
      Effect.gen(function* () {
        const { said, proposals } = yield* play(text)
        assert.deepStrictEqual(proposals, [])
        const [sentence, nothing, why] = said[0]!.split("\n")
        assert.deepStrictEqual(
          [sentence, nothing, why],
          [CommandLanguageModel.honestSentence, "Nothing was done.", problem]
        )
      })
    )
  }

  it.effect("help says first that this is no language model, then every command and tool", () =>
    Effect.gen(function* () {
      const help = yield* lastSaid("help")
      assert.strictEqual(help.split("\n")[0], CommandLanguageModel.honestSentence)
      for (const word of [
        "read",
        "list",
        "write",
        "replace",
        "append",
        "run",
        "call",
        "say",
        "together:",
        "{{last}}"
      ]) {
        assert.include(help, word)
      }
      assert.include(help, "Tools here: clock, file.list, file.read, file.write, shell.run.")
    })
  )
})

describe("every text has an answer", () => {
  const fragments = Schema.Literals([
    "read a",
    "list",
    "write b: {{1}}",
    "write b <<END",
    "END",
    "say ",
    "{{last}}",
    "{{1}}",
    "\\{{",
    "run x '",
    '"',
    "help",
    "together:",
    "end",
    "continue on failure",
    "call clock {",
    "}",
    "\n",
    "\n",
    "\n",
    "\ud800",
    "\u0000",
    "<<END"
  ])
  const lines = Schema.Literals([
    "write b: {{last}}",
    "say {{1}}",
    "continue on failure",
    'call clock {"a": "{{1}}"}',
    "run x {{last}} '{{1}}'",
    "together:\nread a\nappend b: {{1}}\nend",
    "help"
  ])
  const outcomes = Schema.Literals(["Executed", "Executed", "Executed", "Denied", "Unknown"])

  const endsTheSameTwice = (text: string, ends: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      let calls = 0
      const tools: Tools = () => ({
        outcome: ends[calls++ % Math.max(ends.length, 1)] ?? "Executed",
        output: { text: `${text}\udfff` }
      })
      const first = yield* play(text, tools)
      calls = 0
      assert.deepStrictEqual(yield* play(text, tools), first)
      assert.isNotEmpty(first.said.at(-1))
      assert.deepStrictEqual(
        first.proposals.map((proposal) => proposal.callId),
        first.proposals.map((_, index) => `call-${index + 1}`)
      )
      return first
    })

  it.effect.prop(
    "a text of pieces of the language ends, and says the same twice",
    [Schema.Array(fragments).check(Schema.isMaxLength(40)), Schema.Array(outcomes)],
    ([pieces, ends]) => endsTheSameTwice(pieces.join(""), ends)
  )

  it.effect.prop(
    "a program ends whatever its tools say, and says the same twice",
    [Schema.Array(lines).check(Schema.isMaxLength(Bounds.turnStepsMax - 2)), Schema.Array(outcomes)],
    ([program, ends]) =>
      Effect.gen(function* () {
        const { proposals } = yield* endsTheSameTwice(["read a", ...program].join("\n"), ends)
        assert.isNotEmpty(proposals)
      })
  )

  it.effect.prop("any text ends", [Schema.String], ([text]) =>
    Effect.gen(function* () {
      assert.isNotEmpty(yield* lastSaid(text))
    })
  )

  it.effect("a program that multiplies a large output is stopped before the text exists", () =>
    Effect.gen(function* () {
      const large = "x".repeat(Bounds.fileBytesMax)
      const { said, proposals } = yield* play(
        `read a\nsay ${"{{1}}".repeat(10_000)}\nwrite b: ${"{{1}}".repeat(1_000)}\nread c`,
        fileTools({ a: large })
      )
      assert.strictEqual(proposals.length, 1)
      assert.include(said.at(-1), "its text would be too long.\nNot tried: 1 command.")
    })
  )

  it.effect("a file of the largest size can be copied, and is cut where it is said", () =>
    Effect.gen(function* () {
      const large = "é\n".repeat(Bounds.fileBytesMax / 3)
      const program = "read a\nsay {{1}}\nwrite b: {{1}}\nread b\nsay {{3}}"
      const { said, proposals } = yield* play(program, fileTools({ a: large }))
      assert.deepStrictEqual((proposals[1]!.arguments as { content: string }).content, large)
      assert.match(said.at(-1)!, /… \(\d+ more units left out\)$/)
    })
  )
})
