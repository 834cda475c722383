/** Faults planted in small BERTs are found by measuring alone, and healthy ones raise no alarm. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { layersFromSites } from "@halfscope/analysis";
import { type EngineName, engineNames } from "@halfscope/core";
import { compareStep, recommendStep, sweepStep, Workbench } from "halfscope";
import { describe, expect, it } from "vitest";
import { type BertOptions, makeBert } from "../../scripts/make-bert/make-bert.js";
import { temporaryFolder } from "../support/model-file.js";

const folder = temporaryFolder();
let count = 0;
const open = async (options: Partial<BertOptions>, samples = 1, like: EngineName = "pytorch"): Promise<Workbench> => {
  const path = join(folder, `${count++}.onnx`);
  await makeBert({ path, layers: 2, hidden: 64, heads: 4, vocab: 500, maxPosition: 64, ...options });
  return Workbench.open(path, { samples, threads: 2, like });
};
/** What the maker wrote beside the model; the tool never reads it. */
const plantedTensors = (bench: Workbench): readonly string[] => {
  const { faults } = JSON.parse(readFileSync(join(dirname(bench.model.path), "planted.json"), "utf8")) as {
    faults: { tensors: string[] }[];
  };
  return faults.flatMap((f) => f.tensors);
};

describe("a planted fault", () => {
  it("of the mask constant is the first origin, as a constant that overflows", async () => {
    using bench = await open({ faults: [{ kind: "mask-constant" }] });
    const { origins, accumulated, hazards } = await compareStep(bench);
    expect(Object.values(accumulated.outputs).every((s) => s.nanCandidate > 0)).toBe(true);
    const [first] = origins;
    expect(first?.kind).toBe("constant-overflow");
    // The origin is the constant; it names the product that reads it, which is what was planted.
    const readers = (bench.view.consumers.get(first!.tensor) ?? []).flatMap((u) => u.node.outputs);
    expect([first!.tensor, ...readers]).toEqual(expect.arrayContaining([...plantedTensors(bench)]));
    expect(hazards).toContainEqual(expect.objectContaining({ code: "mask-constant", severity: "error", tensor: first!.tensor }));
  });

  it.each([400, 1000])("of squares that overflow at strength %d is a silent origin: finite, wrong, and no NaN", async (strength) => {
    using bench = await open({ faults: [{ kind: "square-overflow", strength, layer: 1 }] });
    const { origins, accumulated, hazards } = await compareStep(bench);
    expect(Object.values(accumulated.outputs).every((s) => s.nanCandidate === 0 && s.infCandidate === 0)).toBe(true);
    expect(origins[0]).toMatchObject({ kind: "silent-overflow" });
    expect(plantedTensors(bench)).toContain(origins[0]?.tensor);
    expect(hazards).toContainEqual(
      expect.objectContaining({ code: "decomposed-layer-norm", severity: "error", tensor: origins[0]!.tensor }),
    );
  });

  it("of an FFN that overflows is an origin whose layer is pinned, and then the outputs are finite", async () => {
    using bench = await open({ faults: [{ kind: "ffn-overflow" }] });
    const { origins, basePins } = await compareStep(bench);
    expect(origins[0]).toMatchObject({ kind: "overflow" });
    expect(plantedTensors(bench)).toContain(origins[0]?.tensor);
    expect(basePins.map((p) => p.layer)).toContain(origins[0]!.layer);
    const sensitivity = await sweepStep(bench, basePins);
    expect(Number.isFinite(sensitivity.measuredError)).toBe(true);
  });

  it("of a noisy layer is first in the sweep, and pinning what the search finds mends it", { timeout: 120_000 }, async () => {
    using bench = await open({ faults: [{ kind: "noisy-layer" }], layers: 3 }, 2);
    const { isolated, origins, basePins } = await compareStep(bench);
    expect(origins).toEqual([]);
    const sensitivity = await sweepStep(bench, basePins);
    const guilty = bench.layers.find((l) => l.nodes.some((n) => plantedTensors(bench).includes(bench.view.graph.nodes[n]!.outputs[0]!)))!;
    expect(sensitivity.layers[0]?.layer).toBe(guilty.id);
    expect(layersFromSites(sensitivity.sites)).toEqual(sensitivity.layers);
    expect(isolated.tensors.toSorted((a, b) => b.stats.maxAbs - a.stats.maxAbs)[0]?.layer).toBe(guilty.id);
    const { recommendation } = await recommendStep(bench, sensitivity, basePins, sensitivity.measuredError / 3);
    expect(recommendation.outcome).toBe("pins-found");
    expect(recommendation.pins.map((p) => p.layer)).toContain(guilty.id);
    expect(recommendation.measuredError).toBeLessThanOrEqual(sensitivity.measuredError / 3);
  });
});

describe.each(engineNames)("under --like %s, the planted fault", (like) => {
  it("of the mask constant is named: as an origin where a cast makes it infinite, as a hazard everywhere", async () => {
    using bench = await open({ faults: [{ kind: "mask-constant" }] }, 1, like);
    const { origins, hazards } = await compareStep(bench);
    expect(hazards).toContainEqual(expect.objectContaining({ code: "mask-constant", severity: "error" }));
    expect(origins[0]?.kind).toBe(bench.profile.constants === "overflow" ? "constant-overflow" : undefined);
  });

  it.each([
    ["square-overflow", "silent-overflow"],
    ["ffn-overflow", "overflow"],
  ] as const)("%s is the first origin", async (kind, found) => {
    using bench = await open({ faults: [{ kind }] }, 1, like);
    const [first] = (await compareStep(bench)).origins;
    expect(first?.kind).toBe(found);
    expect(plantedTensors(bench)).toContain(first?.tensor);
  });

  it("of a noisy layer is first in the sweep", { timeout: 120_000 }, async () => {
    using bench = await open({ faults: [{ kind: "noisy-layer" }], layers: 3 }, 1, like);
    const { basePins } = await compareStep(bench);
    const sensitivity = await sweepStep(bench, basePins);
    const guilty = bench.layers.find((l) => l.nodes.some((n) => plantedTensors(bench).includes(bench.view.graph.nodes[n]!.outputs[0]!)))!;
    expect(sensitivity.layers[0]?.layer).toBe(guilty.id);
  });
});

describe("healthy BERTs of 20 seeds", () => {
  it("have no origin, and need no pins at a tolerance of 1e-2", { timeout: 240_000 }, async () => {
    const alarms: string[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      using bench = await open({ seed, style: seed % 2 === 0 ? "decomposed" : "layernorm" }, 2);
      const { origins, basePins } = await compareStep(bench);
      const sensitivity = await sweepStep(bench, basePins);
      const { recommendation } = await recommendStep(bench, sensitivity, basePins, 1e-2);
      if (origins.length > 0) alarms.push(`seed ${seed}: ${origins.map((o) => `${o.kind} at ${o.tensor}`).join("; ")}`);
      if (recommendation.outcome !== "no-pins-needed" || recommendation.pins.length > 0)
        alarms.push(`seed ${seed}: ${recommendation.outcome}, error ${recommendation.measuredError}`);
    }
    expect(alarms).toEqual([]);
  });
});
