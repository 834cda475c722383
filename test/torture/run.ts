/** Hand-made models run, measured and compared with their twins. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { measure, prepareSubject, type Subject } from "@halfscope/analysis";
import {
  type Layer,
  type MeasureMode,
  type Measurements,
  mergeStats,
  type PrecisionPlan,
  silentProgress,
  type TensorValue,
} from "@halfscope/core";
import { type Feed, inferTypes, OrtSession, OutputEngine, shapesOfFeed } from "@halfscope/engine";
import { listLayers, type Node, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { allHalf, halfNodes, isRootRounded, movedInputs, type RestoredSites, restoreSites, switchesFromPlan } from "@halfscope/precision";
import { applyPlan } from "halfscope";
import type { Outputs } from "../support/bench.js";
import { seeded } from "../support/model-file.js";
import type { Torture, Twin } from "./torture.js";

const threads = 1;
export const feedOf = (feed: Torture["feed"]): Feed => ({ tensors: new Map(Object.entries(feed ?? {})), origins: new Map() });

/** The file's outputs as ONNX Runtime alone computes them. */
export async function untouched(path: string, feed: Feed): Promise<Outputs> {
  const options = { threads, optimization: "disabled", prepacking: false, switchCount: 0, slotCount: 0 } as const;
  using session = await OrtSession.create({ model: readFileSync(path), folder: dirname(path), ...options });
  for (const [name, value] of feed.tensors) session.setFeed(name, value as TensorValue);
  return (await session.run({ fetch: session.outputs.map((o) => o.name) })).outputs;
}

export interface Opened {
  subject: Subject;
  feed: Feed;
}
export async function open(path: string, feed: Feed, layersOf?: (layers: readonly Layer[]) => readonly Layer[]): Promise<Opened> {
  const model = unfoldModel(await readModel(path));
  const view = viewGraph(model.graph);
  const layers = listLayers(model, view);
  const subject = await prepareSubject(model, feed, { threads }, { view, layers: layersOf?.(layers) ?? layers });
  return { subject, feed };
}

export const measured = ({ subject, feed }: Opened, plan: PrecisionPlan, mode: MeasureMode): Promise<Measurements> =>
  measure(subject, feed, { mode, plan, progress: silentProgress });

const names = ({ subject }: Opened): string[] => subject.view.graph.outputs.map((v) => v.name);

export async function referenceOutputs(o: Opened): Promise<Outputs> {
  using engine = await OutputEngine.reference(o.subject, { threads });
  engine.setFeed(o.feed);
  return (await engine.outputsOf({ fetch: names(o) })).outputs;
}

/** Outputs of the candidate under each of several plans. */
export async function candidateOutputs(o: Opened, plans: readonly PrecisionPlan[]): Promise<Outputs[]> {
  const { roundings } = o.subject;
  using engine = await OutputEngine.candidate({ ...o.subject, placements: roundings.placements }, { threads });
  engine.setFeed(o.feed);
  const all: Outputs[] = [];
  for (const plan of plans) all.push((await engine.outputsOf({ switches: switchesFromPlan(plan, roundings), fetch: names(o) })).outputs);
  return all;
}

export interface Applied {
  sites: RestoredSites;
  /** Of the file as ONNX Runtime takes it: that it loads and runs at all. */
  loaded: Outputs;
  /** Of the file with every FP16 tensor emulated. */
  emulated: Outputs;
}
/** Writes the mixed model of a plan, loads it as it stands, reads its sites and emulates it. */
export async function applied(o: Opened, plan: PrecisionPlan, path: string): Promise<Applied> {
  await applyPlan(o.subject, plan, path, { progress: silentProgress });
  const loaded = await untouched(path, o.feed);
  const model = unfoldModel(await readModel(path));
  const view = viewGraph(model.graph);
  const feedShapes = shapesOfFeed(o.feed);
  const types = await inferTypes(model, view, feedShapes);
  const isMover = (node: Node) => movedInputs(node) !== undefined;
  using engine = await OutputEngine.restored({ model, view, types, feedShapes, isMover }, { threads });
  engine.setFeed(o.feed);
  return { sites: restoreSites(view, types), loaded, emulated: (await engine.outputsOf({ fetch: names(o) })).outputs };
}

