/** What a comparison must say of loops that break in a later round, of decisions that flip, and of random numbers. */
import { findOrigins } from "@halfscope/analysis";
import { relativeL2 } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { temporaryFolder, writeModel } from "../support/model-file.js";
import { bool, bools, float, floats, graph, int64, int64s, model, node } from "./build.js";
import { overflowIn17th } from "./models/loops.js";
import { candidateOutputs, feedOf, measured, open, planOf } from "./run.js";
import { floatValue, noise } from "./torture.js";

const folder = temporaryFolder();
const face = [2, 3];
const x = floatValue(face, noise(6, 140));
const opened = (bytes: Uint8Array, feed: Parameters<typeof feedOf>[0]) => open(writeModel(folder, bytes), feedOf(feed));

describe("a loop of twenty rounds that overflows in the 17th", () => {
  it.each(["input", "initializer"] as const)("is named with its round, started by an %s", async (start) => {
    const torture = overflowIn17th(start);
    const own = await opened(torture.bytes, torture.feed);
    const accumulated = await measured(own, planOf(own, 0, "overflow"), "accumulated");
    const next = accumulated.tensors.find((t) => t.tensor === "next");
    expect(next?.rounds).toMatchObject({ count: 20, firstBroken: 16, worst: 16, worstError: Number.POSITIVE_INFINITY });
    expect(next?.stats.overflowed).toBeGreaterThan(0);
    const [origin] = findOrigins(accumulated, own.subject.view, new Set());
    expect(origin).toMatchObject({ tensor: "next", layer: "n_last/body/n_next" });
    expect(origin?.evidence).toMatch(/first in round 17 of 20/);
  });
});

describe("an ArgMax that flips", () => {
  const table = floats("table", [2, 3], [1, 2, 3, -1, -2, -3]);
  const nodes = (from: string) => [
    node("Add", [from, "close"], ["logits"]),
    node("ArgMax", ["logits"], ["choice"], { axis: -1, keepdims: 0 }),
    node("Gather", ["table", "choice"], ["row"], { axis: 0 }),
  ];
  // Apart by less than FP16 can tell at 1: the first of equals wins.
  const close = floats("close", [2], [1.0001, 1.0002]);
  const zeros = floatValue([2], [0, 0]);
  const face2 = { inputs: [float("x", [2])], outputs: [float("out")] };

  it("is a decision change with its values, and not a decision in isolation", async () => {
    const bytes = model({ ...face2, nodes: [...nodes("x"), node("Tanh", ["row"], ["out"])], initializers: [table, close] });
    const own = await opened(bytes, { x: zeros });
    const { decisions, tensors } = await measured(own, planOf(own, 0, "overflow"), "accumulated");
    expect(decisions?.changed).toMatchObject([{ tensor: "choice", differing: 1, count: 1, firstIndex: 0, reference: 1, candidate: 0 }]);
    expect(decisions?.changed[0]?.layer).toBe(own.subject.layerOf.get(1));
    expect(relativeL2(tensors.find((t) => t.tensor === "row")!.stats)).toBeGreaterThan(1);
    const pinned = { ...planOf(own, 0, "overflow"), pins: own.subject.layers.map((l) => ({ layer: l.id, reason: "test" })) };
    expect((await measured(own, pinned, "accumulated")).decisions?.changed).toEqual([]);
  });

  it("is counted inside a branch", async () => {
    const branch = graph({ nodes: nodes("h"), outputs: [float("row")] });
    const bytes = model({
      ...face2,
      nodes: [
        node("Identity", ["x"], ["h"]),
        node("If", ["yes"], ["y"], {
          then_branch: branch,
          else_branch: graph({ nodes: [node("Identity", ["three"], ["v"])], outputs: [float("v")] }),
        }),
        node("Tanh", ["y"], ["out"]),
      ],
      initializers: [table, close, bools("yes", [], [true]), floats("three", [3], [1, 2, 3])],
    });
    const own = await opened(bytes, { x: zeros });
    const { decisions } = await measured(own, planOf(own, 0, "overflow"), "accumulated");
    expect(decisions?.changed.map((d) => d.tensor)).toEqual(["choice"]);
  });

  it("is counted over all rounds of a loop", async () => {
    const body = graph({
      inputs: [int64("i"), bool("go"), float("a")],
      nodes: [node("Identity", ["go"], ["going"]), ...nodes("a"), node("Mul", ["a", "half"], ["next"])],
      outputs: [bool("going"), float("next"), float("row")],
      initializers: [floats("half", [], [0.5])],
    });
    const bytes = model({
      ...face2,
      nodes: [node("Loop", ["count", "", "x"], ["last", "rows"], { body }), node("Tanh", ["rows"], ["out"])],
      initializers: [table, close, int64s("count", [], [5])],
    });
    // The first state tells the logits apart; halved, it no longer does.
    const own = await opened(bytes, { x: floatValue([2], [-0.00390625, 0.00390625]) });
    const { decisions } = await measured(own, planOf(own, 0, "overflow"), "accumulated");
    const [changed] = decisions?.changed ?? [];
    expect(changed).toMatchObject({ tensor: "choice", count: 5, reference: 1, candidate: 0 });
    expect(changed?.differing).toBeGreaterThan(0);
    expect(changed?.differing).toBeLessThan(5);
  });
});

