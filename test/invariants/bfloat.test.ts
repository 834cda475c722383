/** Bfloat16 as the candidate's type: one meaning in switches, in Casts that ONNX Runtime computes itself, and in files. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { outputErrorFrom } from "@halfscope/analysis";
import { readModel } from "@halfscope/onnx";
import { allHalf, originalName, planFromOverrides, roundedUses, switchesFromPlan, typeOfOverrides, withPins } from "@halfscope/precision";
import { renderHtml, renderMarkdown, renderTerminalSummary } from "@halfscope/report";
import { applyPlan, compareStep, debugModel, verifyStep } from "halfscope";
import { describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { python } from "../python.js";
import { candidateOutputs, difference, openBench, randomPlan, realiseAndRun } from "../support/bench.js";
import { runWithCastPairs } from "../support/cast-pairs.js";
import { floats, int64s, node, temporaryFolder, writeModel } from "../support/model-file.js";
import { randomModel } from "../support/random-model.js";

const folder = temporaryFolder();
const seeds = Array.from({ length: 12 }, (_, i) => i + 1);
const open = (path: string) => openBench(path, { precision: "bfloat16" });
const bert = (style: "decomposed" | "layernorm") =>
  makeBert({ path: join(folder, `${style}.onnx`), layers: 2, hidden: 32, heads: 4, vocab: 99, style, head: "qa" }).then((m) => m.path);
const checker = `
import sys, onnx
for path in sys.argv[1:]:
    onnx.checker.check_model(path)
    onnx.shape_inference.infer_shapes(onnx.load(path), check_type=True, strict_mode=True, data_prop=True)
`;

/** Movers without a bfloat16 form, a constant that overflows it, and one behind a branch of Casts. */
const movers = () =>
  writeModel(folder, {
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      node("MaxPool", ["c"], ["p"], { kernel_shape: [2, 2] }),
      node("Compress", ["p", "keep"], ["k"], { axis: 2 }),
      node("Relu", ["k"], ["r"]),
      node("Tanh", ["r"], ["t"]),
      node("Where", ["m", "t", "lowest"], ["masked"]),
      node("Softmax", ["masked"], ["y"]),
      node("ConstantOfShape", ["shape"], ["fill"], { value: { tensor: floats("", [1], [0.3]) } }),
      node("Mul", ["fill", "t"], ["z"]),
    ],
    inputs: [
      { name: "x", dims: [1, 2, 5, 5] },
      { name: "m", elementType: 9, dims: [1, 2, 2, 3] },
    ],
    outputs: [
      { name: "y", dims: [1, 2, 2, 3] },
      { name: "z", dims: [1, 2, 2, 3] },
    ],
    initializers: [
      floats(
        "w",
        [2, 2, 2, 2],
        Array.from({ length: 16 }, (_, i) => Math.sin(i)),
      ),
      floats("lowest", [], [-3.4028234663852886e38]),
      int64s("shape", [4], [1, 2, 2, 3]),
      { name: "keep", dataType: 9, dims: [3], rawData: Uint8Array.of(1, 0, 1) },
    ],
    opset: 17,
  });

describe("the candidate in bfloat16", () => {
  it("gives the bits of Casts to bfloat16 and back that ONNX Runtime computes", { timeout: 120_000 }, async () => {
    for (const seed of seeds) {
      using bench = await open(randomModel(folder, seed));
      const plans = [0, 0.4].map((share) => randomPlan(bench, share, "overflow", 9 * seed));
      const ours = await candidateOutputs(bench, plans);
      for (const [i, plan] of plans.entries()) {
        const theirs = await runWithCastPairs(bench, plan);
        expect(theirs.rounds).toBeGreaterThan(0);
        expect(difference(ours[i]!, theirs.outputs), `random graph of seed ${seed}`).toBeUndefined();
      }
    }
  });

  it("is another candidate than FP16, and exact with everything pinned", async () => {
    const path = randomModel(folder, 3);
    using bench = await open(path);
    using other = await openBench(path);
    const plan = allHalf(bench.model.digest, "finite", "bfloat16");
    const [inBfloat] = await candidateOutputs(bench, [plan]);
    const [inHalf] = await candidateOutputs(other, [allHalf(bench.model.digest, "finite")]);
    expect(difference(inBfloat!, inHalf!)).toBeDefined();
    const pinned = withPins(
      plan,
      bench.layers.map((l) => l.id),
    );
    const [exact] = await candidateOutputs(bench, [pinned]);
    expect(difference(exact!, (await bench.reference()).outputs)).toBeUndefined();
  });

  it("takes no plan of the other type", async () => {
    using bench = await open(randomModel(folder, 4));
    const { roundings } = await bench.subject();
    expect(() => switchesFromPlan(allHalf(bench.model.digest, "finite"), roundings)).toThrow(/float16.*bfloat16/);
  });
});

