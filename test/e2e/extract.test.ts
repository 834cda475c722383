/** `halfscope extract`: a fault taken out of its model shows alone, also to other people's tools. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import proto from "onnx-proto";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { python } from "../python.js";
import { floats, int64s, type NodeProto, node, temporaryFolder, valueInfo, writeModel } from "../support/model-file.js";
import { expectFailure, filesIn, halfscope, jsonOf, tooWide } from "./run-cli.js";

const { onnx } = proto;
const folder = temporaryFolder();
const bert = join(folder, "bert", "model.onnx");
const layerNorm = "encoder/layer.1/attention/output/LayerNorm";
const extract = join(folder, "layer-norm");

interface Errors {
  relativeL2: number;
  nonFiniteMismatch: number;
}
interface Extracted {
  nodes: number;
  operators: string[];
  inputs: { name: string; dtype: string; dims: number[] }[];
  fixedByShapes: string[];
  outputs: { tensor: string; isolated?: Errors; accumulated?: Errors; alone?: Errors }[];
  sameReference: boolean;
  fault?: string;
  notes: string[];
}
const run = async (args: readonly string[]) => (await jsonOf(["extract", ...args])) as unknown as Extracted;
const whole = [
  "model.fp16.onnx",
  "model.onnx",
  "npy",
  "npy/input_0.npy",
  "npy/output_0.npy",
  "raw",
  "raw/input_0.bin",
  "reproduce.md",
  "reproduce.py",
  "test_data_set_0",
  "test_data_set_0/input_0.pb",
  "test_data_set_0/output_0.pb",
];

let found: Extracted;
beforeAll(async () => {
  mkdirSync(join(folder, "bert"));
  await makeBert({
    path: bert,
    layers: 2,
    hidden: 64,
    heads: 4,
    vocab: 200,
    maxPosition: 64,
    external: true,
    faults: [{ kind: "square-overflow", layer: 1 }],
  });
  found = await run([bert, "--layer", layerNorm, "-o", extract]);
}, 60_000);

describe("a LayerNormalization that overflows silently", () => {
  it("is a model with its data, and nothing else", () => {
    expect(filesIn(extract)).toEqual(whole);
    expect(found).toMatchObject({ nodes: 9, sameReference: true, fault: "same", notes: [] });
    expect(found.inputs).toEqual([
      { name: "/encoder/layer.1/attention/output/Add_output_0", dtype: "float32", dims: [1, expect.any(Number), 64] },
    ]);
    expect(filesIn(folder).filter((f) => f.includes(".partial"))).toEqual([]);
  });

  it("is as wrong alone as in the whole model", () => {
    const [only] = found.outputs;
    expect(only?.isolated?.relativeL2).toBeGreaterThan(0.3);
    expect(Math.abs((only?.alone?.relativeL2 ?? 0) / (only?.isolated?.relativeL2 ?? 1) - 1)).toBeLessThan(0.01);
  });

  it("compare finds the same in the folder, the weights are in the model", async () => {
    const compared = await jsonOf(["compare", join(extract, "model.onnx"), "--feed", join(extract, "test_data_set_0")], [1]);
    const outputs = (compared.accumulated as { outputs: Record<string, { sumSquaredError: number; sumSquaredReference: number }> }).outputs;
    const [stats] = Object.values(outputs);
    expect(Math.sqrt((stats?.sumSquaredError ?? 0) / (stats?.sumSquaredReference ?? 1))).toBe(found.outputs[0]?.alone?.relativeL2);
  });

  it("says to people what it shows", async () => {
    const { code, stdout, stderr } = await halfscope(["extract", bert, "--layer", layerNorm, "-o", join(folder, "again")]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/bit for bit/);
    expect(stdout).toMatch(/The fault shows in the extract alone/);
    expect(tooWide(stdout.replaceAll(folder, ""))).toEqual([]);
    const notes = readFileSync(join(folder, "again", "reproduce.md"), "utf8");
    expect(notes).toContain("trtexec --onnx=model.fp16.onnx --stronglyTyped");
    expect(notes).toContain("--loadInputs=/encoder/layer.1/attention/output/Add_output_0:raw/input_0.bin");
  });

  it("passes ONNX's checker, and ONNX Runtime gives the recorded outputs", (context) => {
    const interpreter = python(context, "onnx", "onnxruntime");
    const script = "import sys, onnx\nfor p in sys.argv[1:]: onnx.checker.check_model(onnx.load(p), full_check=True)";
    execFileSync(interpreter, ["-c", script, join(extract, "model.onnx"), join(extract, "model.fp16.onnx")]);
    const said = execFileSync(interpreter, [join(extract, "reproduce.py")], { encoding: "utf8" });
    expect(said).toMatch(/relative L2 0,/);
  });
});

it("--with-cause takes nodes in front along, --from and --to what lies between", async () => {
  const more = await run([bert, "--layer", layerNorm, "--with-cause", "2", "-o", join(folder, "with-cause")]);
  expect(more.nodes).toBe(found.nodes + 2);
  expect(more.outputs.map((o) => o.tensor)).toEqual(found.outputs.map((o) => o.tensor));
  const name = (t: string) => `/encoder/layer.1/attention/output/LayerNorm/${t}_output_0`;
  const between = await run([bert, "--from", name("Sub"), "--to", name("Sqrt"), "-o", join(folder, "between")]);
  expect(between.operators).toEqual(["Pow", "ReduceMean", "Add", "Sqrt"]);
  expect(between.outputs[0]?.alone?.nonFiniteMismatch).toBeGreaterThan(0);
});

describe("control flow and sizes", () => {
  const branch = (name: string, opType: string): proto.onnx.IAttributeProto => ({
    name,
    type: onnx.AttributeProto.AttributeType.GRAPH,
    g: {
      name,
      node: [node(opType, ["scaled"], [`${name}_out`]), node("Add", [`${name}_out`, "bias"], [`${name}_sum`])],
      initializer: [floats("bias", [1], [0.1])],
      output: [valueInfo({ name: `${name}_sum`, dims: ["n", 3] })],
    },
  });
  const holder: NodeProto = {
    opType: "If",
    name: "the If",
    input: ["flag"],
    output: ["chosen"],
    attribute: [branch("then_branch", "Exp"), branch("else_branch", "Neg")],
  };
  let path: string;
  beforeAll(() => {
    path = writeModel(folder, {
      nodes: [
        node("Mul", ["x", "w"], ["scaled"]),
        node("ReduceSum", ["scaled"], ["total"], { keepdims: 0 }),
        node("Greater", ["total", "limit"], ["flag"]),
        holder,
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "first"], ["rows"]),
        node("Concat", ["rows", "minus"], ["target"], { axis: 0 }),
        node("Reshape", ["chosen", "target"], ["flat"]),
        node("Tanh", ["flat"], ["y|`odd`\n"]),
      ],
      initializers: [floats("w", [1], [1.5]), floats("limit", [], [-1000]), int64s("first", [1], [0]), int64s("minus", [1], [-1])],
      inputs: [{ name: "x", dims: ["n", 3] }],
      outputs: [{ name: "y|`odd`\n", dims: ["n", "m"] }],
    });
  });
  const fixed = ["--shape", "x=4x3"];

  it("the holder comes out whole, with what its bodies take from outside as inputs", async () => {
    const out = join(folder, "if");
    const layers = (await jsonOf(["inspect", path])).layers as { id: string; operators: string[] }[];
    const id = layers.find((l) => l.operators.includes("If"))?.id ?? "";
    const got = await run([path, "--layer", id, ...fixed, "-o", out]);
    expect(got).toMatchObject({ operators: ["If"], sameReference: true });
    expect(got.inputs.map((i) => [i.name, i.dtype, i.dims])).toEqual([
      ["flag", "bool", []],
      ["scaled", "float32", [4, 3]],
    ]);
  });

  it("what stands inside is refused, with the holder's name and what to type", async () => {
    const layers = (await jsonOf(["inspect", path])).layers as { id: string; outputs: string[]; operators: string[] }[];
    const inside = layers.find((l) => l.operators.includes("Exp"))?.id ?? "";
    const message = await expectFailure(
      ["extract", path, "--layer", inside, ...fixed, "-o", join(folder, "inside")],
      { code: 2, error: "ERR_OPTION" },
      /inside then_branch of If "the If"/,
    );
    expect(message).toContain(inside);
    await expectFailure(
      ["extract", path, "--to", "then_branch_out", ...fixed, "-o", join(folder, "inside")],
      { code: 2, error: "ERR_OPTION" },
      /inside then_branch/,
    );
  });

  it("sizes that follow from the inputs' shapes become constants; odd names do no harm", async () => {
    const out = join(folder, "reshape");
    const got = await run([path, "--from", "chosen", "--to", "y|`odd`\n", ...fixed, "-o", out]);
    expect(got).toMatchObject({ operators: ["Reshape", "Tanh"], fixedByShapes: ["target"], sameReference: true });
    expect(got.inputs.map((i) => i.name)).toEqual(["chosen"]);
    const notes = readFileSync(join(out, "reproduce.md"), "utf8");
    expect(notes.split("\n").filter((l) => l.includes("odd"))).toHaveLength(3);
    expect(notes).toContain("`y\\|'odd'\\u000a`");
  });
});

describe("refusals", () => {
  const failing = (args: readonly string[], error: string, words: RegExp) =>
    expectFailure(["extract", bert, ...args], { code: 2, error }, words);
  it("say what is wrong and leave nothing behind", async () => {
    const out = join(folder, "refused");
    await failing(["--layer", "LayerNorm", "-o", out], "ERR_OPTION", /no layer "LayerNorm"/);
    await failing(["-o", out], "ERR_OPTION", /--layer ID or --to/);
    await failing(["--layer", layerNorm, "--to", "y", "-o", out], "ERR_OPTION", /either --layer ID or --to/);
    await failing(["--to", "nowhere", "-o", out], "ERR_OPTION", /--to names "nowhere"/);
    await failing(["--from", "last_hidden_state", "--to", "/Cast_output_0", "-o", out], "ERR_OPTION", /No way leads|names/);
    await failing(["--layer", layerNorm, "--with-cause", "-1", "-o", out], "ERR_OPTION", /--with-cause needs/);
    expect(filesIn(folder).filter((f) => f.startsWith("refused") || f.includes(".partial"))).toEqual([]);
  });
  it("a layer that is a constant is refused with what reads it", async () => {
    const path = writeModel(folder, {
      nodes: [node("Constant", [], ["huge"], { value: { tensor: floats("", [1], [1e9]) } }), node("Div", ["x", "huge"], ["y"])],
      inputs: [{ name: "x", dims: [4] }],
      outputs: [{ name: "y", dims: [4] }],
    });
    const layers = (await jsonOf(["inspect", path])).layers as { id: string; operators: string[] }[];
    const id = layers.find((l) => l.operators.join() === "Constant")?.id ?? "";
    const words = ["extract", path, "--layer", id, "-o", join(folder, "constant")];
    await expectFailure(words, { code: 2, error: "ERR_OPTION" }, /only holds a constant/);
    expect((await halfscope(words)).stderr).toContain(`--layer "${layers.find((l) => l.operators.includes("Div"))?.id}"`);
  });
  it("a folder that holds something is left alone", async () => {
    const out = join(folder, "full");
    mkdirSync(out);
    writeFileSync(join(out, "mine.txt"), "");
    await failing(["--layer", layerNorm, "-o", out], "ERR_OUTPUT_NOT_WRITABLE", /not empty/);
    expect(filesIn(out)).toEqual(["mine.txt"]);
  });
});
