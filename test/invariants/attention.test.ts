/** `Attention` of opset 23 hides two products and a Softmax: measured written out, and written back whole where its parts run alike. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { elementsOf } from "@halfscope/engine";
import { readModel } from "@halfscope/onnx";
import { allHalf, roundedUses, withPins } from "@halfscope/precision";
import { expect, it } from "vitest";
import { candidateOutputs, difference, openBench, realiseAndRun } from "../support/bench.js";
import { temporaryFolder } from "../support/model-file.js";
import * as t from "../torture/build.js";
import { feedOf, untouched } from "../torture/run.js";
import { noise } from "../torture/torture.js";

const folder = temporaryFolder();

interface Variant {
  mask: "bool" | "float" | "none";
  attributes: Readonly<Record<string, t.AttributeValue>>;
}

function attentionModel(name: string, { mask, attributes }: Variant): string {
  const heads = ["b", 4, "s", 8];
  const projections = ["q", "k", "v"].flatMap((p) => [
    t.node("MatMul", ["x", `w_${p}`], [`${p}_flat`]),
    t.node("Reshape", [`${p}_flat`, "split"], [`${p}_split`]),
    t.node("Transpose", [`${p}_split`], [p], { perm: [0, 2, 1, 3] }),
  ]);
  const path = join(folder, `${name}.onnx`);
  writeFileSync(
    path,
    t.model({
      opsets: { "": 23 },
      nodes: [
        ...projections,
        t.node("Attention", ["q", "k", "v", ...(mask === "none" ? [] : ["mask"])], ["a"], attributes, { name: "attention" }),
        t.node("Transpose", ["a"], ["a_back"], { perm: [0, 2, 1, 3] }),
        t.node("Reshape", ["a_back", "join"], ["a_flat"]),
        t.node("MatMul", ["a_flat", "w_out"], ["y"]),
      ],
      inputs: [
        t.float("x", ["b", "s", 32]),
        ...(mask === "bool" ? [t.bool("mask", ["b", 1, "s", "s"])] : mask === "float" ? [t.float("mask", ["b", 1, "s", "s"])] : []),
      ],
      outputs: [t.float("y", ["b", "s", 32])],
      initializers: [
        ...["w_q", "w_k", "w_v", "w_out"].map((w, i) =>
          t.floats(
            w,
            [32, 32],
            noise(1024, i + 1).map((v) => v / 4),
          ),
        ),
        t.int64s("split", [4], [0, -1, 4, 8]),
        t.int64s("join", [3], [0, -1, 32]),
      ],
      valueInfos: [...["q", "k", "v"], "a"].map((v) => t.float(v, heads)),
    }),
  );
  return path;
}

const open: readonly [string, Variant][] = [
  ["with a boolean mask", { mask: "bool", attributes: { scale: { float: 0.35 } } }],
  ["with a float mask and its own scale", { mask: "float", attributes: {} }],
  ["without a mask", { mask: "none", attributes: { scale: { float: 0.1 }, is_causal: 0, softcap: { float: 0 } } }],
];

it.each(open)("%s is written out: same FP32 results, products with errors of their own", async (name, variant) => {
  const path = attentionModel(name, variant);
  using bench = await openBench(path, { dims: { b: 2, s: 6 } });
  const kinds = bench.layers.map((l) => l.kind);
  expect(kinds).toEqual(expect.arrayContaining(["attention-scores", "softmax", "attention-context"]));
  const { outputs } = await bench.reference();
  const whole = (await untouched(path, feedOf(Object.fromEntries(bench.feeds[0].tensors) as never))).get("y");
  const [ours, theirs] = [outputs.get("y"), whole].map((v) => elementsOf(v as never) as Float32Array);
  for (const [i, x] of theirs!.entries()) expect(ours![i]).toBeCloseTo(x, 4);
});

it.each(open)(
  "%s comes back as one node unless its parts are pinned apart, and the file means what the plan means",
  async (name, variant) => {
    const path = attentionModel(`${name} to file`, variant);
    using bench = await openBench(path, { dims: { b: 2, s: 6 } });
    const { roundings } = await bench.subject();
    const softmax = bench.layers.filter((l) => l.kind === "softmax").map((l) => l.id);
    const inside = bench.layers.filter((l) => ["softmax", "attention-scores", "attention-context"].includes(l.kind)).map((l) => l.id);
    const all = allHalf(bench.model.digest, "finite");
    for (const [pins, isWhole] of [
      [[], true],
      [softmax, false],
      [bench.layers.map((l) => l.id), true],
      [inside.slice(0, 1), false],
    ] as const) {
      const plan = withPins(all, pins);
      const [candidate] = await candidateOutputs(bench, [plan]);
      const file = await realiseAndRun(bench, plan, join(folder, "applied.onnx"));
      expect([...file.sites.uses].sort()).toEqual([...roundedUses(plan, roundings)].sort());
      expect(difference(file.outputs, candidate!)).toBeUndefined();
      const operators = (await readModel(file.path)).graph.nodes.map((n) => n.opType);
      expect(operators.includes("Attention")).toBe(isWhole);
      expect(operators.includes("Softmax")).toBe(!isWhole);
    }
  },
);

it.each<[string, Variant]>([
  ["a causal one", { mask: "none", attributes: { is_causal: 1 } }],
  ["one with a soft cap", { mask: "none", attributes: { softcap: { float: 5 } } }],
])("%s stays one node, with the limit stated", async (name, variant) => {
  using bench = await openBench(attentionModel(name, variant), { dims: { b: 2, s: 6 } });
  expect(bench.layers.filter((l) => l.kind === "attention").map((l) => l.operators)).toEqual([["Attention"]]);
  const hazards = await bench.hazards();
  expect(hazards.filter((h) => h.code === "inner-state").length).toBeGreaterThan(0);
});
