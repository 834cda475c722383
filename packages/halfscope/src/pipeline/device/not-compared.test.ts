/** What engines leave uncompared in some samples: of the marked pair, and of the FP32 engine against the CPU. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { TensorValue } from "@halfscope/core";
import type { DeviceBackend, DeviceBuildRequest, DeviceEngine } from "@halfscope/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EmulatedBackend } from "../../../../../test/support/emulated-backend.js";
import { floats, node, temporaryFolder, writeModel } from "../../../../../test/support/model-file.js";
import { compareStep } from "../compare-step.js";
import { Workbench } from "../workbench.js";
import { markedStep } from "./marked-step.js";
import { predictTensors } from "./prediction.js";
import { referenceStep } from "./reference-step.js";
import { DeviceSession, openDevice } from "./session.js";

const folder = temporaryFolder();
const ramp = (n: number) => Array.from({ length: n }, (_, i) => (i % 7) / 3 - 1);
let bench: Workbench;
beforeAll(async () => {
  const path = writeModel(folder, {
    nodes: [
      node("MatMul", ["x", "w"], ["first"]),
      node("Tanh", ["first"], ["second"]),
      node("MatMul", ["second", "v"], ["third"]),
      node("Sigmoid", ["third"], ["y"]),
    ],
    inputs: [{ name: "x", dims: [3, 8] }],
    outputs: [{ name: "y", dims: [3, 2] }],
    initializers: [floats("w", [8, 8], ramp(64)), floats("v", [8, 2], ramp(16))],
  });
  bench = await Workbench.open(path, { like: "tensorrt", threads: 2, samples: 2 });
});
afterAll(() => bench?.[Symbol.dispose]());

/** Reasons by sample and tensor: what this engine does not compare there. */
type Left = readonly Readonly<Record<string, string | undefined>>[];

class LeavingOut extends EmulatedBackend {
  private sample = 0;
  constructor(private readonly left: Left) {
    super();
  }
  override async compare(...[reference, candidate, feed, tensors]: Parameters<DeviceBackend["compare"]>) {
    const left = this.left[this.sample++] ?? {};
    const found = await super.compare(reference, candidate, feed, tensors);
    for (const tensor of Object.keys(left)) found.stats.delete(tensor);
    // A reason may be missing: a library that says nothing of a tensor at all.
    return {
      ...found,
      notCompared: Object.entries(left).flatMap(([tensor, reason]) => (reason === undefined ? [] : [{ tensor, reason }])),
    };
  }
}

let runs = 0;
async function marked(left: Left) {
  const at = join(folder, `marked-${runs++}`);
  mkdirSync(at);
  await using device = await openDevice({ engine: "tensorrt", open: async () => new LeavingOut(left) });
  const found = async () => {
    await using s = await DeviceSession.open(bench, device, { folder: at, tolerance: 1e-2 });
    return await markedStep(s, await predictTensors(bench, await compareStep(bench)));
  };
  const first = await found();
  // What the journal has tells the same.
  expect((await found()).tensors).toEqual(first.tensors);
  return first;
}

describe("a tensor of the marked pair that is not compared in every sample", () => {
  it.each([0, 1])("is told with its statistics and listed once, where sample %i is missing", async (missing) => {
    const reason = "the reference has shape [3, 8], the candidate [2, 8]";
    const { tensors, notObserved } = await marked([0, 1].map((i) => (i === missing ? { second: reason } : {})));
    const second = tensors.find((t) => t.tensor === "second");
    expect(second?.coverage).toEqual({ compared: 1, of: 2, reason: `${reason} (in sample ${missing + 1} of 2)` });
    expect(second?.measured.count).toBe(24);
    expect(tensors.find((t) => t.tensor === "first")).toMatchObject({ measured: { count: 48 } });
    expect(tensors.filter((t) => t.coverage !== undefined)).toHaveLength(1);
    expect(notObserved.map((n) => n.tensor)).not.toContain("second");
  });

  it("is not observed where it was compared in none, for whatever reasons", async () => {
    const { tensors, notObserved } = await marked([
      { first: "sizes", second: undefined },
      { first: "no floats", second: undefined },
    ]);
    expect(tensors.map((t) => t.tensor)).toEqual(["third", "y"]);
    expect(notObserved.filter((n) => n.tensor === "first" || n.tensor === "second")).toEqual([
      { tensor: "first", reason: "sizes (in sample 1 of 2); no floats (in sample 2 of 2)" },
      { tensor: "second", reason: "the engine gave no figures of it" },
    ]);
  });
});

/** Of which the FP32 engine's output is `dims` in the samples from `from` on. */
class Reshaping extends EmulatedBackend {
  constructor(
    private readonly dims: readonly number[] | undefined,
    private readonly from: number,
  ) {
    super();
  }
  override async build(request: DeviceBuildRequest): Promise<DeviceEngine> {
    const engine = await super.build(request);
    const run = engine.run.bind(engine);
    let sample = 0;
    engine.run = async (...of) => {
      const outputs = await run(...of);
      const y = outputs.get("y") as TensorValue;
      if (sample++ < this.from) return outputs;
      if (this.dims === undefined) outputs.delete("y");
      else outputs.set("y", { ...y, dims: this.dims, data: y.data.slice(0, 4 * this.dims.reduce((a, b) => a * b, 1)) });
      return outputs;
    };
    return engine;
  }
}

async function reference(dims: readonly number[] | undefined, from: number) {
  const at = join(folder, `reference-${runs++}`);
  mkdirSync(at);
  await using device = await openDevice({ engine: "tensorrt", open: async () => new Reshaping(dims, from) });
  const found = async () => {
    await using s = await DeviceSession.open(bench, device, { folder: at, tolerance: 1e-2 });
    return { record: await referenceStep(s), warnings: s.warnings.join("\n") };
  };
  const first = await found();
  expect(await found(), "the journal warns too").toEqual(first);
  return first;
}

describe("the FP32 engine against the CPU", () => {
  it("passes where it gives the same", async () => {
    const { record, warnings } = await reference([3, 2], 0);
    expect([record.notCompared, warnings]).toEqual([undefined, ""]);
  });

  it.each([
    ["fewer rows", [2, 2], "[2, 2]"],
    ["as many bytes in another shape", [2, 3], "[2, 3]"],
  ] as const)("is warned of with both shapes where it gives %s", async (_, dims, shown) => {
    const { record, warnings } = await reference(dims, 0);
    const reason = `ONNX Runtime on the CPU gives [3, 2], the engine ${shown}`;
    expect(record.notCompared).toEqual([{ output: "y", compared: 0, of: 2, reason }]);
    expect(warnings).toContain(
      `Output "y" of the FP32 engine of TensorRT 10.6.0 cannot be held against ONNX Runtime's FP32 on the CPU: ${reason}.`,
    );
  });

  it("is warned of where one sample only has another size", async () => {
    const { record, warnings } = await reference([1, 2], 1);
    expect(record.notCompared).toMatchObject([{ compared: 1, of: 2 }]);
    expect(record.outputs?.y?.count).toBe(6);
    expect(warnings).toContain("the engine [1, 2] (in sample 2 of 2)");
  });
});