/** A plan that pins about this share of the layers. */
export function planOf({ subject }: Opened, share: number, constants: PrecisionPlan["constants"], seed = 1): PrecisionPlan {
  const random = seeded(seed);
  const pins = subject.layers.filter(() => random() < share).map((l) => ({ layer: l.id, reason: "random" }));
  return { ...allHalf(subject.model.digest, constants), pins };
}

/** Tensors of the twin that a tensor of the torture model corresponds to. */
export const twinsOf = (twin: Twin, tensor: string): readonly string[] => twin.of[tensor] ?? [tensor];

/**
 * The twin, with the layers that the torture model has: one copy per round, `LAYER@ROUND`; what stands for borders (a scan output's Concat) has layers of its
 * own. Only so do isolated errors and pins mean the same in both.
 */
export async function openTwin(path: string, { subject, feed }: Opened, twin: Twin): Promise<Opened> {
  const layerOfTensor = new Map<string, string>();
  for (const [tensor, node] of subject.view.producer)
    twinsOf(twin, tensor).forEach((t, k) => {
      layerOfTensor.set(t, `${subject.layerOf.get(node.index)}@${k}`);
    });
  const flat = viewGraph((await readModel(path)).graph);
  return open(path, feed, () => {
    const byId = new Map<string, Node[]>();
    for (const n of flat.nodes) {
      const output = n.outputs.find((t) => t !== "") ?? "";
      const id = layerOfTensor.get(output) ?? `border ${output}`;
      byId.set(id, [...(byId.get(id) ?? []), n]);
    }
    return [...byId].map(([id, nodes]) => ({
      id,
      kind: "operator",
      blockPath: "",
      title: id,
      nodes: nodes.map((n) => n.index),
      operators: nodes.map((n) => n.opType),
      inputs: [],
      outputs: nodes.flatMap((n) => n.outputs),
      weights: [],
    }));
  });
}

export interface Statistics {
  tensor: string;
  found: unknown;
  expected: unknown;
}
/**
 * Measurements of the torture model beside those of its twin, rounds merged. A tensor that some reader wants rounded is rounded where it comes into being only
 * when all its readers want that; an unrolled loop has other readers than a loop. So only those tensors are given whose own rounding is the same in both:
 * with nothing pinned, all that are computed.
 */
export function besideTwin(
  own: Opened,
  flat: Opened,
  plans: readonly [PrecisionPlan, PrecisionPlan],
  found: Measurements,
  expected: Measurements,
  twin: Twin,
): Statistics[] {
  const [rounded, roundedInTwin] = [roundedRoots(own, plans[0]), roundedRoots(flat, plans[1])];
  const stats = (m: Measurements) => new Map(m.tensors.map((t) => [t.tensor, t.stats]));
  const [mine, theirs] = [stats(found), stats(expected)];
  return [...own.subject.view.producer.keys()].flatMap((tensor) => {
    const twins = twinsOf(twin, tensor);
    const flags = new Set([...(rounded.get(tensor) ?? []), ...twins.flatMap((t) => [...(roundedInTwin.get(t) ?? [])])]);
    if (twins.length > 0 && flags.size > 1) return [];
    const merged = twins.flatMap((t) => theirs.get(t) ?? []);
    return [{ tensor, found: mine.get(tensor), expected: merged.length === 0 ? undefined : merged.reduce(mergeStats) }];
  });
}

/** Whether the values that a tensor can hold are rounded where they come into being. */
function roundedRoots({ subject }: Opened, plan: PrecisionPlan): Map<string, ReadonlySet<boolean>> {
  const { floats } = subject.roundings;
  const half = halfNodes(plan, floats);
  return new Map([...floats.rootsOf].map(([tensor, roots]) => [tensor, new Set(roots.map((r) => isRootRounded(r, half)))]));
}
