import { outputErrorFrom, type Segments } from "@halfscope/analysis";
import type { TensorValue } from "@halfscope/core";
import { type Cut, findCuts, isBehind, neededNodes, OutputEngine } from "@halfscope/engine";
import type { Workbench } from "./workbench.js";

/** Cuts per graph: a candidate costs (1 + 1/n) / 2 of a pass on average, and each cut a session to build. */
const cutCount = 16;
/** Below this, building sessions costs more than they save. */
const shortPassSeconds = 0.02;

/** Engines that start from the reference's values at narrow places of the graph; undefined where that does not pay. */
export async function openSegments(bench: Workbench): Promise<Segments | undefined> {
  const subject = await bench.subject();
  const feed = bench.feeds[0];
  const { outputs, barePassSeconds } = await bench.reference(feed);
  if (barePassSeconds < shortPassSeconds) return undefined;
  const cuts = findCuts(subject.view, subject.types, cutCount);
  if (cuts.length < 2) return undefined;
  const { placements } = subject.roundings;
  const needed = neededNodes(subject.view);
  const values = await valuesAt(bench, cuts);
  return {
    segmentOf: (indices) =>
      cuts.findLastIndex((cut) => indices.every((i) => placements[i] !== undefined && isBehind(cut, placements[i], subject.view, needed))),
    shareOf: (segment) => (cuts[segment]?.nodes.size ?? needed.size) / needed.size,
    open: async (segment) => {
      const cut = cuts[segment] as Cut;
      const engine = await OutputEngine.candidate({ ...subject, placements, cut }, { threads: bench.threads });
      engine.setFeed({ tensors: new Map([...feed.tensors, ...cut.tensors.map((t) => [t, values.get(t) as TensorValue] as const)]) });
      engine.setReference(outputs);
      return {
        evaluate: async (switches) => outputErrorFrom((await engine.evaluate({ switches, signal: bench.signal })).stats.values()),
        close: () => engine[Symbol.dispose](),
      };
    },
  };
}

async function valuesAt(bench: Workbench, cuts: readonly Cut[]): Promise<ReadonlyMap<string, TensorValue>> {
  const tensors = [...new Set(cuts.flatMap((c) => c.tensors))];
  using engine = await OutputEngine.reference(await bench.subject(), { threads: bench.threads }, tensors);
  engine.setFeed(bench.feeds[0]);
  return (await engine.outputsOf({ fetch: tensors, signal: bench.signal })).outputs;
}
