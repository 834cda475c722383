import type { DeviceResult, EngineRecord } from "@halfscope/core";
import { exampleDevice, minimalDevice } from "@halfscope/report";
import { describe, expect, it } from "vitest";
import { describeDevice } from "./describe-device.js";

const pins = ["encoder/layer.3/attention/output/LayerNorm", "encoder/layer.5/output/dense", "encoder/layer.7/output/dense"];
const on = (more: Partial<DeviceResult> = {}, story: "agrees" | "refuted" = "agrees"): DeviceResult => ({
  ...exampleDevice({ pins, story }),
  ...more,
});
const changed = (device: DeviceResult, role: string, change: (e: EngineRecord) => Partial<EngineRecord>): DeviceResult => ({
  ...device,
  engines: device.engines.map((e) => (e.role === role && e.marked === 0 ? { ...e, ...change(e) } : e)),
});
const oneLine = (text: string) => text.replace(/\s+/g, " ");

describe("an engine at a terminal", () => {
  it("tells the latency, what guides advise, and what is in the library's log, by kind", () => {
    const text = oneLine(describeDevice(on(), 0.01));
    expect(text).toContain("A request takes 1.24 ms (median): 1.6 % slower than with every layer in FP16");
    expect(text).toContain("Guides to FP16 advise to keep normalizations, Softmaxes and embeddings in FP32.");
    expect(text).toContain(
      "In the log of TensorRT, by kind: normalization in FP16 may overflow (1), weights that are subnormal in FP16 (1), types that were narrowed (1); 1 line of chatter.",
    );
    expect(text).toContain("Hazard that it names: normalization in single nodes in bert/encoder/layer.8/output/LayerNorm.");
    for (const line of describeDevice(on(), 0.01).split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  });

  it("has a column of fused attentions where there are any, and names what takes them apart", () => {
    expect(describeDevice(on(), 0.01)).not.toContain("attentions");
    const some = changed(
      changed(on(), "all-half", () => ({ fusedAttentions: 24 })),
      "recommended",
      () => ({ fusedAttentions: 23 }),
    );
    const text = describeDevice(some, 0.01);
    expect(text).toMatch(/all FP16, strongly typed +0 .* 24 +0\.00301 +within/);
    expect(oneLine(text)).toContain(
      "Recommended pins: 23 of 24 fused attentions are left; 1.24 ms against 1.22 ms with every layer in FP16.",
    );
  });

  it("has a row for an engine that could not be built, and the library's words", () => {
    const device = changed(on(), "guides", ({ role, title, typing, pins: own }) => ({
      ...{ role, title, typing, pins: own, failed: "could not be built: no kernel." },
    }));
    const bare = {
      ...device,
      engines: device.engines.map(({ error, outcome, ...e }) =>
        e.failed === undefined ? { ...e, ...(error !== undefined && { error }), ...(outcome && { outcome }) } : e,
      ),
    };
    const text = describeDevice(bare, 0.01);
    expect(text.match(/NOT BUILT/g)?.length).toBe(2);
    expect(text).toContain('"LayerNormalization in FP32" could not be built: no kernel.');
  });

  it("says where each pin ended, and what was moved is in FP32", () => {
    const text = oneLine(describeDevice(on({}, "refuted"), 0.01));
    expect(text).toContain(
      "Of the 3 pins, 1 is in FP32 on the engine, 1 is in FP32 in an engine layer with nodes that are not pinned, 1 is ignored, computed in FP16 all the same:",
    );
    expect(text).toContain("95 % of the engine's time is in layers that compute in FP16.");
    expect(text.indexOf("encoder/layer.5/output/dense")).toBeLessThan(text.indexOf("encoder/layer.7/output/dense"));
  });

  it("says of a pin that no kernel shows that nothing is known, and of its engine no time in FP16", () => {
    const evidence =
      'The engine does not say what 1 engine layer with its nodes computes in: "{ForeignNode[a...b]}" (Myelin, 310 nodes compiled as one).';
    const silent = changed(on(), "recommended", ({ halfTimeShare: _, ...e }) => ({
      proofs: e.proofs?.map((p) => ({ ...p, outcome: "unknown" as const, evidence })) ?? [],
      halfTimeShare: undefined as never,
    }));
    const text = oneLine(describeDevice(silent, 0.01));
    expect(text).toContain("Of the 3 pins, 3 are in an engine layer that does not say what it computes in: pin outcome evidence");
    expect(text).toContain(`${pins[0]} not known The engine does not say`);
    expect(text).not.toContain("time is in layers that compute in FP16");
  });

  it("tells of nodes on the CPU by count and name, and repeats no count that was read before", () => {
    const device = on({}, "refuted");
    expect(oneLine(describeDevice(device, 0.01))).toContain("37 nodes of 1,217 ran on the CPU: Gather (20), Shape (12), Pow (5).");
    const again = oneLine(describeDevice(device, 0.01, "Bad news: 37 nodes of 1,217\nran on the CPU, not on the GPU."));
    expect(again).toContain("On the CPU: Gather (20), Shape (12), Pow (5).");
    expect(again).not.toContain("1,217 ran on the CPU");
  });

  it("names outputs and tensors that some samples could not be compared in", () => {
    const reason = "the reference gives [100, 4], the candidate [97, 4] (in sample 2 of 2)";
    const some = { compared: 1, of: 2, reason };
    const device = changed(on(), "recommended", () => ({ notCompared: [{ output: "boxes", ...some }] }));
    const tensors = (device.tensors ?? []).map((t, i) => (i < 2 ? { ...t, coverage: some } : t));
    const text = oneLine(describeDevice({ ...device, tensors }, 0.01));
    expect(text).toContain(`NOT COMPARED: output "boxes" of "recommended, 3 pins, strongly typed" in 1 of 2 samples: ${reason}.`);
    expect(text).toContain(`Compared in some samples only: "${tensors[0]?.tensor}" and 1 more, because ${reason}.`);
    expect(describeDevice(on(), 0.01)).not.toMatch(/NOT COMPARED|some samples/);
    const many = Array.from({ length: 9 }, (_, i) => ({ output: `y${i}`, ...some }));
    const longer = describeDevice(
      changed(on(), "recommended", () => ({ notCompared: many })),
      0.01,
    );
    expect(longer.match(/NOT COMPARED/g)).toHaveLength(3);
    expect(longer).toContain("... and 6 more (see --json)");
  });

  it("gives no times of an engine whose FP16 is none", () => {
    const { environment } = minimalDevice();
    const text = describeDevice({ ...on({}, "refuted"), environment }, 0.01);
    expect(text).toContain("NOT REAL FP16");
    expect(text).not.toMatch(/A request takes|ran on the CPU/);
  });

  it("lets no name or message reach the terminal raw", () => {
    const device = exampleDevice({ pins: pins.map((p) => `\u001b[2J${p}`), story: "refuted", rename: (n) => `\u001b[31m${n}\u202e` });
    const failed = changed(device, "guides", () => ({ failed: "\u001b[2Jcould not" }));
    expect(describeDevice(failed, 0.01)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });
});
