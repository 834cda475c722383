/** Several samples in one measurement, and sizes that only a run tells. */
import { join } from "node:path";
import { measure } from "@halfscope/analysis";
import { type Measurements, mergeStats, silentProgress } from "@halfscope/core";
import { inferTypes, lacksShapes, OutputEngine, shapesOfFeed } from "@halfscope/engine";
import { allHalf } from "@halfscope/precision";
import { describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { openBench } from "../support/bench.js";
import { node, temporaryFolder, writeModel } from "../support/model-file.js";

const folder = temporaryFolder();

describe.each(["accumulated", "isolated"] as const)("several samples, %s", (mode) => {
  it("of one shape or several are measured as each alone, put together", async () => {
    const path = join(folder, "bert.onnx");
    await makeBert({ path, layers: 1, hidden: 32, heads: 2, vocab: 100, maxPosition: 64, faults: [] });
    using short = await openBench(path, { samples: 2, dims: { sequence: 12 } });
    using long = await openBench(path, { samples: 1, dims: { sequence: 20 } });
    const samples = [
      ...(await Promise.all(short.feeds.map(async (feed) => ({ feed, subject: await short.subject(feed) })))),
      { feed: long.feeds[0], subject: await long.subject() },
    ];
    const o = { mode, plan: allHalf(short.model.digest, "finite"), progress: silentProgress };
    const [first, ...others] = samples;
    const together = await measure(first!.subject, first!.feed, o, others);
    const alone: Measurements[] = [];
    for (const { subject, feed } of samples) alone.push(await measure(subject, feed, o));
    expect(together.coverage).toEqual(alone[0]!.coverage);
    for (const [i, t] of together.tensors.entries())
      expect(t).toEqual({ ...t, stats: alone.map((a) => a.tensors[i]!.stats).reduce(mergeStats) });
    expect(together.tensors.some((t) => t.stats.count > 2 * alone[0]!.tensors.find((a) => a.tensor === t.tensor)!.stats.count)).toBe(true);
  });
});

it("sizes that hang on values are those of the run, scalars included", async () => {
  // The shape is computed from how many elements are positive: no inference can tell.
  const path = writeModel(folder, {
    nodes: [
      node("NonZero", ["x"], ["where"]),
      node("Transpose", ["where"], ["places"]),
      node("GatherND", ["x", "places"], ["kept"]),
      node("Sqrt", ["kept"], ["roots"]),
      node("ReduceSum", ["roots"], ["sum"], { keepdims: 0 }),
      node("Exp", ["sum"], ["y"]),
    ],
    inputs: [{ name: "x", dims: [3, 4] }],
    outputs: [{ name: "y", dims: [] }],
    opset: 17,
  });
  using bench = await openBench(path);
  const { types, view } = await bench.subject();
  const shapes = shapesOfFeed(bench.feeds[0]);
  expect(lacksShapes(view, await inferTypes(bench.model, view, shapes))).toBe(true);
  using engine = await OutputEngine.reference(await bench.subject(), { threads: 1 }, ["roots", "sum"]);
  engine.setFeed(bench.feeds[0]);
  const { outputs } = await engine.outputsOf({ fetch: ["roots", "sum", "y"] });
  for (const [name, value] of outputs) expect(types.get(name)?.dims, name).toEqual(value.dims);
  expect(types.get("sum")?.dims).toEqual([]);
});

it("outputs that hang on random numbers are measured but not judged", async () => {
  const path = writeModel(folder, {
    nodes: [node("Tanh", ["x"], ["t"]), node("RandomNormalLike", ["t"], ["noise"]), node("Add", ["t", "noise"], ["y"])],
    inputs: [{ name: "x", dims: [4, 8] }],
    outputs: [{ name: "y", dims: [4, 8] }],
    opset: 17,
  });
  using bench = await openBench(path);
  const o = { mode: "accumulated" as const, plan: allHalf(bench.model.digest, "finite"), progress: silentProgress };
  const { tensors } = await measure(await bench.subject(), bench.feeds[0], o);
  // Both sides share what is drawn: the difference is rounding's.
  expect(tensors.find((t) => t.tensor === "noise")?.stats.maxAbs).toBe(0);
  expect(tensors.find((t) => t.tensor === "y")?.stats.maxAbs).toBeLessThan(0.01);
  await expect(bench.reference()).rejects.toMatchObject({
    code: "ERR_REFERENCE_RANDOM",
    message: expect.stringMatching(/RandomNormalLike/),
  });
});
