/** A candidate that starts from the reference's values at a cut gives what the whole graph gives. */
import { join } from "node:path";
import type { TensorValue } from "@halfscope/core";
import { findCuts, isBehind, neededNodes, OutputEngine } from "@halfscope/engine";
import { allHalf, switchesFromPlan } from "@halfscope/precision";
import { expect, it, type TestContext } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { sharedModel } from "../shared-models.js";
import { difference, openBench } from "../support/bench.js";
import { seeded, temporaryFolder } from "../support/model-file.js";
import { randomModel } from "../support/random-model.js";

const folder = temporaryFolder();

/** Several random sets of switches behind each cut. Gives how many sets were run behind a cut that is not the start. */
async function expectCutsHold(path: string, sets: number): Promise<number> {
  using bench = await openBench(path);
  const subject = await bench.subject();
  const { roundings, view, types } = subject;
  const { placements } = roundings;
  const feed = bench.feeds[0];
  const on = switchesFromPlan(allHalf(bench.model.digest, "finite"), roundings);
  const cuts = findCuts(view, types, 6);
  expect(cuts[0]).toMatchObject({ tensors: [] });
  const needed = neededNodes(view);
  const crossing = [...new Set(cuts.flatMap((c) => c.tensors))];
  using reference = await OutputEngine.reference(subject, { threads: 2 }, crossing);
  reference.setFeed(feed);
  const { outputs: values } = await reference.outputsOf({ fetch: crossing });
  using whole = await OutputEngine.candidate({ ...subject, placements }, { threads: 2 });
  whole.setFeed(feed);
  const random = seeded(11);
  let done = 0;
  for (const cut of cuts.slice(1)) {
    const behind = placements.flatMap((p, i) => (isBehind(cut, p, view, needed) && on[i] !== 0 ? [i] : []));
    if (behind.length === 0) continue;
    using segment = await OutputEngine.candidate({ ...subject, placements, cut }, { threads: 2 });
    segment.setFeed({ tensors: new Map([...feed.tensors, ...cut.tensors.map((t) => [t, values.get(t) as TensorValue] as const)]) });
    for (let k = 0; k < sets; k++) {
      const switches = new Uint8Array(placements.length);
      // One placement, then ever more of them.
      const chosen = k === 0 ? [behind[Math.floor(random() * behind.length)]!] : behind.filter(() => random() < k / sets);
      for (const i of chosen) switches[i] = on[i]!;
      const expected = (await whole.outputsOf({ switches })).outputs;
      expect(difference((await segment.outputsOf({ switches })).outputs, expected), `behind ${cut.tensors.join(", ")}`).toBeUndefined();
      done++;
    }
  }
  return done;
}

it("in a made BERT, whose layers are narrow places", async () => {
  const { path } = await makeBert({ path: join(folder, "bert.onnx"), layers: 4, hidden: 32, heads: 4, vocab: 99 });
  expect(await expectCutsHold(path, 4)).toBeGreaterThanOrEqual(12);
});

it("in random graphs", async () => {
  let done = 0;
  for (let seed = 1; seed <= 15; seed++) done += await expectCutsHold(randomModel(folder, seed, 40), 3);
  expect(done).toBeGreaterThan(50);
});

for (const name of ["yolox-nano-op11", "basic-pitch-op15", "mobilenetv3-dynamo"])
  it(`in ${name}`, async (context: TestContext) => {
    expect(await expectCutsHold(sharedModel(context, name, "model.onnx"), 2)).toBeGreaterThan(0);
  });
