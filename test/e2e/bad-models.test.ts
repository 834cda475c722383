/** Models that cannot be used are refused: exit code, error code, what was found, the next step. */
import { copyFileSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, test } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { floats, type ModelParts, modelBytes, node, temporaryFolder, writeModel } from "../support/model-file.js";
import { block, varintField } from "../support/wire.js";
import { expectFailure, halfscope, jsonOf } from "./run-cli.js";

const folder = temporaryFolder();
const float = 1;
const int64 = 7;
const face = (name: string, elementType: number, dims: readonly (number | string)[]) => ({ name, elementType, dims });
const bert = join(folder, "bert", "model.onnx");
let fresh = 0;
/** A path that does not exist yet. */
const unused = (suffix = "") => join(folder, `unused-${fresh++}${suffix}`);
const file = (content: string | Uint8Array, suffix = ".onnx") => {
  const path = unused(suffix);
  writeFileSync(path, content);
  return path;
};

beforeAll(async () => {
  mkdirSync(join(folder, "bert"));
  await makeBert({ path: bert, layers: 1, hidden: 32, heads: 2, vocab: 50, maxPosition: 32, external: true });
}, 120_000);

/** y = Relu(x) with whatever is put in its place. */
const tiny = (parts: Partial<ModelParts> = {}): ModelParts => ({
  nodes: [node("Relu", ["x"], ["y"])],
  inputs: [face("x", float, [2])],
  outputs: [face("y", float, [2])],
  ...parts,
});

