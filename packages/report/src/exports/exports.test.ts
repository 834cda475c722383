import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { exampleResult } from "../testing/example-result.js";
import { exportAutocast, exportModelExplorer, exportNetron, exportOrt, exportTrtexec, pythonPattern, shellQuote } from "./index.js";
import type { ExportedFormat, ExportNode, ExportSubject } from "./subject.js";

const hostile = [
  "plain/name_0",
  "$(touch owned)",
  "a'b\"c",
  "with space; rm -rf .",
  "comma,name",
  "input:0",
  "star*",
  "-starts-like-an-option",
  "back\\slash`tick`",
  "новый/узел 😀",
  "line\nfeed",
];

const node = (name: string, more: Partial<ExportNode> = {}): ExportNode => ({
  name,
  opType: "MatMul",
  layer: "layer",
  outputs: [`${name}:out`],
  outputTypes: ["float32"],
  pinned: true,
  ...more,
});
function subjectOf(nodes: readonly ExportNode[], modelPath = "/models/my model's.onnx"): ExportSubject {
  const nameCounts = new Map<string, number>();
  for (const { name } of nodes) nameCounts.set(name, (nameCounts.get(name) ?? 0) + 1);
  const result = exampleResult({ blocks: 2 });
  const plan = {
    modelDigest: result.model.digest,
    defaultPrecision: "float16",
    constants: "finite",
    pins: [{ layer: "layer", reason: "why" }],
  } as const;
  return { result, plan, nodes, nameCounts, modelPath };
}
const contentOf = (made: ExportedFormat, path: string): string => {
  const content = made.files.find((f) => f.path === path)?.content;
  if (typeof content !== "string") throw new Error(`no text file ${path}`);
  return content;
};
const jsonOf = (made: ExportedFormat, path: string) => JSON.parse(contentOf(made, path)) as Record<string, unknown>;

/** The words that a POSIX shell makes of a script's `exec` command. */
function wordsOf(script: string): string[] {
  const command = script.slice(script.indexOf("\nexec ") + 6);
  // A C string per word keeps line feeds apart.
  return execFileSync("/bin/sh", ["-c", `model=MODEL; for word in ${command.trimEnd()}; do printf '%s\\0' "$word"; done`], {
    encoding: "utf8",
  })
    .split("\0")
    .slice(0, -1);
}

describe("names in a shell", () => {
  it("are one word each, exactly as they were", () => {
    for (const name of hostile) expect(execFileSync("/bin/sh", ["-c", `printf %s ${shellQuote(name)}`], { encoding: "utf8" })).toBe(name);
    expect(shellQuote("")).toBe("''");
  });
  it("stay what they are in whole scripts, and so does the model's path", () => {
    const subject = subjectOf(hostile.map((n) => node(n)));
    const autocast = exportAutocast(subject);
    const words = wordsOf(contentOf(autocast, "autocast.sh"));
    expect(words.slice(words.indexOf("--nodes_to_exclude") + 1)).toEqual(hostile.filter((n) => !n.includes("\n")).map(pythonPattern));
    expect(JSON.parse(contentOf(autocast, "arguments.json"))).toEqual(words.slice(words.indexOf("--low_precision_type")));
    const made = exportTrtexec(subject, "10", []);
    expect(wordsOf(contentOf(made, "trtexec.sh")).slice(2)).toEqual(jsonOf(made, "flags.json"));
    const line = /^model=.*$/m.exec(contentOf(made, "trtexec.sh"))?.[0];
    expect(execFileSync("/bin/sh", ["-c", `${line}; printf %s "$model"`], { encoding: "utf8" })).toBe(subject.modelPath);
  });
});

