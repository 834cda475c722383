import { encodeNode } from "@halfscope/onnx";
import type { Values } from "./evaluate.js";
import { type Fix, type FixSubject, freshName } from "./fix.js";
import { computable, type NormKind, type NormPattern, probe, probeKinds, sameRows } from "./norm-pattern.js";
import { constantNode } from "./stored.js";

/** First opset with the operator, and its name. */
const fused: Readonly<Record<NormKind, { opset: number; operator: string }>> = {
  "layer-norm": { opset: 17, operator: "LayerNormalization" },
  "rms-norm": { opset: 23, operator: "RMSNormalization" },
};

/** Why the model's operator set rules the fused node out; undefined where it does not. */
export function opsetTooLow({ model }: FixSubject, kind: NormKind): string | undefined {
  const { operator, opset } = fused[kind];
  const has = model.opsets.get("") ?? 1;
  return has < opset ? `${operator} needs opset ${opset}, the model has ${has}: export it with a newer opset` : undefined;
}

/**
 * A normalization that is written as many nodes, as the one node that engines compute in FP32 inside: the square that FP16 cannot hold is then no tensor any more.
 * Its formula is computed on rows that tell formulas apart and held against the operator's; a text says where it is another one, or somebody reads what lies inside.
 */
export function fuseNorm(o: FixSubject, pattern: NormPattern): Fix | string {
  const { layer, output, epsilon, axes } = pattern;
  const { operator } = fused[pattern.kind];
  const producer = o.view.producer.get(output);
  if (producer === undefined) return "its result was not found";
  const affine = computable(() => findAffine(o, pattern));
  if (typeof affine === "string") return affine;
  const constants: Uint8Array[] = [];
  const named = (at: Affine | undefined, role: string): string[] => {
    if (at === undefined) return [];
    if (at.tensor !== undefined) return [at.tensor];
    const name = freshName(o, `${output}_${role}`);
    constants.push(constantNode(name, name, pattern.dims.slice(pattern.dims.length - axes), at.values));
    return [name];
  };
  const inputs = [pattern.input, ...named(affine.scale, "scale"), ...named(affine.bias, "bias")];
  const dropped = droppedNodes(o, pattern, inputs);
  if (typeof dropped === "string") return dropped;
  const node = encodeNode({
    name: freshName(o, `${producer.name || output}/${operator}`),
    opType: operator,
    inputs,
    outputs: [output],
    attributes: { axis: -axes, epsilon: { float: epsilon.value } },
  });
  return {
    id: `fuse-norm:${layer.id}`,
    kind: "fuse-norm",
    title: `${layer.id}: ${dropped.size} nodes to one ${operator} (epsilon ${Number(epsilon.value.toPrecision(3))})`,
    layers: [layer.id],
    edit: { nodes: new Map([...dropped].map((i) => [i, i === producer.index ? [...constants, node] : []] as const)) },
  };
}

/** Indices of the nodes that the fused one replaces: all but those that make its own inputs. */
function droppedNodes({ view }: FixSubject, { nodes, output }: NormPattern, inputs: readonly string[]): Set<number> | string {
  const kept = new Set<number>();
  const pending = [...inputs];
  for (let tensor = pending.pop(); tensor !== undefined; tensor = pending.pop()) {
    const node = view.producer.get(tensor);
    if (node === undefined || kept.has(node.index) || !nodes.includes(node)) continue;
    kept.add(node.index);
    pending.push(...node.inputs);
  }
  const dropped = nodes.filter((n) => !kept.has(n.index));
  const indices = new Set(dropped.map((n) => n.index));
  for (const node of dropped)
    for (const tensor of node.outputs) {
      if (tensor === "" || tensor === output) continue;
      // Also somebody who only asks for its shape, or a body that takes it from outside.
      const read = (view.consumers.get(tensor) ?? []).some((u) => u.input < 0 || !indices.has(u.node.index));
      if (read || view.graphOutputs.has(tensor)) return `"${tensor}" inside it is read from outside`;
    }
  return indices;
}

/** A scale or bias; `tensor` where the file holds it in the shape that the operator asks for. */
interface Affine {
  readonly values: Float64Array;
  readonly tensor: string | undefined;
}

