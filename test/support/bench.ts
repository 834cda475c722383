/** Engines of one model side by side, for tests of what must hold between them. */

import type { ConstantPolicy, PrecisionPlan, TensorValue } from "@halfscope/core";
import { inferTypes, OutputEngine, shapesOfFeed } from "@halfscope/engine";
import { listLayers, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import {
  allHalf,
  keptFullBy,
  movedInputs,
  productSums,
  type RestoredSites,
  restoreSites,
  switchesFromPlan,
  withPins,
} from "@halfscope/precision";
import { applyPlan, Workbench, type WorkbenchOptions } from "halfscope";
import { seeded } from "./model-file.js";

export const openBench = (path: string, options: WorkbenchOptions = {}): Promise<Workbench> =>
  Workbench.open(path, { samples: 1, threads: 2, ...options });

/** All in the candidate's type, with about this share of the layers pinned. */
export function randomPlan(bench: Workbench, share: number, constants: ConstantPolicy, seed: number): PrecisionPlan {
  const random = seeded(seed);
  return withPins(
    allHalf(bench.model.digest, constants, bench.precision),
    bench.layers.map((l) => l.id).filter(() => random() < share),
  );
}

export type Outputs = ReadonlyMap<string, TensorValue>;
/** Outputs of the candidate engine under each of several plans; the engine is built once. */
export async function candidateOutputs(bench: Workbench, plans: readonly PrecisionPlan[], threads = bench.threads): Promise<Outputs[]> {
  const subject = await bench.subject();
  const { roundings } = subject;
  using engine = await OutputEngine.candidate({ ...subject, placements: roundings.placements }, { threads });
  engine.setFeed(bench.feeds[0]);
  const all: Outputs[] = [];
  for (const plan of plans) all.push((await engine.outputsOf({ switches: switchesFromPlan(plan, roundings) })).outputs);
  return all;
}

export interface Realised {
  path: string;
  sites: RestoredSites;
  outputs: Outputs;
}
/** Writes the mixed model of a plan and emulates the file as it stands. */
export async function realiseAndRun(bench: Workbench, plan: PrecisionPlan, path: string): Promise<Realised> {
  const subject = await bench.subject();
  await applyPlan(subject, plan, path, { progress: bench.progress });
  const model = unfoldModel(await readModel(path));
  const view = viewGraph(model.graph);
  const types = await inferTypes(model, view, shapesOfFeed(bench.feeds[0]));
  const isMover = (...of: Parameters<typeof movedInputs>) => movedInputs(...of) !== undefined;
  using engine = await OutputEngine.restored(
    {
      model,
      view,
      types,
      feedShapes: shapesOfFeed(bench.feeds[0]),
      isMover,
      sumsOf: productSums(bench.profile, { view, types }),
      keepsFull: keptFullBy(bench.profile, { view, types, layers: listLayers(model, view) }),
    },
    { threads: bench.threads },
  );
  engine.setFeed(bench.feeds[0]);
  return { path, sites: restoreSites(view, types), outputs: (await engine.outputsOf()).outputs };
}

/** The first difference between two sets of outputs, in words; undefined when all bits are equal. */
export function difference(a: Outputs, b: Outputs): string | undefined {
  if (a.size !== b.size) return `${a.size} outputs against ${b.size}`;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (other === undefined) return `${name} is missing`;
    const left = Buffer.from(value.data);
    const right = Buffer.from(other.data);
    if (left.equals(right)) continue;
    if (left.length !== right.length) return `${name}: ${left.length} bytes against ${right.length}`;
    for (let at = 0; at + 4 <= left.length; at += 4)
      if (left.readUInt32LE(at) !== right.readUInt32LE(at))
        return `${name}[${at / 4}]: ${left.readFloatLE(at)} against ${right.readFloatLE(at)}`;
  }
  return undefined;
}