describe("nodes that a name does not address", () => {
  const nodes = [
    node("a"),
    node("twice"),
    node("twice"),
    node("", { outputs: ["unnamed_out"] }),
    node("shape", { outputTypes: ["int64"] }),
  ];
  it("are listed with the reason, and never named", () => {
    const made = exportOrt(subjectOf(nodes));
    expect(jsonOf(made, "node_block_list.json").node_block_list).toEqual(["a"]);
    expect(made.addressed).toBe(1);
    expect(made.lost.map((l) => [l.node, l.reason])).toEqual([
      ["twice", "2 nodes of the file have this name"],
      ["twice", "2 nodes of the file have this name"],
      ["unnamed_out", "it has no name"],
    ]);
  });
  it("are those of local functions too", () => {
    const subject = { ...subjectOf(nodes), nameCounts: new Map([["twice", 2]]) };
    expect(exportOrt(subject).lost[0]).toMatchObject({ node: "a", reason: expect.stringContaining("local function") });
  });
  it("integer nodes have no precision to keep; where types are unknown every node counts", () => {
    expect(exportOrt(subjectOf([node("n", { outputTypes: ["int64"] })])).addressed).toBe(0);
    expect(exportOrt(subjectOf([node("n", { outputTypes: [undefined] })])).addressed).toBe(1);
  });
});

it("constants of pinned nodes are blocked for ONNX Runtime, other people's Casts to FP32 for onnxconverter-common", () => {
  const made = exportOrt(
    subjectOf([
      node("pinned"),
      node("eps", { opType: "Constant", pinned: false, readByPinned: true }),
      node("other", { opType: "Constant", pinned: false }),
      node("cast", { opType: "Cast", pinned: false, castsToFloat: true }),
    ]),
  );
  expect(jsonOf(made, "node_block_list.json")).toMatchObject({ node_block_list: ["pinned", "eps"], casts_to_float: ["cast"] });
});

