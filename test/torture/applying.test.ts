/** Mixed files of hand-made models: they load, mean what the plan means, and give the candidate's bits. */
import { join } from "node:path";
import { roundedUses, withPins } from "@halfscope/precision";
import { describe, expect, it } from "vitest";
import { difference } from "../support/bench.js";
import { temporaryFolder, writeModel } from "../support/model-file.js";
import { tortures } from "./models/index.js";
import { awaiting } from "./models/values.js";
import { applied, candidateOutputs, feedOf, measured, type Opened, open, planOf, referenceOutputs, untouched } from "./run.js";
import type { Torture } from "./torture.js";

const folder = temporaryFolder();
const running = tortures.filter(([, t]) => t.feed !== undefined && t.noFloats !== true && !Object.values<Torture>(awaiting).includes(t));
const runs = (o: Opened) =>
  [0, 0.3, 0.6, 1].flatMap((share, i) => (["finite", "overflow"] as const).map((constants) => planOf(o, share, constants, 50 + i)));

describe.each(running)("%s", (_, torture) => {
  const opened = () => open(writeModel(folder, torture.bytes), feedOf(torture.feed));

  it("runs as reference with the bits of the untouched file", async (context) => {
    if (torture.runtimeDiffers !== undefined) context.skip(`ONNX Runtime alone: ${torture.runtimeDiffers}`);
    const own = await opened();
    expect(difference(await referenceOutputs(own), await untouched(own.subject.model.path, own.feed))).toBeUndefined();
  });

  it.each(["accumulated", "isolated"] as const)("is measured, every tensor in exactly one way, %s", async (mode) => {
    const own = await opened();
    const { view } = own.subject;
    const { coverage, tensors } = await measured(own, planOf(own, 0, "overflow"), mode);
    expect(Object.values(coverage).reduce((n, c) => n + c, 0)).toBe(view.producer.size + view.initializers.size + (view.sparse?.size ?? 0));
    expect(tensors.length).toBeGreaterThan(0);
  });

  it("is written under random pins as a file that loads and is emulated with the bits of the candidate", async () => {
    const own = await opened();
    const plans = runs(own);
    const expected = await candidateOutputs(own, plans);
    for (const [i, plan] of plans.entries()) {
      const what = `${plan.pins.map((p) => p.layer).join(", ") || "nothing"} pinned, constants ${plan.constants}`;
      const file = await applied(own, plan, join(folder, `mixed-${i}.onnx`));
      expect([...file.sites.uses].sort(), what).toEqual([...roundedUses(plan, own.subject.roundings)].sort());
      expect(difference(file.emulated, expected[i]!), what).toBeUndefined();
    }
  });

  it("is the reference again when every layer is pinned, and no Cast is in the file", async () => {
    const own = await opened();
    const plan = withPins(
      planOf(own, 0, "finite"),
      own.subject.layers.map((l) => l.id),
    );
    const { sites, emulated, loaded } = await applied(own, plan, join(folder, "pinned.onnx"));
    const reference = await referenceOutputs(own);
    expect([sites.halfWeights, sites.uses.size]).toEqual([0, 0]);
    expect(difference(emulated, reference)).toBeUndefined();
    expect(difference(loaded, reference)).toBeUndefined();
  });
});
