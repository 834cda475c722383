/** Control flow and functions are measured as what they stand for: the branch that is taken, the unrolled loop, the inlined body. */
import { isExact } from "@halfscope/core";
import { allHalf, withPins } from "@halfscope/precision";
import { describe, expect, it } from "vitest";
import { difference } from "../support/bench.js";
import { temporaryFolder, writeModel } from "../support/model-file.js";
import { tortures } from "./models/index.js";
import {
  besideTwin,
  candidateOutputs,
  feedOf,
  measured,
  type Opened,
  open,
  openTwin,
  planOf,
  referenceOutputs,
  twinsOf,
  untouched,
} from "./run.js";
import type { Torture, Twin } from "./torture.js";

const folder = temporaryFolder();
const twins = tortures.flatMap(([what, t]) => (t.twin === undefined ? [] : [[what, t, t.twin] as const]));

async function openBoth(torture: Torture, twin: Twin): Promise<{ own: Opened; flat: Opened }> {
  const own = await open(writeModel(folder, torture.bytes), feedOf(torture.feed));
  return { own, flat: await openTwin(writeModel(folder, twin.bytes), own, twin) };
}

/** The same plan for the twin: a pin of a layer is a pin of each of its copies. */
function planForTwin(flat: Opened, plan: ReturnType<typeof planOf>): ReturnType<typeof planOf> {
  const pinned = new Set(plan.pins.map((p) => p.layer));
  return withPins(
    allHalf(plan.modelDigest, plan.constants),
    flat.subject.layers.map((l) => l.id).filter((id) => pinned.has(id.slice(0, id.lastIndexOf("@")))),
  );
}

describe.each(twins)("%s", (_, torture, twin) => {
  it("has the outputs of its twin, in ONNX Runtime alone and as reference", async () => {
    const { own, flat } = await openBoth(torture, twin);
    const expected = await untouched(flat.subject.model.path, flat.feed);
    const alone = await untouched(own.subject.model.path, own.feed).then(
      (outputs) => difference(outputs, expected),
      (error: Error) => error.message,
    );
    expect(alone === undefined, `${alone}`).toBe(torture.runtimeDiffers === undefined);
    expect(difference(await referenceOutputs(own), expected)).toBeUndefined();
    expect(difference(await referenceOutputs(flat), expected)).toBeUndefined();
  });

  it.each(torture.weightCrosses ? (["accumulated"] as const) : (["accumulated", "isolated"] as const))(
    "has the statistics of its twin, %s",
    async (mode) => {
      const { own, flat } = await openBoth(torture, twin);
      for (const share of [0, 0.3, 0.7, 1])
        for (const constants of ["overflow", "finite"] as const) {
          const plan = planOf(own, share, constants, 17);
          const [found, expected] = [await measured(own, plan, mode), await measured(flat, planForTwin(flat, plan), mode)];
          const pairs = besideTwin(own, flat, [plan, planForTwin(flat, plan)], found, expected, twin);
          for (const p of pairs) expect([p.tensor, p.found], `${share} pinned, ${constants}`).toEqual([p.tensor, p.expected]);
          const computed = own.subject.roundings.sites.filter((s) => s.kind === "activation").map((s) => s.tensor);
          if (share === 0) expect(pairs.map((p) => p.tensor)).toEqual(expect.arrayContaining(computed));
          if (share === 0 && mode === "accumulated") expect(found.tensors.some((t) => !isExact(t.stats))).toBe(true);
          if (share === 1) expect(found.tensors.filter((t) => !isExact(t.stats)).map((t) => t.tensor)).toEqual([]);
        }
    },
  );

  it("gives the outputs of its twin under any pins", async () => {
    const { own, flat } = await openBoth(torture, twin);
    const plans = [0, 0.2, 0.4, 0.6, 0.8, 1].flatMap((share, i) =>
      (["overflow", "finite"] as const).map((c) => planOf(own, share, c, 31 + i)),
    );
    const found = await candidateOutputs(own, plans);
    const expected = await candidateOutputs(
      flat,
      plans.map((p) => planForTwin(flat, p)),
    );
    plans.forEach((p, i) => {
      expect(difference(found[i]!, expected[i]!), `${p.pins.map((x) => x.layer).join(", ")} pinned, ${p.constants}`).toBeUndefined();
    });
  });

  it("feels the pin of each single layer as its twin does", async () => {
    const { own, flat } = await openBoth(torture, twin);
    const none = planOf(own, 0, "overflow");
    const plans = own.subject.layers.map((l) => withPins(none, [l.id]));
    const found = await candidateOutputs(own, [none, ...plans]);
    const expected = await candidateOutputs(
      flat,
      [none, ...plans].map((p) => planForTwin(flat, p)),
    );
    [none, ...plans].forEach((p, i) => {
      expect(difference(found[i]!, expected[i]!), p.pins[0]?.layer ?? "nothing pinned").toBeUndefined();
    });
  });

  it("counts every tensor once: compared, constant, not float, not executed or not supported", async () => {
    const { own } = await openBoth(torture, twin);
    const { view } = own.subject;
    const { coverage, tensors } = await measured(own, planOf(own, 0, "overflow"), "accumulated");
    const all = [...view.producer.keys(), ...view.initializers.keys()];
    expect(Object.values(coverage).reduce((n, c) => n + c, 0)).toBe(all.length);
    const notExecuted = [...view.producer.keys()].filter(
      (t) => twinsOf(twin, t).length === 0 && own.subject.types.get(t)?.dtype === "float32",
    );
    expect(coverage["not-executed"]).toBe(notExecuted.length);
    expect(tensors).toHaveLength(coverage.compared);
  });
});