describe("the mixed file in bfloat16", () => {
  const sources: Readonly<Record<string, () => string | Promise<string>>> = {
    "a made BERT (decomposed)": () => bert("decomposed"),
    "a made BERT (LayerNormalization nodes)": () => bert("layernorm"),
    "movers without a bfloat16 form": movers,
    ...Object.fromEntries(seeds.map((seed) => [`random graph ${seed}`, () => randomModel(folder, seed)])),
  };
  it.each(Object.entries(sources))("of %s rounds what the plan rounds and gives the same bits", { timeout: 120_000 }, async (_, pathOf) => {
    using bench = await open(await pathOf());
    const { roundings } = await bench.subject();
    const plans = [0, 0.3, 0.8].map((share, i) => randomPlan(bench, share, i === 1 ? "overflow" : "finite", 5 + i));
    const outputs = await candidateOutputs(bench, plans);
    for (const [i, plan] of plans.entries()) {
      const file = await realiseAndRun(bench, plan, join(folder, "mixed.onnx"));
      const what = `${plan.pins.length} of ${bench.layers.length} layers pinned`;
      expect([...file.sites.uses].sort(), what).toEqual([...roundedUses(plan, roundings)].sort());
      if (file.sites.uses.size > 0) expect(file.sites.types, what).toEqual(["bfloat16"]);
      expect(difference(file.outputs, outputs[i]!), what).toBeUndefined();
    }
  });

  it("passes the ONNX checker and strict shape inference", { timeout: 300_000 }, async (context) => {
    const interpreter = python(context, "onnx");
    const paths: string[] = [];
    for (const [i, source] of [await bert("layernorm"), movers(), ...seeds.slice(0, 6).map((s) => randomModel(folder, s))].entries()) {
      using bench = await open(source);
      for (const [k, io] of (["keep", "convert"] as const).entries()) {
        const path = join(folder, `checked-${i}-${io}.onnx`);
        await applyPlan(await bench.subject(), randomPlan(bench, 0.3 * k, "finite", i), path, { progress: bench.progress, io });
        paths.push(path);
      }
    }
    execFileSync(interpreter, ["-c", checker, ...paths], { encoding: "utf8", timeout: 300_000 });
  });

  it("writes the lowest FP32 number as bfloat16's own lowest, or as infinity where a plain cast is asked for", async () => {
    using bench = await open(movers());
    for (const [constants, bits] of [
      ["finite", 0xff7f],
      ["overflow", 0xff80],
    ] as const) {
      const path = join(folder, `${constants}.onnx`);
      await applyPlan(await bench.subject(), allHalf(bench.model.digest, constants, "bfloat16"), path, { progress: bench.progress });
      const lowest = (await readModel(path)).graph.initializers.find((i) => originalName(i.name) === "lowest");
      expect(lowest).toMatchObject({ dtype: "bfloat16" });
      expect(lowest?.data.kind === "bytes" && Buffer.from(lowest.data.bytes).readUInt16LE(0)).toBe(bits);
    }
  });

  it("is judged by verify, and measured as it is by compare", { timeout: 60_000 }, async () => {
    const path = await bert("layernorm");
    const mixed = join(folder, "judged.onnx");
    using bench = await open(path);
    const plan = randomPlan(bench, 0.3, "finite", 2);
    await applyPlan(await bench.subject(), plan, mixed, { progress: bench.progress });
    const verdict = await verifyStep(bench, mixed, 1, { tensors: true });
    expect(verdict).toMatchObject({ outcome: "within", types: ["bfloat16"], unmappedTensors: 0 });
    using alone = await openBench(mixed);
    expect(alone.precision).toBe("bfloat16");
    const own = await alone.ownPlan();
    expect(own?.differences).toEqual([]);
    const compared = await compareStep(alone);
    expect(outputErrorFrom(Object.values(compared.accumulated.outputs)).error).toBeGreaterThan(0);
  });
});

it("a debugged model's overrides, journal and result say bfloat16, and no hazard speaks of FP16's range", {
  timeout: 120_000,
}, async () => {
  const path = await bert("decomposed");
  const out = join(folder, "results");
  const result = await debugModel(path, { folder: out, tolerance: 1e-2, samples: 1, threads: 2, precision: "bfloat16" });
  expect(result.options.precision).toBe("bfloat16");
  expect(result.overrides?.defaultPrecision).toBe("bfloat16");
  expect(result.hazards.filter((h) => /65504|FP16/.test(`${h.evidence} ${h.fix}`))).toEqual([]);
  const text = readFileSync(join(out, "overrides.json"), "utf8");
  expect(typeOfOverrides(text)).toBe("bfloat16");
  expect(planFromOverrides(text, { digest: result.model.digest, layers: result.layers }).defaultPrecision).toBe("bfloat16");
  expect(result.verdict).toMatchObject({ types: ["bfloat16"] });
  for (const summary of [renderMarkdown(result), renderTerminalSummary(result)]) {
    expect(summary).toContain("BF16");
    expect(summary).not.toMatch(/FP16|65504/);
  }
  expect(renderHtml(result)).not.toMatch(/in FP16|FP16 works|65504/);
  await expect(debugModel(path, { folder: out, tolerance: 1e-2, samples: 1, threads: 2 })).rejects.toMatchObject({
    code: "ERR_JOURNAL",
    message: expect.stringContaining("precision"),
  });
});

it("a model of an opset without bfloat16 is refused with what to do", async () => {
  const model = { nodes: [node("Tanh", ["x"], ["y"])], inputs: [{ name: "x", dims: [2] }], outputs: [{ name: "y", dims: [2] }], opset: 12 };
  using bench = await open(writeModel(folder, model));
  await expect(compareStep(bench)).rejects.toMatchObject({ code: "ERR_MODEL_UNSUPPORTED", hint: expect.stringContaining("opset 13") });
});