describe("trtexec", () => {
  it("names with a colon are quoted; commas, quotes and stars cannot be said", () => {
    const made = exportTrtexec(subjectOf(hostile.map((n) => node(n))), "8.6", []);
    const flags = jsonOf(made, "flags.json") as unknown as string[];
    const precisions = flags.find((f) => f.startsWith("--layerPrecisions="))?.slice("--layerPrecisions=".length);
    expect(precisions?.split(",")).toEqual(
      hostile.filter((n) => !/[,'*]/.test(n)).map((n) => (n.includes(":") ? `'${n}':fp32` : `${n}:fp32`)),
    );
    expect(made.lost.map((l) => l.node)).toEqual(["a'b\"c", "comma,name", "star*"]);
    expect(flags).toContain("--precisionConstraints=obey");
    expect(flags).toContain("--noTF32");
  });
  it("output types are set only where every output is FP32; constants are left to their readers", () => {
    const made = exportTrtexec(
      subjectOf([node("topk", { outputTypes: ["float32", "int64"] }), node("mul"), node("c", { opType: "Constant" })]),
      "10",
      [],
    );
    const flags = jsonOf(made, "flags.json") as unknown as string[];
    expect(flags).toContain("--layerPrecisions=topk:fp32,mul:fp32");
    expect(flags).toContain("--layerOutputTypes=mul:fp32");
  });
  describe("constants that pinned nodes read", () => {
    const subject = subjectOf([
      node("add", { constants: ["bias", "a,b", "torn\0"] }),
      node("mul", { constants: ["bias", "add", "q:0", "scale"] }),
      node("scale", { opType: "Constant", pinned: false }),
      node("other", { pinned: false, constants: ["not this one"] }),
    ]);
    const flags = (made: ExportedFormat) => (jsonOf(made, "flags.json") as unknown as string[]).filter((f) => f.startsWith("--layer"));
    it("are named for 8.6, which rounds them otherwise, as far as they can be; how many cannot is told", () => {
      const made = exportTrtexec(subject, "8.6", []);
      // "add" is a node's name already; "scale" is a Constant's own, which makes no other layer.
      const named = "add:fp32,mul:fp32,bias:fp32,'q:0':fp32,scale:fp32";
      expect(flags(made)).toEqual([`--layerPrecisions=${named}`, `--layerOutputTypes=${named}`]);
      expect(made.notes.join()).toMatch(/^(?!.*ONNXTRT_Broadcast).*3 constants of pinned nodes cannot be named/);
    });
    it("are not named for 10, and the note says what that costs", () => {
      const made = exportTrtexec(subject, "10", []);
      expect(flags(made)).toEqual(["--layerPrecisions=add:fp32,mul:fp32", "--layerOutputTypes=add:fp32,mul:fp32"]);
      expect(made.notes.join()).toContain("ONNXTRT_Broadcast");
    });
    it("are left out where they make a flag too long that fits without them", () => {
      const many = Array.from({ length: 1500 }, (_, i) => `${"c".repeat(100)}${i}`);
      const made = exportTrtexec(subjectOf([node("add", { constants: many })]), "8.6", []);
      expect(flags(made)).toEqual(["--layerPrecisions=add:fp32", "--layerOutputTypes=add:fp32"]);
      expect(made.notes.join()).toMatch(/1500 constants of pinned nodes cannot be named/);
      expect(made.notes.join()).not.toMatch(/131071/);
    });
  });
  it("without pins there is nothing to constrain", () => {
    const flags = jsonOf(exportTrtexec(subjectOf([node("a", { pinned: false })]), "10", []), "flags.json") as unknown as string[];
    expect(flags.filter((f) => f.startsWith("--layer") || f.startsWith("--precision"))).toEqual([]);
  });
  it("shapes are given for inputs with open sizes only, for trtexec refuses them elsewhere", () => {
    const bytes = new Uint8Array(8);
    const made = exportTrtexec(subjectOf([node("a")]), "10", [
      { name: "x:0", dims: [1, 2], bytes, dynamic: true },
      { name: "x_0", dims: [2], bytes, dynamic: false },
      { name: "b,c", dims: [2], bytes, dynamic: false },
    ]);
    const flags = jsonOf(made, "flags.json") as unknown as string[];
    expect(flags.filter((f) => f.includes("hapes="))).toEqual(
      ["--minShapes", "--optShapes", "--maxShapes", "--shapes"].map((f) => `${f}='x:0':1x2`),
    );
    expect(flags).toContain("--loadInputs='x:0':inputs/0_x_0.bin,x_0:inputs/1_x_0.bin");
    expect(made.notes.join()).toMatch(/"b,c" is left to trtexec/);
  });
  const profile = (batch: number, length: number) => ({ x: { min: [1, 1], opt: [1, length], max: [batch, length] } });
  const fed = [{ name: "x", dims: [1, 128], bytes: new Uint8Array(8), dynamic: true }];
  const flagsOf = (made: ExportedFormat) => jsonOf(made, "flags.json") as unknown as string[];
  it("profiles of a real engine are built, and the one that serves the inputs is run", () => {
    const made = exportTrtexec(subjectOf([node("a")]), "10", fed, [profile(8, 64), profile(4, 128)]);
    expect(flagsOf(made).filter((f) => /rofile=|hapes=/.test(f))).toEqual([
      "--profile=0",
      "--minShapes=x:1x1",
      "--optShapes=x:1x64",
      "--maxShapes=x:8x64",
      "--profile=1",
      "--minShapes=x:1x1",
      "--optShapes=x:1x128",
      "--maxShapes=x:4x128",
      "--useProfile=1",
      "--shapes=x:1x128",
    ]);
    const old = exportTrtexec(subjectOf([node("a")]), "8.6", fed, [profile(8, 64), profile(4, 128)]);
    expect(flagsOf(old).filter((f) => f.includes("rofile=") || f.includes("maxShapes"))).toEqual(["--maxShapes=x:4x128"]);
    expect(old.notes.join()).toMatch(/8\.6 builds one profile: 1 of 2 left out/);
  });
  it("inputs that no profile serves are not fed", () => {
    const made = exportTrtexec(subjectOf([node("a")]), "10", fed, [profile(8, 64)]);
    expect(flagsOf(made).filter((f) => f.startsWith("--loadInputs") || f.startsWith("--shapes"))).toEqual([]);
    expect(made.files.map((f) => f.path)).toEqual(["trtexec.sh", "flags.json"]);
    expect(made.notes.join()).toMatch(/No profile serves the inputs/);
  });
  it("for TensorRT 11 says nothing of precision: the mixed model does", () => {
    const made = exportTrtexec(subjectOf([node("a")], "/r/mixed.onnx"), "11", fed, [profile(8, 128)]);
    expect(flagsOf(made).filter((f) => /fp16|layer(Prec|Out)|precision/i.test(f))).toEqual([]);
    expect(flagsOf(made)).toContain("--stronglyTyped");
    expect(flagsOf(made)).toContain("--maxShapes=x:8x128");
    expect(contentOf(made, "trtexec.sh")).toContain("model=/r/mixed.onnx");
    expect(made.addressed).toBeUndefined();
    expect(made.lost).toEqual([]);
  });
  it("a flag longer than Linux passes is told", () => {
    const many = Array.from({ length: 2000 }, (_, i) => node(`${"n".repeat(100)}${i}`));
    expect(exportTrtexec(subjectOf(many), "10", []).notes.join()).toMatch(/131071/);
    expect(exportTrtexec(subjectOf(many.slice(0, 100)), "10", []).notes.join()).not.toMatch(/131071/);
  });
});

describe("viewers", () => {
  const result = exampleResult({ blocks: 2 });
  const nodes: ExportNode[] = [];
  for (const layer of result.layers)
    for (const n of layer.nodes)
      nodes[n] = node(`node ${n}`, { layer: layer.id, outputs: n === layer.nodes.at(-1) ? layer.outputs : [`t${n}`], pinned: false });
  const subject: ExportSubject = { ...subjectOf(nodes), result };

  it("Netron gets every measured tensor, and no number that JSON lacks", () => {
    const text = contentOf(exportNetron(subject), "attachment.json");
    const { signature, metrics } = JSON.parse(text) as {
      signature: string;
      metrics: { kind: string; target: string; name: string; value: unknown }[];
    };
    expect(signature).toBe("netron:attachment");
    const targets = new Set(metrics.filter((m) => m.kind === "value" && m.name === "isolated error").map((m) => m.target));
    expect(targets).toEqual(new Set(result.isolated?.tensors.map((t) => t.tensor)));
    expect(metrics.every((m) => typeof m.value === "number" || typeof m.value === "string")).toBe(true);
    expect(metrics.filter((m) => m.value === "not finite").length).toBeGreaterThan(0);
    // Within one target, a second metric of a name would replace the first.
    expect(new Set(metrics.map((m) => JSON.stringify([m.kind, m.target, m.name]))).size).toBe(metrics.length);
  });

  it("Model Explorer gets a graph's data with thresholds, keyed by tensor", () => {
    const made = exportModelExplorer(subject);
    expect(made.files.map((f) => f.path)).toEqual(["isolated.json", "accumulated.json", "sensitivity.json"]);
    const data = jsonOf(made, "accumulated.json") as { results: Record<string, { value: unknown }>; thresholds: { value: number }[] };
    expect(new Set(Object.keys(data.results))).toEqual(new Set(result.accumulated?.tensors.map((t) => t.tensor)));
    expect(data.thresholds.map((t) => t.value)).toEqual([...data.thresholds.map((t) => t.value)].sort((a, b) => a - b));
    expect(Object.values(data.results).filter((r) => r.value === "not finite").length).toBeGreaterThan(0);
  });

  it("a tensor called like a field of the format does no harm", () => {
    const odd = [node("a", { outputs: ["results"], pinned: true }), node("b", { outputs: ["__proto__"] })];
    const made = exportModelExplorer({ ...subjectOf(odd), result });
    const { results } = jsonOf(made, "pins.json") as { results: Record<string, unknown> };
    expect(Object.keys(results)).toEqual(["__proto__"]);
    expect(made.notes.join()).toMatch(/"results"/);
  });
});
