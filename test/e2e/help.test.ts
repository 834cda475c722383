/** Help, versions and mistyped command lines. None of it may need the addon, a model or much time. */
import { spawn } from "node:child_process";
import { describe, expect, it, test } from "vitest";
import { bin, documentIn, halfscope, tooWide } from "./run-cli.js";

const commands = [
  "inspect",
  "compare",
  "sweep",
  "merge",
  "recommend",
  "apply",
  "verify",
  "report",
  "debug",
  "bench",
  "fix",
  "export",
  "extract",
  "doctor",
];
const withoutAddon = { env: { HALFSCOPE_ADDON: "/nowhere/halfscope.node", HALFSCOPE_ORT_LIBRARY: "/nowhere/libonnxruntime.so" } };

it("--help names every command, and the exit codes", async () => {
  for (const option of ["--help", "-h"]) {
    const { code, stdout, stderr } = await halfscope([option], withoutAddon);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  halfscope ${command}\\b`, "m"));
    expect(stdout).toMatch(/Exit codes: 0 .* 5 /s);
    expect(tooWide(stdout)).toEqual([]);
  }
});

it.each(commands)("%s --help has examples and needs no addon", async (command) => {
  const { code, stdout, stderr } = await halfscope([command, "--help"], withoutAddon);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(new RegExp(`Examples:\\s+halfscope ${command}`));
  expect(stdout).toMatch(/--json/);
  expect(tooWide(stdout)).toEqual([]);
});

it("--version prints a version alone", async () => {
  expect(await halfscope(["--version"], withoutAddon)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    stderr: "",
  });
});

it("no command at all shows the help as an error", async () => {
  const { code, stdout, stderr } = await halfscope([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/halfscope debug/);
});

describe("a mistyped command line exits with 2 and says what was meant", () => {
  test.each([
    ["comparee m.onnx", /no command "comparee"/, /Did you mean `halfscope compare`/],
    ["dbg m.onnx", /no command "dbg"/, /halfscope --help/],
    ["--tolerance 3", /no command "3"|--tolerance/, /halfscope/],
    ["compare", /compare needs MODEL/, /halfscope compare --help/],
    ["apply m.onnx -o x", /apply needs MODEL and OVERRIDES/, /halfscope apply --help/],
    ["compare a.onnx b.onnx", /takes MODEL; "b.onnx" is one too many/, /compare --help/],
    ["compare m.onnx --tolerence 3", /no option --tolerence/, /Did you mean --tolerance\?/],
    ["compare m.onnx --no-such-thing", /no option --no-such-thing/, /compare --help/],
    ["sweep m.onnx", /sweep needs --out/, /sweep --help/],
    ["debug m.onnx", /debug needs --out/, /debug --help/],
    ["compare --dim batch=1 m.onnx", /compare needs MODEL/, /Put files before --feed, --dim/],
    ["compare m.onnx --feed", /--feed needs a value/, /compare --help/],
    ["debug m.onnx -o", /-o needs a value/, /debug --help/],
    ["debug m.onnx -o a -o b", /-o is given more than once/, /once/],
    ["compare m.onnx --by median", /--by needs one of "relative", "max", "mean", found "median"/, /compare --help/],
    ["compare m.onnx --like trt", /--like needs one of "tensorrt", .*, found "trt"/, /compare --help/],
    ["compare m.onnx --tolerance abc", /--tolerance needs a number of at least 0/, /1e-2/],
    ["compare m.onnx --tolerance=-1", /--tolerance needs a number of at least 0, found -1/, /1e-2/],
    ["compare m.onnx --samples 0", /--samples needs a whole number of at least 1, found 0/, /--samples 2/],
    ["compare m.onnx --threads 1.5", /--threads needs a whole number of at least 1, found 1.5/, /--threads 2/],
    ["compare m.onnx --seed x", /--seed needs a whole number of at least 0/, /--seed 2/],
    ["compare m.onnx --dim batch", /--dim needs NAME=SIZE, found "batch"/, /--dim batch=1/],
    ["compare m.onnx --dim batch=0", /--dim needs NAME=SIZE, found "batch=0"/, /--dim batch=1/],
    ["compare m.onnx --shape x=1xx3", /--shape needs NAME=1x128/, /--shape input_ids=1x128/],
  ])("halfscope %s", async (line, words, hint) => {
    const { code, stdout, stderr } = await halfscope(line.split(" "), withoutAddon);
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: "" });
    const [first = "", second = ""] = stderr.split("\n");
    expect(first).toMatch(/^ERR_OPTION: /);
    expect(first).toMatch(words);
    expect(second).toMatch(hint);
  });

  it("and in JSON where that was asked for", async () => {
    const { code, stdout } = await halfscope(["comparee", "--json"]);
    expect(code).toBe(2);
    expect(documentIn(stdout)).toMatchObject({
      schema: "halfscope/error/1",
      error: { code: "ERR_OPTION", hint: expect.stringContaining("compare") },
    });
  });
});

it("a reader that goes away early is no failure", async () => {
  const child = spawn(process.execPath, [bin, "compare", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  child.stdout.destroy();
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});