describe("a condition that turns", () => {
  /** 1.0002 > 1.0001 in FP32; in FP16 both are 1. */
  const bytes = model({
    inputs: [float("x", [])],
    outputs: [float("out", [])],
    nodes: [
      node("Mul", ["x", "one"], ["h"]),
      node("Greater", ["h", "limit"], ["larger"]),
      node("If", ["larger"], ["y"], {
        then_branch: graph({ nodes: [node("Exp", ["h"], ["t"])], outputs: [float("t")] }),
        else_branch: graph({ nodes: [node("Neg", ["h"], ["e"])], outputs: [float("e")] }),
      }),
      node("Tanh", ["y"], ["out"]),
    ],
    initializers: [floats("one", [], [1]), floats("limit", [], [1.0001])],
  });

  it("is a decision change; the branch of the reference is compared with its own candidate", async () => {
    const own = await opened(bytes, { x: floatValue([], [1.0002]) });
    const { decisions, tensors, coverage } = await measured(own, planOf(own, 0, "overflow"), "accumulated");
    expect(decisions?.changed).toMatchObject([{ tensor: "larger", differing: 1, count: 1, reference: 1, candidate: 0 }]);
    expect(relativeL2(tensors.find((t) => t.tensor === "t")!.stats)).toBeLessThan(1e-3);
    expect(coverage["not-executed"]).toBe(1);
  });

  it("takes the other branch in the candidate by itself, and so do its outputs", async () => {
    const own = await opened(bytes, { x: floatValue([], [1.0002]) });
    const [outputs] = await candidateOutputs(own, [planOf(own, 0, "overflow")]);
    expect(Buffer.from(outputs!.get("out")!.data).readFloatLE()).toBeCloseTo(Math.tanh(-1), 3);
  });
});

describe("operators that draw random numbers", () => {
  const random: Readonly<Record<string, { nodes: Uint8Array[]; more?: Uint8Array[] }>> = {
    "RandomNormalLike of a computed tensor": { nodes: [node("RandomNormalLike", ["h"], ["noise"])] },
    "RandomUniformLike of a computed tensor": { nodes: [node("RandomUniformLike", ["h"], ["noise"])] },
    RandomNormal: { nodes: [node("RandomNormal", [], ["noise"], { shape: face })] },
    "Bernoulli of a computed tensor": { nodes: [node("Sigmoid", ["h"], ["p"]), node("Bernoulli", ["p"], ["noise"])] },
    "Dropout in training mode": {
      nodes: [node("Dropout", ["h", "ratio", "yes"], ["noise", "mask"])],
      more: [floats("ratio", [], [0.5]), bools("yes", [], [true])],
    },
    "Multinomial of a computed tensor": {
      nodes: [node("Multinomial", ["h"], ["drawn"], { sample_size: 3 }), node("Cast", ["drawn"], ["noise"], { to: 1 })],
    },
  };
  it.each(Object.entries(random))(
    "share their values between both sides, or the result says that it is void: %s",
    async (_, { nodes, more }) => {
      const bytes = model({
        inputs: [float("x", face)],
        outputs: [float("out", face)],
        nodes: [node("MatMul", ["x", "w"], ["h"]), ...nodes, node("Add", ["h", "noise"], ["s"]), node("Tanh", ["s"], ["out"])],
        initializers: [floats("w", [3, 3], noise(9, 141)), ...(more ?? [])],
      });
      const own = await opened(bytes, { x });
      const result = await measured(own, planOf(own, 0, "overflow"), "accumulated");
      const stats = result.tensors.find((t) => t.tensor === "s")?.stats;
      const said = JSON.stringify({ notSupported: result.notSupported, ...("warnings" in result ? { warnings: result.warnings } : {}) });
      if (stats === undefined || stats.maxAbs > 0.01) expect(said).toMatch(/random/i);
      else expect(stats.maxAbs).toBeGreaterThan(0);
    },
  );
});
