import { elementCount, type TensorTypes } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import { type FloatGraph, movedInputs, type Root, readsShapeOnly } from "@halfscope/precision";

/**
 * Floating-point operations that take as long as one byte: what keeps a product in FP32 on a GPU is TF32 on tensor cores. NVIDIA's data sheet of the H200 says
 * 494e12 dense TF32 operations and 4.8e12 bytes a second, 103 in all; the A100's says 156e12 and 2.0e12, 78.
 */
export const operationsPerByte = 100;
/** Where the price of an operation comes from, for results. */
export const costSource = `bytes moved in FP32 plus one byte for ${operationsPerByte} operations of products (NVIDIA H200, TF32 on tensor cores: 494e12 operations and 4.8e12 bytes a second); a Cast reads and writes its tensor`;

/** Bytes that one element costs a Cast: two on the half side, four on the FP32 side. */
const castBytesPerElement = 6;

/** What a layer does when it runs in FP32. */
export interface LayerCost {
  operations: number;
  bytes: number;
  /** Float tensors whose sizes nobody knows: they are not in the sums. */
  unknown: number;
}

/** What keeping a set of layers in FP32 costs. */
export interface PinCost {
  operations: number;
  bytes: number;
  /** Casts at the borders of the pinned regions beyond those of a model without pins (negative where pins save some), and what they move. */
  casts: number;
  castBytes: number;
  /** Work of the layers over the work of all: 0 for none, 1 for all. Without the Casts. */
  fp32Share: number;
  /** What the Casts move over the work of all layers. */
  castShare: number;
}

/** Work of each layer: what its nodes compute and move. Products count operations, everything counts the tensors it reads and writes. */
export function costsByLayer(floats: FloatGraph, types: TensorTypes): ReadonlyMap<string, LayerCost> {
  const costs = new Map<string, LayerCost>();
  const isFloat = (t: string) => types.get(t)?.dtype === "float32";
  for (const node of floats.view.order) {
    const layer = floats.layerOf.get(node.index);
    if (layer === undefined || ![...node.inputs, ...node.outputs].some(isFloat) || readsShapeOnly(node)) continue;
    const size = (t: string) => (isFloat(t) ? (sizeOf(t, types) ?? 0) : 0);
    const gather = node.opType === "Gather" || movedInputs(node) !== undefined;
    const outputs = node.outputs.reduce((n, t) => n + size(t), 0);
    const bytes = 4 * (gather ? 2 * outputs : outputs + node.inputs.reduce((n, t) => n + size(t), 0));
    const unknown = [...(gather ? [] : node.inputs), ...node.outputs].filter((t) => isFloat(t) && sizeOf(t, types) === undefined).length;
    const before = costs.get(layer) ?? { operations: 0, bytes: 0, unknown: 0 };
    costs.set(layer, {
      operations: before.operations + operationsOf(node, types, outputs),
      bytes: before.bytes + bytes,
      unknown: before.unknown + unknown,
    });
  }
  return costs;
}

/** Work as one number, in bytes moved: a rough roofline, good enough to prefer cheap pins, not to predict latency. */
export const workOf = (c: LayerCost): number => c.bytes + c.operations / operationsPerByte;

/** Work of each layer in bytes; what is not known counts as nothing. */
export const workByLayer = (floats: FloatGraph, types: TensorTypes): ReadonlyMap<string, number> =>
  new Map([...costsByLayer(floats, types)].map(([layer, c]) => [layer, workOf(c)]));

/** Number of elements; undefined when a size is not known. */
function sizeOf(t: string, types: TensorTypes): number | undefined {
  const dims = types.get(t)?.dims;
  return dims?.every((d) => d !== undefined) ? elementCount(dims) : undefined;
}
const dimsOf = (t: string | undefined, types: TensorTypes): readonly number[] => (types.get(t ?? "")?.dims ?? []).map((d) => d ?? 1);

function operationsOf(node: Node, types: TensorTypes, outputs: number): number {
  if (node.opType === "MatMul" || node.opType === "FusedMatMul") return 2 * outputs * (dimsOf(node.inputs[0], types).at(-1) ?? 1);
  if (node.opType === "Gemm")
    return 2 * outputs * (dimsOf(node.inputs[0], types).at(node.attributes.get("transA")?.int === 1 ? 0 : -1) ?? 1);
  if (node.opType === "Conv") return 2 * outputs * elementCount(dimsOf(node.inputs[1], types).slice(1));
  return 0;
}

/** Share of the work of all layers that the given ones make up. */
export function shareOf(layers: Iterable<string>, work: ReadonlyMap<string, number>): number {
  const total = [...work.values()].reduce((a, b) => a + b, 0);
  let part = 0;
  for (const l of new Set(layers)) part += work.get(l) ?? 0;
  return total === 0 ? 0 : part / total;
}