/** Scale and bias that make the operator's formula the pattern's on every probe. */
function findAffine(o: FixSubject, pattern: NormPattern): { scale: Affine; bias: Affine | undefined } | string {
  const { size, kind, output } = pattern;
  const runs = Array.from({ length: probeKinds }, (_, shift) => {
    const x = probe(pattern, shift);
    return { y: pattern.compute(x)(output), n: normalised(x, pattern) };
  });
  if (runs.some((r) => r.y.data.length !== r.n.data.length)) return "its result has another shape than its input";
  const fitted = fit(runs, size);
  const vectors = candidates(o, pattern);
  const scale = closest(fitted.scale, vectors) ?? ones(fitted.scale);
  if (scale === undefined) return "no scale that it reads makes it what the operator computes";
  const bias = closest(fitted.bias, vectors);
  const formula = (n: Values): Values => ({
    dims: n.dims,
    data: n.data.map((v, i) => v * (scale.values[i % size] ?? 0) + (bias?.values[i % size] ?? 0)),
  });
  if (bias !== undefined && kind === "rms-norm") return "RMSNormalization has no bias";
  if (!runs.every((r) => sameRows(formula(r.n), r.y, size))) return "it computes something else than the operator";
  return { scale, bias };
}

/** What the operator makes before scale and bias (ONNX operator schemas, LayerNormalization-17 and RMSNormalization-23). */
function normalised(x: Values, { kind, size, epsilon }: NormPattern): Values {
  const data = new Float64Array(x.data.length);
  for (let row = 0; row < data.length; row += size) {
    const part = x.data.subarray(row, row + size);
    const mean = kind === "rms-norm" ? 0 : part.reduce((a, b) => a + b, 0) / size;
    const variance = part.reduce((a, b) => a + (b - mean) ** 2, 0) / size;
    for (let i = 0; i < size; i++) data[row + i] = ((part[i] ?? 0) - mean) / Math.sqrt(variance + epsilon.value);
  }
  return { dims: x.dims, data };
}

/** Scale and bias per channel by least squares. */
function fit(runs: readonly { y: Values; n: Values }[], size: number): { scale: Float64Array; bias: Float64Array } {
  const sums = Array.from({ length: 5 }, () => new Float64Array(size));
  const [ones, ns, ys, nn, ny] = sums as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
  const add = (to: Float64Array, c: number, v: number) => {
    to[c] = (to[c] ?? 0) + v;
  };
  for (const { y, n } of runs)
    for (let i = 0; i < n.data.length; i++) {
      const [c, a, b] = [i % size, n.data[i] ?? 0, y.data[i] ?? 0];
      add(ones, c, 1);
      add(ns, c, a);
      add(ys, c, b);
      add(nn, c, a * a);
      add(ny, c, a * b);
    }
  const scale = ones.map((m, c) => (m * (ny[c] ?? 0) - (ns[c] ?? 0) * (ys[c] ?? 0)) / (m * (nn[c] ?? 0) - (ns[c] ?? 0) ** 2));
  return { scale, bias: ones.map((m, c) => ((ys[c] ?? 0) - (scale[c] ?? 0) * (ns[c] ?? 0)) / m) };
}

/** Constants that the pattern reads with a value per channel, or one for all. */
function candidates(o: FixSubject, pattern: NormPattern): Affine[] {
  const { size, axes, dims } = pattern;
  const made = new Set(pattern.nodes.flatMap((n) => n.outputs));
  const shape = dims.slice(dims.length - axes).join();
  const read = [...new Set(pattern.nodes.flatMap((n) => n.inputs))].filter((t) => t !== "" && t !== pattern.input && !made.has(t));
  const get = pattern.compute({ dims, data: new Float64Array(dims.reduce((n, d) => n * d, 1)) });
  return read.flatMap((tensor): Affine[] => {
    // Axes and shapes are read too, and are no floats.
    const values = computable(() => get(tensor));
    if (typeof values === "string" || (values.data.length !== size && values.data.length !== 1)) return [];
    const spread = values.data.length === size ? values.data : new Float64Array(size).fill(values.data[0] ?? 0);
    const fits = values.dims.join() === shape && o.types.get(tensor)?.dtype !== "float64";
    return [
      { values: spread, tensor: fits ? tensor : undefined },
      { values: spread.map((v) => -v), tensor: undefined },
    ];
  });
}

/** The candidate that is what was fitted, but for rounding. */
function closest(fitted: Float64Array, vectors: readonly Affine[]): Affine | undefined {
  return vectors.find((v) => {
    let error = 0;
    let own = 0;
    for (let i = 0; i < fitted.length; i++) {
      error = Math.max(error, Math.abs((fitted[i] ?? 0) - (v.values[i] ?? 0)));
      own = Math.max(own, Math.abs(v.values[i] ?? 0));
    }
    return error <= 1e-4 * own;
  });
}

const ones = (fitted: Float64Array): Affine | undefined =>
  fitted.every((s) => Math.abs(s - 1) < 1e-5) ? { values: new Float64Array(fitted.length).fill(1), tensor: undefined } : undefined;