describe("models", () => {
  const eachCommand = (path: string): string[][] => [
    ["inspect", path],
    ["compare", path],
    ["debug", path, "-o", unused()],
  ];

  test.each([
    ["text", "this is no model\n", /is not an ONNX model/],
    ["an empty file", "", /empty|is not an ONNX model|no graph/],
    ["a ZIP archive", Buffer.from("PK\u0003\u0004rest of an archive"), /is not an ONNX model/],
    [
      "a Git LFS pointer",
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
      /is a Git LFS pointer/,
    ],
  ])("%s", async (_, content, words) => {
    for (const command of eachCommand(file(content)).slice(1)) await expectFailure(command, { code: 3, error: "ERR_MODEL_PARSE" }, words);
  });

  it("a file that was cut short anywhere", async () => {
    const whole = modelBytes(
      tiny({
        nodes: [node("MatMul", ["x", "w"], ["y"])],
        inputs: [face("x", float, [1, 16])],
        outputs: [face("y", float, [1, 16])],
        initializers: [
          floats(
            "w",
            [16, 16],
            Array.from({ length: 256 }, (_, i) => i),
          ),
        ],
      }),
    );
    for (const share of [0.1, 0.5, 0.9]) {
      const path = file(whole.subarray(0, Math.floor(whole.length * share)));
      for (const command of eachCommand(path).slice(0, 2)) await expectFailure(command, { code: 3, error: "ERR_MODEL_PARSE" }, /\w/);
    }
  });

  it("one that is not there, and a folder in its place", async () => {
    for (const command of eachCommand(unused(".onnx"))) await expectFailure(command, { code: 2, error: "ERR_FILE_NOT_FOUND" }, /no file/);
    for (const command of eachCommand(folder)) {
      const { code, stderr } = await halfscope(command);
      expect([2, 3], stderr).toContain(code);
      expect(stderr).toMatch(/^ERR_\w+: .* is no file/);
    }
  });

  /** A model whose initializer lies in another file. */
  const external = (location: string) =>
    modelBytes(
      tiny({
        nodes: [node("Add", ["x", "w"], ["y"])],
        initializers: [
          {
            name: "w",
            dims: [2],
            dataType: 1,
            dataLocation: 1,
            externalData: [
              { key: "location", value: location },
              { key: "length", value: "8" },
            ],
          },
        ],
      }),
    );
  test.each([
    ["leaves the folder", "../secret.bin", /outside the model's folder/],
    ["is absolute", "/etc/hostname", /outside the model's folder/],
    ["is missing", "absent.bin", /does not exist/],
    ["is too short", "short.bin", /has only 4/],
    ["is a link out of the folder", "link.bin", /a link out of the model's folder/],
    ["is a folder", "sub", /no regular file/],
  ])("external data that %s", async (_, location, words) => {
    const at = unused();
    mkdirSync(join(at, "sub"), { recursive: true });
    writeFileSync(join(at, "..", "secret.bin"), Buffer.alloc(64));
    writeFileSync(join(at, "short.bin"), Buffer.alloc(4));
    symlinkSync(join(at, "..", "secret.bin"), join(at, "link.bin"));
    writeFileSync(join(at, "model.onnx"), external(location));
    for (const command of eachCommand(join(at, "model.onnx")).slice(1))
      await expectFailure(command, { code: 3, error: "ERR_MODEL_EXTERNAL_DATA" }, words);
  });

  it("external data that was cut short later", async () => {
    const at = unused();
    mkdirSync(at);
    for (const name of ["model.onnx", "model.onnx.data"]) copyFileSync(join(folder, "bert", name), join(at, name));
    truncateSync(join(at, "model.onnx.data"), 1000);
    await expectFailure(["compare", join(at, "model.onnx")], { code: 3, error: "ERR_MODEL_EXTERNAL_DATA" }, /has only 1000/);
    // Its layers can be listed all the same.
    const { notes, layers } = await jsonOf(["inspect", join(at, "model.onnx")]);
    expect((notes as string[]).join()).toMatch(/has only 1000/);
    expect((layers as unknown[]).length).toBeGreaterThan(10);
  });

  it("no float tensor at all", async () => {
    const ints = writeModel(folder, {
      nodes: [node("Add", ["a", "b"], ["c"])],
      inputs: [face("a", int64, [2]), face("b", int64, [2])],
      outputs: [face("c", int64, [2])],
    });
    for (const command of eachCommand(ints).slice(1)) await expectFailure(command, { code: 3, error: "ERR_MODEL_NO_FLOAT" }, /no float/);
    expect((await jsonOf(["inspect", ints])).layers).toHaveLength(1);
  });

  it("no float output to judge: tensors can be compared, but nothing is swept", async () => {
    const classes = writeModel(folder, {
      nodes: [node("Mul", ["x", "x"], ["h"]), node("ArgMax", ["h"], ["y"], { axis: 0 })],
      inputs: [face("x", float, [4])],
      outputs: [face("y", int64, [1])],
    });
    const { code, stdout, stderr } = await halfscope(["compare", classes]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/No final output is a float/);
    expect(stdout).not.toMatch(/within/i);
    const out = unused();
    for (const command of [
      ["sweep", classes, "-o", out],
      ["debug", classes, "-o", out],
      ["verify", classes, classes],
    ]) {
      const failed = await halfscope(command);
      expect(failed.code, failed.stderr).toBe(3);
      expect(failed.stderr).toMatch(/^ERR_MODEL_NO_FLOAT: .*no float output to judge: "y" is int64/m);
    }
  });

  it("floats in a function that cannot be inlined are not called fine; those in one that can are compared", async () => {
    const inner = (opset: number) =>
      Buffer.concat([
        block(1, "F"),
        block(4, "x"),
        block(5, "y"),
        block(7, [block(1, "x"), block(2, "y"), block(4, "Exp")]),
        block(9, varintField(2, opset)),
        block(10, "own"),
      ]);
    const outer = modelBytes(tiny({ nodes: [node("F", ["x"], ["y"], {}, "own")], domains: { own: 1 } }));
    const other = file(Buffer.concat([outer, block(25, inner(13))]));
    await expectFailure(["compare", other], { code: 3, error: "ERR_MODEL_UNSUPPORTED" }, /No node in the main graph .* local function/);
    const same = file(Buffer.concat([outer, block(25, inner(17))]));
    const { accumulated } = await jsonOf(["compare", same]);
    expect(accumulated).toMatchObject({ coverage: { compared: 1, "not-supported": 0 } });
  });

  it("an operator that ONNX Runtime does not know", async () => {
    const odd = writeModel(folder, tiny({ nodes: [node("Frobnicate", ["x"], ["y"])] }));
    const strange = writeModel(
      folder,
      tiny({ nodes: [node("Frobnicate", ["x"], ["y"], {}, "com.example")], domains: { "com.example": 1 } }),
    );
    for (const path of [odd, strange]) {
      await expectFailure(["compare", path], { code: 4, error: "ERR_ENGINE_BUILD" }, /Frobnicate/);
      const { layers, notes } = await jsonOf(["inspect", path]);
      expect(layers).toHaveLength(1);
      expect((notes as string[]).join()).toMatch(/Frobnicate/);
    }
  });

  it("weights that were stripped", async () => {
    const path = writeModel(
      folder,
      tiny({ nodes: [node("Add", ["x", "w"], ["y"])], initializers: [{ ...floats("w", [2], []), dims: [2] }] }),
    );
    await expectFailure(
      ["compare", path],
      { code: 3, error: "ERR_MODEL_PARSE" },
      /"w" holds 0 bytes where its shape \[2\] of float32 needs 8/,
    );
    expect((await jsonOf(["inspect", path])).layers).toHaveLength(1);
  });
});

describe("the reference is not finite", () => {
  test.each([
    ["NaN", "Log", -1],
    ["Inf", "Log", 0],
  ])("%s", async (what, op, value) => {
    const path = writeModel(folder, {
      nodes: [node(op, ["x"], ["h"]), node("Mul", ["h", "c"], ["y"])],
      inputs: [face("x", float, [2])],
      outputs: [face("y", float, [2])],
      initializers: [floats("c", [2], [2, 2])],
    });
    const feed = file(JSON.stringify({ x: [value, 1] }), ".json");
    const out = unused();
    for (const command of [
      ["compare", path, "--feed", feed],
      ["sweep", path, "--feed", feed, "-o", out],
      ["debug", path, "--feed", feed, "-o", out],
    ])
      await expectFailure(
        command,
        { code: 3, error: "ERR_REFERENCE_NOT_FINITE" },
        new RegExp(`output "y" has \\d NaN and \\d Inf in FP32|1 ${what}`),
      );
    await expectFailure(["verify", path, path, "--feed", feed], { code: 3, error: "ERR_REFERENCE_NOT_FINITE" }, new RegExp(what));
  });
});

describe("names made to harm", () => {
  const evil = [
    "\u001b[2J\u001b[31mred",
    "</script><script>alert(1)</script>",
    "two\nlines",
    "$(touch /tmp/x)`id`",
    "\u202egnp.exe",
    "n".repeat(5000),
  ];
  const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
  const model = () =>
    writeModel(folder, {
      nodes: evil.map((name, i) => ({ ...node("Sin", [i === 0 ? "x" : (evil[i - 1] as string)], [name]), name })),
      inputs: [face("x", float, [2])],
      outputs: [face(evil.at(-1) as string, float, [2])],
    });

  it("do not reach the terminal, nor flood it, and stay whole in JSON", async () => {
    const path = model();
    for (const command of [
      ["inspect", path],
      ["compare", path],
      ["debug", path, "-o", unused()],
    ]) {
      const { code, stdout, stderr } = await halfscope(command);
      expect(code, stderr).toBe(0);
      expect(stdout + stderr).not.toMatch(control);
      expect((stdout + stderr).length).toBeLessThan(40_000);
      const { layers } = (await jsonOf(command)) as { layers: { outputs?: string[] }[] };
      expect(layers).toHaveLength(evil.length);
    }
  });

  it("nor through errors", async () => {
    const name = evil.join("");
    const path = writeModel(folder, tiny({ nodes: [node(name, ["x"], ["y"])] }));
    const { code, stderr } = await halfscope(["compare", path]);
    expect(code).toBe(4);
    expect(stderr).not.toMatch(control);
    expect(stderr.length).toBeLessThan(8000);
  });
});