/** One tensor that may need Casts: who writes it and who reads it. */
interface Crossing {
  /** Layer of the node that computes it; undefined where it comes in FP32 whatever is pinned. */
  producer: string | undefined;
  /** Layers that read it, undefined for readers that stay in FP32; by the tensor that they read (movers may stand between). */
  readers: ReadonlyMap<string, readonly (string | undefined)[]>;
  bytes: number;
}

/**
 * Prices of sets of pins. Casts are counted as `realisePlan` sets them: one per tensor and direction. Engines fuse some of them into their neighbours, so their
 * price is an upper end.
 */
export class PinCosts {
  readonly layers: ReadonlyMap<string, LayerCost>;
  readonly work: ReadonlyMap<string, number>;
  /** Work of all layers, in bytes. */
  readonly total: number;
  private readonly crossings: readonly Crossing[];
  private readonly byLayer = new Map<string, Crossing[]>();
  private readonly plain: { casts: number; bytes: number };

  constructor(floats: FloatGraph, types: TensorTypes) {
    this.layers = costsByLayer(floats, types);
    this.work = new Map([...this.layers].map(([layer, c]) => [layer, workOf(c)]));
    this.total = [...this.work.values()].reduce((a, b) => a + b, 0);
    this.crossings = [...floats.roots.values()].flatMap((root) => crossingOf(root, floats, types) ?? []);
    for (const c of this.crossings)
      for (const layer of new Set([c.producer, ...[...c.readers.values()].flat()]))
        if (layer !== undefined) this.byLayer.set(layer, [...(this.byLayer.get(layer) ?? []), c]);
    this.plain = sumCasts(this.crossings, () => false);
  }

  /** Layers with tensors of unknown size: what they cost is at least what is counted. */
  get unknownLayers(): readonly string[] {
    return [...this.layers].filter(([, c]) => c.unknown > 0).map(([layer]) => layer);
  }

  of(pins: Iterable<string>): PinCost {
    const pinned = new Set(pins);
    let [operations, bytes] = [0, 0];
    for (const l of pinned) {
      const c = this.layers.get(l);
      operations += c?.operations ?? 0;
      bytes += c?.bytes ?? 0;
    }
    const { casts, bytes: cast } = sumCasts(this.crossings, (l) => pinned.has(l));
    const castBytes = cast - this.plain.bytes;
    const ofAll = (x: number) => (this.total === 0 ? 0 : x / this.total);
    return {
      operations,
      bytes,
      casts: casts - this.plain.casts,
      castBytes,
      fp32Share: shareOf(pinned, this.work),
      castShare: ofAll(castBytes),
    };
  }

  /** Bytes that pinning `added` beside what is pinned already costs: work and Casts. May be negative where Casts vanish. */
  added(added: readonly string[], isPinned: (layer: string) => boolean): number {
    const more = new Set(added);
    const touched = new Set(added.flatMap((l) => this.byLayer.get(l) ?? []));
    const work = added.reduce((n, l) => n + (this.work.get(l) ?? 0), 0);
    return work + sumCasts(touched, (l) => more.has(l) || isPinned(l)).bytes - sumCasts(touched, isPinned).bytes;
  }
}

function crossingOf(root: Root, floats: FloatGraph, types: TensorTypes): Crossing | undefined {
  // Weights are stored in the type that their readers want.
  if (root.kind === "weight") return undefined;
  const size = sizeOf(root.tensor, types);
  const readers = new Map<string, (string | undefined)[]>();
  const add = (tensor: string, layer: string | undefined) => readers.set(tensor, [...(readers.get(tensor) ?? []), layer]);
  for (const e of root.edges) add(e.tensor, e.fixed ? undefined : floats.layerOf.get(e.node.index));
  if (root.reachesOutput) add("", undefined);
  const producer = root.producer === undefined || root.fixed ? undefined : floats.layerOf.get(root.producer.index);
  return { producer, readers, bytes: castBytesPerElement * (size ?? 0) };
}

function sumCasts(crossings: Iterable<Crossing>, isPinned: (layer: string) => boolean): { casts: number; bytes: number } {
  let [casts, bytes] = [0, 0];
  for (const c of crossings) {
    const full = (layer: string | undefined) => layer === undefined || isPinned(layer);
    const lists = [...c.readers.values()];
    // From FP16 up: one Cast per tensor that somebody reads in FP32; down: one for all that read it in FP16.
    const count = full(c.producer) ? Number(lists.some((l) => !l.every(full))) : lists.filter((l) => l.some(full)).length;
    casts += count;
    bytes += count * c.bytes;
  }
  return { casts, bytes };
}
